"""Recording and withdrawing permissions: check, write the ledger, move the state, tell the participants, in one transaction.

The state rows are locked before anything is read, so that two writers of one permission follow each other and a
withdrawal waits for whatever has already started. Every deed carries a repeat key: the same deed twice is one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from audit.actors import Actor
from audit.participation import call
from audit.purposes import Purpose
from consent.choices import (
    ANY_CHANNEL,
    SELF_RECIPIENT,
    EventKind,
    ExpressedBy,
    GivenThrough,
    Method,
    StartedBy,
    State,
)
from consent.decisions import NO, ask_again_on
from consent.errors import AskedTooSoon, EvidenceMissing, NoticeMissing, NotWithdrawable
from consent.ledger import Said, append, key_of, lock_purpose, said_before
from consent.locks import lock_states
from consent.models import ConsentEvent, ConsentNotice, ConsentState
from consent.publishing import current_notice, current_notices, publish_notice, versions_needed
from consent.purposes import PurposeRule, Words, rule_of
from consent.queries import standing_of
from consent.speaking import check_own_word, check_who_speaks
from consent.stopped import Stopped
from patients.models import Patient

__all__ = [
    "Stopped",
    "Withdrawal",
    "current_notice",
    "current_notices",
    "publish_notice",
    "record_answers",
    "record_consent",
    "withdraw_consent",
    "withdraw_everything",
    "would_stop",
]


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
    recipient: str = SELF_RECIPIENT,
    evidence: str | None = None,
    evidence_file: UUID | None = None,
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
            recipient=recipient,
            evidence=evidence,
            evidence_file=evidence_file,
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
    recipient: str = SELF_RECIPIENT,
    started_by: StartedBy | None = None,
    evidence: str | None = None,
    evidence_file: UUID | None = None,
) -> tuple[ConsentEvent, ...]:
    """What the person said about one purpose: a line of the ledger for each kind of data and operation it covers.

    `started_by` None means the person where it came from their own phone, the clinic otherwise. A yes that the person brought
    up counts on the channels they had shut as well. A no to something that stands agreed is a withdrawal. `evidence` says in words
    who heard it, which code or which paper, `evidence_file` is the sealed file of a signature or scan. Raises NotWithdrawable, NoticeMissing, AskedTooSoon, GuardianNeeded, OwnWordNeeded,
    EvidenceMissing.
    """
    rule = rule_of(purpose)
    said = Said(
        event=EventKind.REFUSED,
        by=by,
        at=at,
        key=idem_key,
        given_through=given_through,
        method=method,
        expressed_by=expressed_by,
        started_by=started_by or (StartedBy.PERSON if given_through in OWN_HANDS else StartedBy.CLINIC),
        notice=notice,
        evidence=evidence,
        evidence_file=evidence_file,
    )
    _check_asked(patient, rule, notice, at)
    if granted:
        _check_yes(patient, rule, said)
    states = lock_purpose(patient, rule, channel=channel, recipient=recipient, with_dependents=not granted)
    if repeated := said_before(patient, rule, channel=channel, recipient=recipient, key=idem_key):
        return repeated
    lifts = granted and channel == ANY_CHANNEL and said.started_by is StartedBy.PERSON
    own = [
        state
        for state in states
        if (state.purpose, state.recipient) == (purpose, recipient)
        and (state.channel == channel or (lifts and state.state in NO))
    ]
    if not granted and any(state.state == State.GRANTED for state in own):
        return _withdraw(patient, rule, own, said).events
    _check_not_too_soon(rule, own, said)
    return _agree(patient, rule, own, said) if granted else append(own, said, patient=patient, rule=rule)


def _check_asked(patient: Patient, rule: PurposeRule, notice: ConsentNotice, at: datetime) -> None:
    """Raises NotWithdrawable for what nobody is asked, NoticeMissing for words that are not those of this clinic now."""
    if not rule.needs_consent:
        raise NotWithdrawable(rule.purpose.value)
    ours = notice.code == rule.purpose and notice.clinic_id == patient.clinic_id
    if not ours or notice.version < versions_needed(patient.clinic_id, at)[rule.purpose]:
        raise NoticeMissing(rule.purpose.value)


def _check_yes(patient: Patient, rule: PurposeRule, said: Said) -> None:
    """Raises GuardianNeeded, OwnWordNeeded; EvidenceMissing where it did not come from the person's own hands."""
    check_who_speaks(patient, said.expressed_by, said.at)
    if said.given_through not in OWN_HANDS and not (said.evidence or said.evidence_file):
        raise EvidenceMissing(rule.purpose.value)


def _check_not_too_soon(rule: PurposeRule, own: Iterable[ConsentState], said: Said) -> None:
    """Raises AskedTooSoon where the clinic asks again what was declined not long ago."""
    if said.started_by is StartedBy.CLINIC:
        for state in own:
            if again_on := ask_again_on(standing_of(state), said.at):
                raise AskedTooSoon(rule.purpose, again_on)


def _agree(
    patient: Patient, rule: PurposeRule, own: Sequence[ConsentState], said: Said
) -> tuple[ConsentEvent, ...]:
    renewed = all(state.state == State.GRANTED for state in own)
    said = replace(
        said,
        event=EventKind.RENEWED if renewed else EventKind.GRANTED,
        valid_until=said.at + rule.term if rule.term else None,
    )
    events = append(own, said, patient=patient, rule=rule)
    call("on_granted", patient_id=patient.pk, purpose=rule.purpose, at=said.at)
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
    expressed_by: ExpressedBy = ExpressedBy.SELF,
    recipient: str | None = None,
    idem_key: str | None = None,
) -> Withdrawal:
    """Ends a permission on every channel, and with it at once whatever depends on it. Raises NotWithdrawable, OwnWordNeeded.

    `recipient` ends it towards one recipient alone. Waits for sends that have started (milliseconds: the gate holds no lock
    while a carrier is asked). When this transaction commits nothing that rests on the permission starts any more.
    """
    rule = rule_of(purpose)
    if not rule.withdrawable:
        raise NotWithdrawable(purpose.value)
    check_own_word(patient, expressed_by, at)
    standing = [
        state
        for state in lock_purpose(patient, rule, with_dependents=True)
        if state.purpose == purpose and state.state == State.GRANTED and recipient in (None, state.recipient)
    ]
    # A form sent twice finds nothing standing the second time. Sent again after a new yes it is a new no, under a key of its own.
    since = max((state.version for state in standing), default=0)
    said = Said(
        event=EventKind.WITHDRAWN,
        by=by,
        at=at,
        key=f"{idem_key}-{since}" if idem_key else f"withdraw:{uuid4()}",
        given_through=given_through,
        method=method,
        expressed_by=expressed_by,
    )
    return _withdraw(patient, rule, standing, said)


@transaction.atomic
def withdraw_everything(patient: Patient, *, by: Actor, at: datetime) -> tuple[ConsentEvent, ...]:
    """A line of withdrawal for every permission that stands, those that rest on law or contract too: the person is erased.

    Nobody is asked to take part: whoever erases asks every app itself. Opens and seals nothing, so it can be done again
    when the keys are gone.
    """
    rows = ConsentState.objects.filter(patient=patient)
    lock_states(list(map(key_of, rows)))
    in_force = [State.GRANTED, State.INVOKED]
    standing = rows.filter(state__in=in_force).order_by("purpose", "data_category", "operation", "channel")
    by_purpose: dict[str, list[ConsentState]] = {}
    for state in standing:
        by_purpose.setdefault(state.purpose, []).append(state)
    said = Said(
        event=EventKind.WITHDRAWN,
        by=by,
        at=at,
        key=f"erased:{at.isoformat()}:{patient.pk}",
        given_through=GivenThrough.DESK,
    )
    return tuple(
        event
        for purpose, states in by_purpose.items()
        for event in append(states, said, patient=patient, rule=rule_of(Purpose(purpose)))
    )


def would_stop(patient: Patient, purpose: Purpose, at: datetime) -> tuple[Stopped, ...]:
    """What a withdrawal would stop now, for the question before it. Changes nothing."""
    return _flat(call("would_stop", patient_id=patient.pk, purpose=purpose, at=at))


OWN_HANDS = frozenset({GivenThrough.PORTAL, GivenThrough.LINK})


def _withdraw(
    patient: Patient, rule: PurposeRule, standing: Sequence[ConsentState], said: Said
) -> Withdrawal:
    if not standing:
        return Withdrawal(purpose=rule.purpose, at=said.at, events=(), stopped=())
    said = replace(
        said, event=EventKind.WITHDRAWN, started_by=StartedBy.PERSON, notice=None, valid_until=None
    )
    events = append(standing, said, patient=patient, rule=rule)
    stopped = _flat(call("on_withdrawn", patient_id=patient.pk, purpose=rule.purpose, at=said.at))
    return Withdrawal(purpose=rule.purpose, at=said.at, events=events, stopped=stopped)


def _flat(answers: Iterable[Iterable[Stopped] | None]) -> tuple[Stopped, ...]:
    return tuple(stopped for answer in answers for stopped in answer or ())
