"""Writing the ledger: lines for locked state rows, the rows moved on by the same fold that reads it, and the log.

Everybody who says something about a permission comes through here, with the rows locked (`lock_purpose`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.actors import Actor
from audit.purposes import Purpose
from audit.services import record
from consent.choices import (
    ANY_CHANNEL,
    SELF_RECIPIENT,
    EventKind,
    ExpressedBy,
    GivenThrough,
    LegalBasis,
    Method,
    StartedBy,
)
from consent.decisions import Line, Standing, after
from consent.locks import Key, lock_states, move_states
from consent.models import ConsentEvent, ConsentNotice, ConsentState
from consent.purposes import PurposeRule, carries, rule_of
from consent.queries import standing_of
from patients.models import Patient


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is written down of one thing that was said. `key` makes the same deed twice one."""

    event: EventKind
    by: Actor
    at: datetime
    key: str
    given_through: GivenThrough
    method: Method | None = None
    expressed_by: ExpressedBy = ExpressedBy.SELF
    started_by: StartedBy = StartedBy.PERSON
    notice: ConsentNotice | None = None
    valid_until: datetime | None = None
    evidence: str | None = None
    evidence_file: UUID | None = None


def append(
    states: Sequence[ConsentState], said: Said, *, patient: Patient, rule: PurposeRule
) -> tuple[ConsentEvent, ...]:
    """One line for each of these locked rows of one purpose, and the rows moved on."""
    events = [_line(state, said, patient, rule) for state in states]
    ConsentEvent.objects.sealed_bulk_create(events)
    for state, event in zip(states, events, strict=True):
        _move(state, after(standing_of(state), line_of(event)))
    move_states(states)
    subjects = {state.subject_id for state in states}
    record(
        f"consent.{said.event}",
        object=events[0],
        subjects=subjects,
        purpose=rule.purpose,
        decision=events[0].pk,
        count=len(events),
    )
    record("consent.moved", object=states[0], subjects=subjects, count=len(states))
    return tuple(events)


def _line(state: ConsentState, said: Said, patient: Patient, rule: PurposeRule) -> ConsentEvent:
    notice, guardian = said.notice, said.expressed_by is ExpressedBy.GUARDIAN
    return ConsentEvent(
        clinic_id=state.clinic_id,
        patient_id=patient.pk,
        subject_id=state.subject_id,
        purpose=state.purpose,
        data_category=state.data_category,
        recipient=state.recipient,
        operation=state.operation,
        channel=state.channel,
        version=state.version + 1,
        event=said.event,
        legal_basis=LegalBasis.GUARDIAN if guardian else rule.legal_basis,
        notice=notice,
        notice_version=notice.version if notice else state.notice_version,
        notice_sha256=notice.body_sha256 if notice else None,
        locale=notice.locale if notice else "",
        valid_from=said.at,
        valid_until=said.valid_until,
        expressed_by=said.expressed_by,
        started_by=said.started_by,
        method=said.method or "",
        given_through=said.given_through,
        evidence=said.evidence,
        evidence_file=said.evidence_file,
        actor_ref=said.by.ref,
        prev_id=state.last_event_id,
        idem_key=repeat_key(
            said.key, rule.purpose, state.channel, state.recipient, state.data_category, state.operation
        ),
        occurred_at=said.at,
    )


def lock_purpose(
    patient: Patient,
    rule: PurposeRule,
    *,
    channel: str = ANY_CHANNEL,
    recipient: str = SELF_RECIPIENT,
    with_dependents: bool,
) -> list[ConsentState]:
    """The state rows of this purpose, locked; for a no also those of every purpose that rests on it.

    A row for one more channel or recipient is only ever made under the lock of the general row, so a second look finds them all.
    """
    concerned = [rule, *(rule_of(p) for p in carries(rule.purpose))] if with_dependents else [rule]
    lock_states(
        {
            Key(patient.pk, one.purpose.value, category, to, operation.value, via)
            for one in concerned
            for category, operation in one.grants
            for via in {ANY_CHANNEL, channel}
            for to in {SELF_RECIPIENT, recipient if one is rule else SELF_RECIPIENT}
        }
    )
    rows = ConsentState.objects.filter(patient=patient, purpose__in=[one.purpose for one in concerned])
    if with_dependents:
        lock_states(list(map(key_of, rows)))
    return list(rows.order_by("data_category", "operation"))


def key_of(state: ConsentState) -> Key:
    return Key(
        state.patient_id,
        state.purpose,
        state.data_category,
        state.recipient,
        state.operation,
        state.channel,
    )


def said_before(
    patient: Patient, rule: PurposeRule, *, channel: str, recipient: str, key: str
) -> tuple[ConsentEvent, ...]:
    """The lines that this very deed has written already."""
    lines = ConsentEvent.objects.filter(
        clinic_id=patient.clinic_id,
        idem_key__in=[
            repeat_key(key, rule.purpose, channel, recipient, category, operation)
            for category, operation in rule.grants
        ],
    )
    return tuple(lines.order_by("data_category", "operation"))


def repeat_key(key: str, purpose: Purpose, *permission: str) -> str:
    return ":".join([key, purpose, *permission])


def line_of(event: ConsentEvent) -> Line:
    return Line(
        id=event.pk,
        event=event.event,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        notice_version=event.notice_version,
        occurred_at=event.occurred_at,
        version=event.version,
    )


_STANDING = ["state", "valid_from", "valid_until", "notice_version", "decided_at", "last_event_id", "version"]


def _move(state: ConsentState, standing: Standing) -> None:
    for name in _STANDING:
        setattr(state, name, getattr(standing, name))
