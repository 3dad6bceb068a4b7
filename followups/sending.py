"""The sender: the gate and an attempt in one short transaction, the carrier outside any, the outcome in another.

A send has started when its attempt is committed. Killed before that, nothing happened; killed after it, the outbox row
comes up again once the attempt's time is over, passes the gate anew, and goes out under the same key, which the carrier
takes once. So a crash repeats nothing and loses nothing, and nothing starts after a withdrawal.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from audit.wrote import wrote_rows
from clinics.channels import CarrierRefused, CarrierUnavailable, send_mail_text, send_sms
from clinics.models import Clinic
from consent.decisions import Decision, Need
from consent.gate import pass_gate
from consent.opt_out import add_link
from crypto.errors import SealBroken
from followups.choices import AttemptOutcome, CancelReason, Channel, MessageState
from followups.messaging import Text, at_rest, day_in_words, not_at_night, policy, salutation, templates
from followups.models import Attempt, Message, Outbox
from followups.planning import may_text
from patients.models import Patient

logger = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=2)
CARRIER_LIMIT = timedelta(seconds=2)  # a call begun just before the deadline may last this long
GRACE = timedelta(seconds=1)
MESSAGES_A_BATCH = 10
PAUSE_AFTER_TROUBLE = timedelta(minutes=2)
LOOK_AGAIN_IN = timedelta(hours=1)  # at a letter that could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One started send, with everything the carrier needs: nothing is read from the database after the commit."""

    attempt_id: UUID
    channel: Channel
    to: str
    text: Text
    stop: str
    key: str


def send_queued(clinic: Clinic, at: datetime, *, limit: int = MESSAGES_A_BATCH) -> int:
    """Sends what stands in the outbox; answers how many messages the carrier accepted. In quiet hours none."""
    if at_rest(at):
        return 0
    began = time.monotonic()
    accepted = 0
    for letter in start(clinic, at, limit=limit):
        late = _now(at, began) >= at + DEADLINE
        outcome = AttemptOutcome.GIVEN_UP if late else _hand_over(clinic, letter)
        settle(clinic, letter.attempt_id, outcome, _now(at, began))
        accepted += outcome is AttemptOutcome.ACCEPTED
    return accepted


def start(clinic: Clinic, at: datetime, *, limit: int = MESSAGES_A_BATCH) -> list[Letter]:
    """Takes the gate for the next entries and commits an attempt for each that may go. Answers what to hand over.

    The gate comes before the rows' locks, in the order in which a withdrawal takes them.
    """
    with acting(system_actor("followups", clinic.pk), clinic.pk):
        ready = Outbox.objects.filter(clinic=clinic, not_before__lte=at).order_by("not_before", "pk")
        needs = {
            pk: Need(patient_id=patient_id, purpose=Purpose(purpose), channel=channel)
            for pk, patient_id, purpose, channel in ready.values_list(
                "pk", "message__patient_id", "message__purpose", "message__channel"
            )[:limit]
        }
        if not needs:
            return []
        decisions = pass_gate(set(needs.values()), at)
        entries = (
            ready.filter(pk__in=needs)
            .select_related("message__patient", "message__follow_up")
            .defer("message__follow_up__note")
            .select_for_update(of=("self", "message"), skip_locked=True)
            .order_by("pk")
        )
        with access(Purpose.FOLLOWUP, Kind.COMPUTED):
            started = [_start_or_wait(clinic, entry, decisions[needs[entry.pk]], at) for entry in entries]
    return [letter for letter in started if letter is not None]


def settle(clinic: Clinic, attempt_id: UUID, outcome: AttemptOutcome, at: datetime) -> None:
    """Writes down how an attempt ended. Unless its fate is known the message stands in the outbox again, for later.

    Each letter by itself: a sender killed in between leaves one letter in doubt, and not its whole batch.
    """
    with acting(system_actor("followups", clinic.pk), clinic.pk):
        locked = Message.objects.select_related("patient").select_for_update(of=("self",))
        message = locked.filter(attempts=attempt_id).first()
        if message is not None:  # None: the person was erased while the carrier was asked
            _settle(message, Attempt.objects.get(pk=attempt_id), outcome, at)


def _now(at: datetime, began: float) -> datetime:
    return at + timedelta(seconds=time.monotonic() - began)


def _start_or_wait(clinic: Clinic, entry: Outbox, decision: Decision, at: datetime) -> Letter | None:
    """A letter whose address or salutation does not open waits: the others go, and this one when it is repaired."""
    try:
        with transaction.atomic():
            return _start(clinic, entry, decision, at)
    except SealBroken:
        entry.refresh_from_db()
        entry.not_before = at + LOOK_AGAIN_IN
        entry.save(update_fields=["not_before"])
        return None


def _start(clinic: Clinic, entry: Outbox, decision: Decision, at: datetime) -> Letter | None:
    message, patient = entry.message, entry.message.patient
    Attempt.objects.filter(message=message, outcome="").update(outcome=AttemptOutcome.LOST, finished_at=at)
    if reason := _why_not(message, patient, decision, at):
        _finish(message, MessageState.CANCELLED, at, reason=reason)
        return None
    if entry.tries >= policy().most_tries:
        _finish(message, MessageState.FAILED, at)
        return None
    if later := _not_today(message, patient, at):
        entry.not_before = later
        entry.save(update_fields=["not_before"])
        return None
    entry.tries += 1
    entry.not_before = at + DEADLINE + CARRIER_LIMIT + GRACE
    entry.save(update_fields=["tries", "not_before"])
    attempt = Attempt.objects.create(
        clinic_id=clinic.pk,
        message=message,
        number=entry.tries,
        decision=decision.event_uid,
        started_at=at,
        deadline=at + DEADLINE,
    )
    message.state = MessageState.SENDING
    message.save(update_fields=["state"])
    purpose = Purpose(message.purpose)
    link, token = add_link(patient, purpose, channel=message.channel, message_id=message.pk, at=at)
    record(
        "message.started",
        object=message,
        subjects=[patient.subject_id],
        purpose=purpose,
        decision=decision.event_uid,
        wrote=wrote_rows([link]),
    )
    stop = f"{settings.PUBLIC_URL}/p/{clinic.code}/stop/{token}/"
    return Letter(
        attempt_id=attempt.pk,
        channel=Channel(message.channel),
        to=_address(message, patient),
        text=_text(clinic, message, patient, stop),
        stop=stop,
        key=entry.idem_key,
    )


def _why_not(message: Message, patient: Patient, decision: Decision, at: datetime) -> CancelReason | None:
    """What stands against sending this message now and later as well."""
    if not decision.allowed:
        return CancelReason.NOT_PERMITTED
    due_on = message.follow_up.due_on
    if due_on is not None and message.offset_days < 0 and due_on < policy().day_of(at):
        return CancelReason.TOO_LATE
    if message.channel == Channel.SMS and not may_text(patient, at):
        return CancelReason.NOT_OWN_PHONE
    return None if _address(message, patient) else CancelReason.NO_ADDRESS


def _not_today(message: Message, patient: Patient, at: datetime) -> datetime | None:
    """The next morning, when the person has had enough messages today."""
    today = policy().day_of(at)
    had = Q(state=MessageState.SENT, settled_at__gte=policy().midnight(today)) | Q(state=MessageState.SENDING)
    sent = Message.objects.filter(had, patient=patient).exclude(pk=message.pk).count()
    if sent < policy().most_per_day:
        return None
    return not_at_night(policy().at_send_hour(today + timedelta(days=1)), message.pk)


def _address(message: Message, patient: Patient) -> str:
    return (patient.identity.phone if message.channel == Channel.SMS else patient.identity.email) or ""


def _text(clinic: Clinic, message: Message, patient: Patient, stop: str) -> Text:
    """The words as they leave. They are made now and kept nowhere."""
    day = message.follow_up.due_on
    facts = {
        "clinic": clinic.short_name,
        "salutation": salutation(patient.identity.name or "", patient.sex),
        "day": day_in_words(day) if day else "",
        "link": f"{settings.PUBLIC_URL}/p/{clinic.code}/",
        "phone": clinic.phone,
        "stop": stop,
    }
    return templates()[message.template, message.template_version].fill(facts, settings.LANGUAGE_CODE)


def _hand_over(clinic: Clinic, letter: Letter) -> AttemptOutcome:
    """Asks the carrier, outside any transaction. Whatever it raises beside a refusal leaves the fate unknown."""
    try:
        if letter.channel is Channel.SMS:
            send_sms(clinic, letter.to, letter.text.body, idempotency_key=letter.key)
        else:
            send_mail_text(
                clinic,
                letter.to,
                letter.text.subject,
                letter.text.body,
                idempotency_key=letter.key,
                stop=letter.stop,
            )
    except CarrierRefused:
        return AttemptOutcome.REFUSED
    except CarrierUnavailable:
        return AttemptOutcome.UNAVAILABLE
    except Exception as error:
        logger.error("A carrier failed: %s", type(error).__name__)
        return AttemptOutcome.UNAVAILABLE
    return AttemptOutcome.ACCEPTED


def _settle(message: Message, attempt: Attempt, outcome: AttemptOutcome, at: datetime) -> None:
    attempt.outcome, attempt.finished_at = outcome, at
    attempt.save(update_fields=["outcome", "finished_at"])
    if message.state != MessageState.SENDING:  # a later attempt under the same key knew its fate before us
        return
    if outcome in (AttemptOutcome.ACCEPTED, AttemptOutcome.REFUSED):
        _finish(message, MessageState.SENT if outcome is AttemptOutcome.ACCEPTED else MessageState.FAILED, at)
        return
    entry = Outbox.objects.filter(message=message, tries=attempt.number).first()
    if entry is not None:
        pause = PAUSE_AFTER_TROUBLE if outcome is AttemptOutcome.UNAVAILABLE else timedelta()
        entry.not_before = at + pause * attempt.number
        entry.save(update_fields=["not_before"])
        message.state = MessageState.QUEUED
        message.save(update_fields=["state"])
        record("message.waits", object=message, subjects=[message.patient.subject_id], reason=outcome.value)


def _finish(
    message: Message, state: MessageState, at: datetime, *, reason: CancelReason | None = None
) -> None:
    message.state, message.settled_at, message.cancel_reason = state, at, reason or ""
    message.save(update_fields=["state", "settled_at", "cancel_reason"])
    Outbox.objects.filter(message=message).delete()
    record(
        f"message.{state}",
        object=message,
        subjects=[message.patient.subject_id],
        purpose=Purpose(message.purpose),
        reason=reason.value if reason else "",
    )
