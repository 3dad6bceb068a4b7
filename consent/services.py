"""Recording and withdrawing permissions: check, write the ledger, move the state, tell the participants, in one transaction.

The state rows are locked before anything is read, so that two writers of one permission follow each other and a
withdrawal waits for whatever has already started. Every deed carries a repeat key: the same deed twice is one.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.db.models import Q
from django.utils.timezone import localdate

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.participation import call
from audit.purposes import Purpose
from audit.services import record
from clinics.models import Clinic
from consent.choices import (
    ANY_CHANNEL,
    SELF_RECIPIENT,
    EventKind,
    ExpressedBy,
    GivenThrough,
    LegalBasis,
    Method,
    StartedBy,
    State,
)
from consent.decisions import Line, Standing, after, ask_again_on
from consent.errors import AskedTooSoon, GuardianNeeded, NoticeMissing, NotWithdrawable
from consent.locks import Key, lock_states, move_states
from consent.models import ConsentEvent, ConsentNotice, ConsentState
from consent.notices import NoticeText, notice_text, purposes_with_notice
from consent.purposes import PurposeRule, Words, carries, rule_of
from consent.queries import standing_of
from patients.models import Patient

ADULT_IN_CONSENT = 14  # PIPL art. 31: below it a guardian decides


@dataclass(frozen=True, slots=True)
class Stopped:
    """One thing that ended with a permission, in words for the patient. `on_its_way`: it had started and goes on."""

    words: Words
    on_its_way: bool = False

    def __str__(self) -> str:
        return str(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What a withdrawal did. Without events there was nothing to withdraw, and nothing stopped."""

    purpose: Purpose
    at: datetime
    events: tuple[ConsentEvent, ...]
    stopped: tuple[Stopped, ...]

    @property
    def keeps(self) -> tuple[Words, ...]:
        """What goes on all the same."""
        return rule_of(self.purpose).keeps


def current_notices(
    clinic: Clinic, purposes: Iterable[Purpose], locale: str, at: datetime
) -> dict[Purpose, ConsentNotice]:
    """The notices that people of this clinic are shown; a purpose without one in force is absent.

    Its first reader publishes a version, word for word; from then on it never changes.
    """
    texts = [notice_text(p, locale) for p in purposes if p in purposes_with_notice()]
    texts = [text for text in texts if text.effective_from <= localdate(at)]
    found = _published(clinic, texts)
    if missing := [text for text in texts if text.purpose not in found]:
        ConsentNotice.objects.bulk_create(
            [_notice(clinic, text, at) for text in missing], ignore_conflicts=True
        )
        found = _published(clinic, texts)
    return found


def current_notice(clinic: Clinic, purpose: Purpose, locale: str, at: datetime) -> ConsentNotice:
    """The notice of one purpose. Raises NoticeMissing."""
    notice = current_notices(clinic, [purpose], locale, at).get(purpose)
    if notice is None:
        raise NoticeMissing(purpose.value)
    return notice


def _published(clinic: Clinic, texts: Sequence[NoticeText]) -> dict[Purpose, ConsentNotice]:
    wanted = Q(pk__in=())
    for text in texts:
        wanted |= Q(code=text.purpose, version=text.version, locale=text.locale)
    return {Purpose(row.code): row for row in ConsentNotice.objects.filter(wanted, clinic=clinic)}


def _notice(clinic: Clinic, text: NoticeText, at: datetime) -> ConsentNotice:
    items = text.for_clinic(clinic.name, clinic.phone)
    body = "\n\n".join([text.title, *items.values()])
    return ConsentNotice(
        clinic=clinic,
        code=text.purpose,
        version=text.version,
        locale=text.locale,
        body=body,
        body_sha256=hashlib.sha256(body.encode()).digest(),
        items=items,
        material_change=text.material_change,
        assessment=text.assessment,
        effective_from=text.effective_from,
        published_at=at,
    )


@transaction.atomic
def record_answers(
    patient: Patient,
    answers: Mapping[Purpose, bool],
    *,
    notices: Mapping[Purpose, ConsentNotice],
    method: Method,
    expressed_by: ExpressedBy,
    given_through: GivenThrough,
    started_by: Mapping[Purpose, StartedBy],
    by: Actor,
    at: datetime,
    idem_key: str,
    evidence: str | None = None,
) -> tuple[ConsentEvent, ...]:
    """What the person said about several purposes in one conversation: all of it is recorded, or nothing.

    Each purpose stays an answer of its own, withdrawn by itself. Purposes are taken in one order everywhere.
    """
    return tuple(
        event
        for purpose in sorted(answers)
        for event in record_consent(
            patient,
            purpose,
            granted=answers[purpose],
            notice=notices[purpose],
            method=method,
            expressed_by=expressed_by,
            given_through=given_through,
            started_by=started_by[purpose],
            by=by,
            at=at,
            idem_key=idem_key,
            evidence=evidence,
        )
    )


@transaction.atomic
def record_consent(
    patient: Patient,
    purpose: Purpose,
    *,
    granted: bool,
    notice: ConsentNotice,
    method: Method,
    expressed_by: ExpressedBy = ExpressedBy.SELF,
    given_through: GivenThrough,
    by: Actor,
    at: datetime,
    idem_key: str,
    channel: str = ANY_CHANNEL,
    started_by: StartedBy | None = None,
    evidence: str | None = None,
) -> tuple[ConsentEvent, ...]:
    """What the person said about one purpose: a line of the ledger for each kind of data and operation it covers.

    `started_by` None means the person where it came from their own phone, the clinic otherwise. A no to something that
    stands agreed is a withdrawal. Raises NotWithdrawable, NoticeMissing, AskedTooSoon, GuardianNeeded.
    """
    rule = rule_of(purpose)
    if not rule.needs_consent:
        raise NotWithdrawable(purpose.value)
    if (
        notice.code != purpose
        or notice.clinic_id != patient.clinic_id
        or notice.version < rule.min_notice_version
    ):
        raise NoticeMissing(purpose.value)
    if granted and expressed_by is ExpressedBy.SELF and _is_child(patient, at):
        raise GuardianNeeded(str(patient.pk))
    if started_by is None:
        started_by = StartedBy.PERSON if given_through in _OWN_HANDS else StartedBy.CLINIC
    states = _lock(patient, rule, channel, with_dependents=not granted)
    if repeated := _said_before(patient, rule, channel, idem_key):
        return repeated
    own = [state for state in states if state.purpose == purpose and state.channel == channel]
    if not granted and any(state.state == State.GRANTED for state in own):
        return _withdraw(
            patient, rule, own, by=by, at=at, given_through=given_through, method=method, key=idem_key
        ).events
    if started_by is StartedBy.CLINIC:
        for state in own:
            if again_on := ask_again_on(standing_of(state), at):
                raise AskedTooSoon(purpose, again_on)
    standing_yes = all(state.state == State.GRANTED for state in own)
    kind = (EventKind.RENEWED if standing_yes else EventKind.GRANTED) if granted else EventKind.REFUSED
    events = _append(
        own,
        kind,
        patient=patient,
        rule=rule,
        notice=notice,
        valid_until=at + rule.term if granted and rule.term else None,
        expressed_by=expressed_by,
        started_by=started_by,
        method=method,
        given_through=given_through,
        evidence=evidence,
        by=by,
        at=at,
        key=idem_key,
    )
    if granted:
        call("on_granted", patient_id=patient.pk, purpose=purpose, at=at)
    return events


@transaction.atomic
def withdraw_consent(
    patient: Patient,
    purpose: Purpose,
    *,
    by: Actor,
    at: datetime,
    given_through: GivenThrough,
    method: Method = Method.TAP,
    idem_key: str | None = None,
) -> Withdrawal:
    """Ends a permission on every channel, and with it at once whatever depends on it. Raises NotWithdrawable.

    Waits for sends that have started (milliseconds: the gate holds no lock while a carrier is asked). When this
    transaction commits nothing that rests on the permission starts any more.
    """
    rule = rule_of(purpose)
    if not rule.withdrawable:
        raise NotWithdrawable(purpose.value)
    states = [s for s in _lock(patient, rule, ANY_CHANNEL, with_dependents=True) if s.purpose == purpose]
    return _withdraw(
        patient,
        rule,
        [state for state in states if state.state == State.GRANTED],
        by=by,
        at=at,
        given_through=given_through,
        method=method,
        key=idem_key or f"withdraw:{uuid4()}",
    )


@transaction.atomic
def withdraw_everything(patient: Patient, *, by: Actor, at: datetime) -> tuple[ConsentEvent, ...]:
    """A line of withdrawal for every permission that stands, those that rest on law or contract too: the person is erased.

    Nobody is asked to take part: whoever erases asks every app itself. Opens and seals nothing, so it can be done again
    when the keys are gone.
    """
    rows = ConsentState.objects.filter(patient=patient)
    lock_states(
        [Key(patient.pk, s.purpose, s.data_category, s.recipient, s.operation, s.channel) for s in rows]
    )
    standing = rows.filter(state=State.GRANTED).order_by("purpose", "data_category", "operation", "channel")
    by_purpose: dict[str, list[ConsentState]] = {}
    for state in standing:
        by_purpose.setdefault(state.purpose, []).append(state)
    return tuple(
        event
        for purpose, states in by_purpose.items()
        for event in _append(
            states,
            EventKind.WITHDRAWN,
            patient=patient,
            rule=rule_of(Purpose(purpose)),
            notice=None,
            valid_until=None,
            expressed_by=ExpressedBy.SELF,
            started_by=StartedBy.PERSON,
            method=None,
            given_through=GivenThrough.DESK,
            evidence=None,
            by=by,
            at=at,
            key=f"erased:{at.isoformat()}:{patient.pk}",
        )
    )


def would_stop(patient: Patient, purpose: Purpose, at: datetime) -> tuple[Stopped, ...]:
    """What a withdrawal would stop now, for the question before it. Changes nothing."""
    return _flat(call("would_stop", patient_id=patient.pk, purpose=purpose, at=at))


_OWN_HANDS = frozenset({GivenThrough.PORTAL, GivenThrough.LINK})


def _is_child(patient: Patient, at: datetime) -> bool:
    """Whether the person is under fourteen. The year of birth mostly tells; else the birth date is opened."""
    if patient.birth_year is None or at.year - patient.birth_year > ADULT_IN_CONSENT:
        return False
    if at.year - patient.birth_year < ADULT_IN_CONSENT:
        return True
    with access(Purpose.CARE, Kind.COMPUTED):
        born = patient.identity.birth_date  # ISO 8601
    return not born or localdate(at).isoformat()[5:] < born[5:]


def _lock(patient: Patient, rule: PurposeRule, channel: str, *, with_dependents: bool) -> list[ConsentState]:
    """The state rows of this purpose, locked; for a no also those of every purpose that rests on it.

    A row for one more channel is only ever made under the lock of the general row, so a second look finds them all.
    """
    concerned = [rule, *(rule_of(p) for p in carries(rule.purpose))] if with_dependents else [rule]
    keys = {
        Key(patient.pk, one.purpose.value, category, SELF_RECIPIENT, operation.value, via)
        for one in concerned
        for category, operation in one.grants
        for via in {ANY_CHANNEL, channel}
    }
    lock_states(keys)
    rows = ConsentState.objects.filter(patient=patient, purpose__in=[one.purpose for one in concerned])
    if with_dependents:
        lock_states(
            [Key(patient.pk, s.purpose, s.data_category, s.recipient, s.operation, s.channel) for s in rows]
        )
    return list(rows.order_by("data_category", "operation"))


def _said_before(patient: Patient, rule: PurposeRule, channel: str, key: str) -> tuple[ConsentEvent, ...]:
    lines = ConsentEvent.objects.filter(
        clinic_id=patient.clinic_id,
        idem_key__in=[
            _repeat_key(key, rule.purpose, channel, SELF_RECIPIENT, category, operation)
            for category, operation in rule.grants
        ],
    )
    return tuple(lines.order_by("data_category", "operation"))


def _repeat_key(key: str, *permission: str) -> str:
    return ":".join([key, *permission])


def _withdraw(
    patient: Patient,
    rule: PurposeRule,
    standing: Sequence[ConsentState],
    *,
    by: Actor,
    at: datetime,
    given_through: GivenThrough,
    method: Method,
    key: str,
) -> Withdrawal:
    if not standing:
        return Withdrawal(purpose=rule.purpose, at=at, events=(), stopped=())
    events = _append(
        standing,
        EventKind.WITHDRAWN,
        patient=patient,
        rule=rule,
        notice=None,
        valid_until=None,
        expressed_by=ExpressedBy.SELF,
        started_by=StartedBy.PERSON,
        method=method,
        given_through=given_through,
        evidence=None,
        by=by,
        at=at,
        key=key,
    )
    stopped = _flat(call("on_withdrawn", patient_id=patient.pk, purpose=rule.purpose, at=at))
    return Withdrawal(purpose=rule.purpose, at=at, events=events, stopped=stopped)


def _flat(answers: Iterable[Iterable[Stopped] | None]) -> tuple[Stopped, ...]:
    return tuple(stopped for answer in answers for stopped in answer or ())


def _append(
    states: Sequence[ConsentState],
    kind: EventKind,
    *,
    patient: Patient,
    rule: PurposeRule,
    notice: ConsentNotice | None,
    valid_until: datetime | None,
    expressed_by: ExpressedBy,
    started_by: StartedBy,
    method: Method | None,
    given_through: GivenThrough,
    evidence: str | None,
    by: Actor,
    at: datetime,
    key: str,
) -> tuple[ConsentEvent, ...]:
    """One line for each locked state row, the rows moved on by the same fold that reads the ledger, and the log."""
    guardian = expressed_by is ExpressedBy.GUARDIAN
    events = [
        ConsentEvent(
            clinic_id=state.clinic_id,
            patient_id=patient.pk,
            subject_id=state.subject_id,
            purpose=state.purpose,
            data_category=state.data_category,
            recipient=state.recipient,
            operation=state.operation,
            channel=state.channel,
            version=state.version + 1,
            event=kind,
            legal_basis=LegalBasis.GUARDIAN if guardian else rule.legal_basis,
            notice=notice,
            notice_version=notice.version if notice else state.notice_version,
            notice_sha256=notice.body_sha256 if notice else None,
            locale=notice.locale if notice else "",
            valid_from=at,
            valid_until=valid_until,
            expressed_by=expressed_by,
            started_by=started_by,
            method=method or "",
            given_through=given_through,
            evidence=evidence,
            actor_ref=by.ref,
            prev_id=state.last_event_id,
            idem_key=_repeat_key(
                key, rule.purpose, state.channel, state.recipient, state.data_category, state.operation
            ),
            occurred_at=at,
        )
        for state in states
    ]
    ConsentEvent.objects.sealed_bulk_create(events)
    for state, event in zip(states, events, strict=True):
        _move(state, after(standing_of(state), line_of(event)))
    move_states(states)
    subjects = {state.subject_id for state in states}
    record(
        f"consent.{kind}",
        object=events[0],
        subjects=subjects,
        purpose=rule.purpose,
        decision=events[0].pk,
        count=len(events),
    )
    record("consent.moved", object=states[0], subjects=subjects, count=len(states))
    return tuple(events)


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
