"""A message leaves once, through the gate, by day, and says nothing; a withdrawal stops what has not started."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import connection

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.channels import CarrierRefused, CarrierUnavailable
from clinics.models import Clinic
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from followups import sending
from followups.choices import AttemptOutcome, CancelReason, MessageState
from followups.loop import claim_due, send_queued
from followups.models import Attempt, Message, Outbox
from followups.sending import CARRIER_LIMIT, DEADLINE, GRACE, settle, start
from patients.choices import PhoneOwner
from patients.models import Patient
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, messages_of, take
from tests.laid_out import laid_out

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
LEASE = DEADLINE + CARRIER_LIMIT + GRACE


class Carrier:
    """Takes texts, delivers a key once, and notes whether a transaction was open meanwhile."""

    def __init__(self) -> None:
        self.delivered: dict[str, tuple[str, str]] = {}
        self.asked: list[str] = []
        self.in_transaction = False
        self.trouble: Exception | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, clinic: Clinic, phone: str, body: str, *, idempotency_key: str) -> None:
        self.asked.append(idempotency_key)
        self.in_transaction |= connection.in_atomic_block
        self.meanwhile()
        if self.trouble:
            raise self.trouble
        self.delivered.setdefault(idempotency_key, (phone, body))


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Carrier:
    carrier = Carrier()
    monkeypatch.setattr(sending, "send_sms", carrier)
    return carrier


@laid_out
def reminder(patient: Patient, manager: Actor, clinic: Clinic) -> None:
    """Due on Monday at ten."""
    with acting(manager, clinic.pk):
        file_results(patient, by=manager, ldl=HIGH_LDL)
    take(clinic)


@pytest.fixture
def news(reminder: None, patient: Patient, manager: Actor, clinic: Clinic) -> Iterator[Message]:
    with acting(manager, clinic.pk):
        yield messages_of(patient)[0]


def state_of(message: Message) -> tuple[str, str]:
    message.refresh_from_db()
    return message.state, message.cancel_reason


def test_a_due_message_is_claimed_with_its_outbox_row_and_leaves(
    news: Message, clinic: Clinic, carrier: Carrier
) -> None:
    assert claim_due(clinic, MONDAY - MINUTE) == 0
    assert claim_due(clinic, MONDAY) == 1
    assert Outbox.objects.get().message_id == news.pk
    assert claim_due(clinic, MONDAY) == 0
    assert send_queued(clinic, MONDAY) == 1
    assert state_of(news) == (MessageState.SENT, "")
    assert not Outbox.objects.exists()
    ((phone, body),) = carrier.delivered.values()
    assert phone == "+8613800001234"
    assert body.startswith("【云溪健康】陈女士您好")
    assert "http://testserver/p/east/" in body


def test_the_attempt_names_the_permission_it_rests_on(
    news: Message, clinic: Clinic, carrier: Carrier
) -> None:
    claim_due(clinic, MONDAY)
    send_queued(clinic, MONDAY)
    attempt = Attempt.objects.get()
    assert attempt.outcome == AttemptOutcome.ACCEPTED
    assert attempt.deadline == MONDAY + timedelta(seconds=2)
    event = AuditEvent.objects.get(action="message.started")
    assert event.consent_decision == attempt.decision
    assert AuditEvent.objects.filter(action="message.sent").exists()


def test_mail_goes_by_smtp_to_who_has_no_phone_of_their_own(
    at_work: Actor, clinic: Clinic, patient: Patient, house: Actor
) -> None:
    from audit.access import access
    from audit.kinds import Kind

    with access(Purpose.CARE, Kind.COMPUTED):
        patient.identity.replace(phone=None, email="chen@example.invalid")
        patient.save()
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 1
    (letter,) = mail.outbox
    assert letter.to == ["chen@example.invalid"]
    assert letter.subject == "您的健康档案有更新"
    assert letter.extra_headers["X-Idempotency-Key"].startswith("message:")


def test_nothing_leaves_at_night(news: Message, clinic: Clinic, carrier: Carrier) -> None:
    night = MONDAY + timedelta(hours=12)
    assert claim_due(clinic, night) == 0
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, night) == 0
    assert not carrier.asked
    assert send_queued(clinic, MONDAY + DAY) == 1


def test_what_is_planned_into_the_night_is_due_in_the_morning(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    night = MONDAY + timedelta(hours=13)
    file_results(patient, by=at_work, at=night, ldl=HIGH_LDL)
    take(clinic, night)
    assert messages_of(patient)[0].due_at >= MONDAY + timedelta(hours=22)


@pytest.mark.parametrize("claimed", [False, True])
def test_a_withdrawal_stops_a_message_planned_or_already_in_the_outbox(
    news: Message, clinic: Clinic, carrier: Carrier, patient: Patient, manager: Actor, claimed: bool
) -> None:
    if claimed:
        claim_due(clinic, MONDAY)
    withdraw_consent(patient, Purpose.FOLLOWUP, by=manager, at=MONDAY, given_through=GivenThrough.PORTAL)
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 0
    assert state_of(news) == (MessageState.CANCELLED, CancelReason.WITHDRAWN)
    assert not Outbox.objects.exists()
    assert not carrier.asked


def test_a_permission_that_ended_by_itself_stops_it_when_it_is_due(
    news: Message, clinic: Clinic, carrier: Carrier, patient: Patient
) -> None:
    much_later = MONDAY + 370 * DAY
    claim_due(clinic, much_later)
    assert send_queued(clinic, much_later) == 0
    assert state_of(news) == (MessageState.CANCELLED, CancelReason.NOT_PERMITTED)
    assert not carrier.asked


def test_a_phone_that_became_somebody_elses_is_not_written_to(
    news: Message, clinic: Clinic, carrier: Carrier, patient: Patient
) -> None:
    Patient.objects.filter(pk=patient.pk).update(phone_owner=PhoneOwner.SPOUSE)
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 0
    assert state_of(news) == (MessageState.CANCELLED, CancelReason.NOT_OWN_PHONE)


def test_a_reminder_of_a_day_that_has_passed_is_not_sent(
    news: Message, clinic: Clinic, carrier: Carrier, patient: Patient
) -> None:
    late = MONDAY + 100 * DAY
    claim_due(clinic, late)
    send_queued(clinic, late)
    assert [m.cancel_reason for m in messages_of(patient)] == [
        "",
        CancelReason.TOO_LATE,
        CancelReason.TOO_LATE,
    ]
    assert len(carrier.delivered) == 1


def test_nobody_gets_more_than_two_messages_a_day(
    news: Message, clinic: Clinic, carrier: Carrier, patient: Patient
) -> None:
    Message.objects.update(due_at=MONDAY)
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 2
    assert send_queued(clinic, MONDAY + MINUTE) == 0
    assert send_queued(clinic, MONDAY + DAY + 15 * MINUTE) == 1


def test_a_carrier_in_trouble_is_asked_again_later_under_the_same_key(
    news: Message, clinic: Clinic, carrier: Carrier
) -> None:
    carrier.trouble = CarrierUnavailable()
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 0
    assert state_of(news) == (MessageState.QUEUED, "")
    assert send_queued(clinic, MONDAY + MINUTE) == 0
    carrier.trouble = None
    assert send_queued(clinic, MONDAY + 3 * MINUTE) == 1
    assert len(set(carrier.asked)) == 1
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == [
        "unavailable",
        "accepted",
    ]


def test_after_the_last_try_it_has_failed(news: Message, clinic: Clinic, carrier: Carrier) -> None:
    carrier.trouble = CarrierUnavailable()
    claim_due(clinic, MONDAY)
    for hour in range(8):
        send_queued(clinic, MONDAY + timedelta(hours=hour))
    assert state_of(news) == (MessageState.FAILED, "")
    assert len(carrier.asked) == 5


def test_a_refused_message_is_not_tried_again(news: Message, clinic: Clinic, carrier: Carrier) -> None:
    carrier.trouble = CarrierRefused()
    claim_due(clinic, MONDAY)
    send_queued(clinic, MONDAY)
    assert state_of(news) == (MessageState.FAILED, "")
    assert send_queued(clinic, MONDAY + DAY) == 0
    assert len(carrier.asked) == 1


def test_a_carrier_that_breaks_in_its_own_way_is_trouble_too(
    news: Message, clinic: Clinic, carrier: Carrier
) -> None:
    carrier.trouble = ZeroDivisionError()
    claim_due(clinic, MONDAY)
    send_queued(clinic, MONDAY)
    assert state_of(news) == (MessageState.QUEUED, "")


def test_past_its_deadline_an_attempt_is_given_up_unsent(
    news: Message, clinic: Clinic, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_now", lambda at, began: at + DEADLINE)
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 0
    assert not carrier.asked
    assert Attempt.objects.get().outcome == AttemptOutcome.GIVEN_UP
    monkeypatch.undo()
    monkeypatch.setattr(sending, "send_sms", carrier)
    assert send_queued(clinic, MONDAY + MINUTE) == 1


def test_a_sender_killed_after_the_start_is_taken_over_and_the_carrier_delivers_once(
    news: Message, clinic: Clinic, carrier: Carrier
) -> None:
    claim_due(clinic, MONDAY)
    (letter,) = start(clinic, MONDAY)
    carrier(clinic, letter.to, letter.text.body, idempotency_key=letter.key)  # and here the process is killed
    assert send_queued(clinic, MONDAY + DEADLINE) == 0
    assert send_queued(clinic, MONDAY + LEASE) == 1
    assert len(carrier.asked) == 2
    assert len(carrier.delivered) == 1
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == ["lost", "accepted"]
    assert state_of(news) == (MessageState.SENT, "")


def test_a_sender_that_comes_back_late_changes_nothing_that_is_settled(
    news: Message, clinic: Clinic, carrier: Carrier
) -> None:
    claim_due(clinic, MONDAY)
    (slow,) = start(clinic, MONDAY)
    send_queued(clinic, MONDAY + LEASE)
    settle(clinic, slow.attempt_id, AttemptOutcome.UNAVAILABLE, MONDAY + LEASE)
    assert state_of(news) == (MessageState.SENT, "")
    assert not Outbox.objects.exists()


def test_what_has_started_is_told_as_on_its_way_and_after_a_crash_it_passes_the_gate_anew(
    news: Message, clinic: Clinic, carrier: Carrier, patient: Patient, manager: Actor
) -> None:
    claim_due(clinic, MONDAY)
    start(clinic, MONDAY)
    withdrawal = withdraw_consent(
        patient, Purpose.FOLLOWUP, by=manager, at=MONDAY, given_through=GivenThrough.PORTAL
    )
    assert [stopped.on_its_way for stopped in withdrawal.stopped].count(True) == 1
    assert send_queued(clinic, MONDAY + LEASE) == 0
    assert state_of(news) == (MessageState.CANCELLED, CancelReason.NOT_PERMITTED)
    assert not carrier.asked


def test_the_text_is_kept_nowhere(news: Message, clinic: Clinic, carrier: Carrier) -> None:
    claim_due(clinic, MONDAY)
    send_queued(clinic, MONDAY)
    names = {field.name for model in (Message, Outbox, Attempt) for field in model._meta.get_fields()}
    assert not names & {"body", "text", "subject", "phone", "to"}


def test_when_the_log_cannot_be_written_nothing_is_sent(
    news: Message, clinic: Clinic, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **facts: object) -> None:
        raise ConnectionError

    claim_due(clinic, MONDAY)
    monkeypatch.setattr(sending, "record", fails)
    with pytest.raises(ConnectionError):
        send_queued(clinic, MONDAY)
    assert not carrier.asked
    assert not Attempt.objects.exists()


# On real connections


@pytest.fixture
def due(transactional_db: None, reminder: None, patient: Patient, manager: Actor, clinic: Clinic) -> UUID:
    """A reminder that is due, committed."""
    with acting(manager, clinic.pk):
        return messages_of(patient)[0].pk


def aside(work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return run


def test_no_transaction_is_open_while_the_carrier_is_asked_and_a_withdrawal_need_not_wait_for_it(
    due: UUID, clinic: Clinic, carrier: Carrier, patient: Patient, manager: Actor
) -> None:
    told: list[bool] = []

    def take_back() -> None:
        with acting(manager, clinic.pk):
            withdrawal = withdraw_consent(
                patient, Purpose.FOLLOWUP, by=manager, at=MONDAY, given_through=GivenThrough.PORTAL
            )
        told.extend(stopped.on_its_way for stopped in withdrawal.stopped)

    with ThreadPoolExecutor(1) as pool:
        carrier.meanwhile = lambda: pool.submit(aside(take_back)).result(timeout=2)
        claim_due(clinic, MONDAY)
        assert send_queued(clinic, MONDAY) == 1
    assert not carrier.in_transaction
    assert told.count(True) == 1
    with acting(manager, clinic.pk):
        assert Message.objects.get(pk=due).state == MessageState.SENT


def test_two_senders_and_two_claimers_send_it_once(
    due: UUID, clinic: Clinic, carrier: Carrier, manager: Actor
) -> None:
    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(lambda _n: aside(lambda: claim_due(clinic, MONDAY))(), range(4)))
        sent = list(pool.map(lambda _n: aside(lambda: send_queued(clinic, MONDAY))(), range(4)))
    assert sorted(claimed) == [0, 0, 0, 1]
    assert sorted(sent) == [0, 0, 0, 1]
    assert len(carrier.asked) == 1


def test_two_loops_take_one_change_once(
    transactional_db: None, clinic: Clinic, patient: Patient, manager: Actor
) -> None:
    with acting(manager, clinic.pk):
        file_results(patient, by=manager, ldl=HIGH_LDL, k="6.80")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _n: aside(lambda: take(clinic))(), range(4)))
    with acting(manager, clinic.pk):
        assert len(messages_of(patient)) == 3


def test_a_withdrawal_beside_the_loop_ends_with_nothing_left_to_send(
    transactional_db: None, clinic: Clinic, patient: Patient, manager: Actor, carrier: Carrier
) -> None:
    """Sender, loop and withdrawal at once, again and again: no deadlock, and nothing is sent afterwards."""
    gone = Event()

    def turn() -> None:
        while not gone.is_set():
            take(clinic)
            claim_due(clinic, MONDAY)
            send_queued(clinic, MONDAY)

    with ThreadPoolExecutor(2) as pool:
        turning = [pool.submit(aside(turn)) for _loop in range(2)]
        for number in range(3):
            with acting(manager, clinic.pk):
                file_results(patient, by=manager, at=MONDAY + number * MINUTE, ldl=f"4.{number + 3}0")
            with acting(manager, clinic.pk):
                withdraw_consent(
                    patient, Purpose.FOLLOWUP, by=manager, at=MONDAY, given_through=GivenThrough.PORTAL
                )
            asked = len(carrier.asked)
            with acting(manager, clinic.pk):
                assert not Message.objects.filter(state__in=["planned", "queued"]).exists()
            assert len(carrier.asked) - asked <= 1  # what had started may be handed over after the withdrawal
            with acting(manager, clinic.pk):
                ConsentFactory(patient, Purpose.FOLLOWUP, by=manager, at=MONDAY)
        gone.set()
        for one in turning:
            one.result(timeout=20)
