"""What a person says is a line of the ledger for each thing it covers, once, with the state moved on."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent import ledger
from consent.choices import EventKind, ExpressedBy, GivenThrough, LegalBasis, StartedBy, State
from consent.decisions import Reason, fold
from consent.errors import (
    AskedTooSoon,
    EvidenceMissing,
    GuardianNeeded,
    NoticeMissing,
    NotWithdrawable,
    OwnWordNeeded,
)
from consent.ledger import line_of
from consent.models import ConsentEvent, ConsentNotice, ConsentState
from consent.queries import check, consented, history_of, standing_of, states_of
from consent.services import withdraw_consent
from patients.models import Patient
from tests.factories.consent import MONDAY, ConsentFactory, NoticeFactory
from tests.factories.patients import PatientFactory

DAY = timedelta(days=1)


def states_equal_their_ledgers() -> bool:
    """The invariant: every state row is the fold of its events."""
    for state in ConsentState.objects.all():
        lines = ConsentEvent.objects.filter(
            subject_id=state.subject_id,
            purpose=state.purpose,
            data_category=state.data_category,
            recipient=state.recipient,
            operation=state.operation,
            channel=state.channel,
        ).order_by("version")
        if fold(map(line_of, lines)) != standing_of(state):
            return False
    return True


def test_a_yes_is_a_line_for_each_kind_of_data_and_permits_at_once(at_work: Actor, patient: Patient) -> None:
    assert not check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed
    events = ConsentFactory(patient, by=at_work)
    assert [(e.data_category, e.operation, e.event) for e in events] == [
        ("attr", "use", "granted"),
        ("care", "use", "granted"),
    ]
    decision = check(patient.pk, Purpose.FOLLOWUP, at=MONDAY)
    assert decision.allowed
    assert decision.event_uid == events[0].pk
    assert states_equal_their_ledgers()


@pytest.mark.requirement("PIPL-14a", "HIPAA-508")
def test_a_line_keeps_what_was_shown_how_it_was_said_and_who_wrote_it(
    at_work: Actor, patient: Patient
) -> None:
    event = ConsentFactory(patient, by=at_work, evidence="陈护士在场")[0]
    kept = ConsentEvent.objects.get(pk=event.pk)
    assert kept.notice is not None
    assert bytes(kept.notice_sha256 or b"") == bytes(kept.notice.body_sha256)
    assert (kept.method, kept.given_through, kept.actor_ref) == ("verbal_witnessed", "desk", at_work.ref)
    assert kept.legal_basis == LegalBasis.SEPARATE
    assert kept.valid_until == MONDAY + timedelta(days=365)


def test_each_thing_said_is_an_event_of_the_log(at_work: Actor, patient: Patient) -> None:
    event = ConsentFactory(patient, by=at_work)[0]
    logged = AuditEvent.objects.get(action="consent.granted")
    assert logged.consent_decision == event.pk
    assert logged.count == 2
    assert logged.purpose == "followup"


@pytest.mark.requirement("NDR-22")
def test_a_yes_ends_by_itself_and_can_be_renewed(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    after_term = MONDAY + timedelta(days=365)
    assert check(patient.pk, Purpose.FOLLOWUP, at=after_term).reason is Reason.EXPIRED
    renewed = ConsentFactory(patient, by=at_work, at=after_term - DAY)
    assert {event.event for event in renewed} == {EventKind.RENEWED}
    assert check(patient.pk, Purpose.FOLLOWUP, at=after_term).allowed


def test_the_same_deed_twice_is_one(at_work: Actor, patient: Patient) -> None:
    key = str(uuid4())
    first = ConsentFactory(patient, by=at_work, idem_key=key)
    again = ConsentFactory(patient, by=at_work, idem_key=key)
    assert [e.pk for e in first] == [e.pk for e in again]
    assert ConsentEvent.objects.count() == 2
    assert AuditEvent.objects.filter(action="consent.granted").count() == 1


@pytest.mark.requirement("NDR-22")
def test_a_no_is_recorded_and_the_clinic_may_not_ask_again_for_ninety_days(
    at_work: Actor, patient: Patient
) -> None:
    ConsentFactory(patient, by=at_work, granted=False)
    with pytest.raises(AskedTooSoon) as refused:
        ConsentFactory(patient, by=at_work, at=MONDAY + 89 * DAY, started_by=StartedBy.CLINIC)
    assert refused.value.again_on == (MONDAY + 90 * DAY).date()
    assert not check(patient.pk, Purpose.FOLLOWUP, at=MONDAY + 89 * DAY).allowed
    ConsentFactory(patient, by=at_work, at=MONDAY + 90 * DAY, started_by=StartedBy.CLINIC)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY + 90 * DAY).allowed


def test_the_person_may_change_their_mind_the_next_minute(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work, granted=False)
    ConsentFactory(patient, by=at_work, given_through=GivenThrough.PORTAL, started_by=None)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed


def test_a_yes_without_the_right_notice_is_refused(at_work: Actor, patient: Patient) -> None:
    with pytest.raises(NoticeMissing):
        ConsentFactory(patient, Purpose.FOLLOWUP, by=at_work, notice=NoticeFactory(patient, Purpose.CARE))
    with pytest.raises(NoticeMissing):
        NoticeFactory(patient, Purpose.RESEARCH)
    assert not ConsentEvent.objects.exists()


def test_what_rests_on_law_can_neither_be_agreed_to_nor_withdrawn(at_work: Actor, patient: Patient) -> None:
    with pytest.raises(NotWithdrawable):
        ConsentFactory(patient, Purpose.BILLING, by=at_work, notice=NoticeFactory(patient, Purpose.CARE))
    with pytest.raises(NotWithdrawable):
        withdraw_consent(patient, Purpose.SECURITY, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    assert check(patient.pk, Purpose.SECURITY, at=MONDAY).reason is Reason.BY_LAW


@pytest.mark.requirement("PIPL-31")
def test_for_a_child_under_fourteen_a_guardian_decides(at_work: Actor, clinic: Clinic) -> None:
    child = PatientFactory(clinic=clinic, by=at_work, birth_date=MONDAY.date().replace(year=2012, day=24))
    with pytest.raises(GuardianNeeded):
        ConsentFactory(child, by=at_work)
    with pytest.raises(GuardianNeeded):
        ConsentFactory(child, by=at_work, expressed_by=ExpressedBy.AGENT)
    events = ConsentFactory(child, by=at_work, expressed_by=ExpressedBy.GUARDIAN)
    assert {event.legal_basis for event in events} == {LegalBasis.GUARDIAN}


@pytest.mark.requirement("PIPL-31")
def test_from_fourteen_on_nobody_agrees_in_the_young_persons_place(at_work: Actor, clinic: Clinic) -> None:
    young = PatientFactory(clinic=clinic, by=at_work, birth_date=MONDAY.date().replace(year=2012, day=23))
    with pytest.raises(OwnWordNeeded):
        ConsentFactory(young, by=at_work, expressed_by=ExpressedBy.GUARDIAN)
    assert ConsentFactory(young, by=at_work)


def test_nobody_at_the_desk_agrees_for_a_patient_without_evidence(at_work: Actor, patient: Patient) -> None:
    with pytest.raises(EvidenceMissing):
        ConsentFactory(patient, by=at_work, evidence="")
    assert not ConsentEvent.objects.exists()
    assert ConsentFactory(patient, by=at_work, evidence="", granted=False)


@pytest.mark.requirement("PIPL-15b")
def test_withdrawing_stops_it_keeps_the_history_and_says_what_goes_on(
    at_work: Actor, patient: Patient
) -> None:
    ConsentFactory(patient, by=at_work)
    withdrawal = withdraw_consent(
        patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY + DAY, given_through=GivenThrough.PORTAL
    )
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY + DAY).reason is Reason.WITHDRAWN
    assert [entry.event for entry in history_of(patient)] == [EventKind.WITHDRAWN, EventKind.GRANTED]
    assert {event.prev_id for event in withdrawal.events} == {
        event.pk for event in ConsentEvent.objects.filter(event=EventKind.GRANTED)
    }
    assert withdrawal.keeps
    assert states_equal_their_ledgers()


def test_withdrawing_what_does_not_stand_changes_nothing(at_work: Actor, patient: Patient) -> None:
    withdrawal = withdraw_consent(
        patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY, given_through=GivenThrough.PORTAL
    )
    assert withdrawal.events == ()
    assert not ConsentEvent.objects.exists()


def test_withdrawing_covers_every_channel(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    ConsentFactory(patient, by=at_work, channel="sms")
    withdraw_consent(patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    for channel in ("any", "sms", "email"):
        assert not check(patient.pk, Purpose.FOLLOWUP, channel=channel, at=MONDAY).allowed


def test_a_no_to_what_stands_agreed_is_a_withdrawal(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    events = ConsentFactory(patient, by=at_work, granted=False)
    assert {event.event for event in events} == {EventKind.WITHDRAWN}


def test_withdrawing_care_ends_what_rests_on_it_and_giving_it_back_restores(
    at_work: Actor, patient: Patient
) -> None:
    ConsentFactory(patient, Purpose.CARE, by=at_work)
    ConsentFactory(patient, Purpose.FOLLOWUP, by=at_work)
    withdraw_consent(patient, Purpose.CARE, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).reason is Reason.RESTS_ON_ANOTHER
    ConsentFactory(patient, Purpose.CARE, by=at_work)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed


def test_lists_and_single_answers_agree(at_work: Actor, clinic: Clinic) -> None:
    people = [PatientFactory(clinic=clinic, by=at_work) for _number in range(5)]
    ConsentFactory(people[0], by=at_work)
    ConsentFactory(people[1], by=at_work, granted=False)
    ConsentFactory(people[2], by=at_work)
    withdraw_consent(people[2], Purpose.FOLLOWUP, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    ConsentFactory(people[3], by=at_work)
    ConsentFactory(people[3], Purpose.CARE, by=at_work, granted=False)
    for at in (MONDAY, MONDAY + 400 * DAY):
        listed = set(Patient.objects.filter(consented(Purpose.FOLLOWUP, at=at)).values_list("pk", flat=True))
        assert listed == {p.pk for p in people if check(p.pk, Purpose.FOLLOWUP, at=at).allowed}
    assert not Patient.objects.filter(consented(Purpose.FOLLOWUP, op="share", at=MONDAY)).exists()
    ConsentState.objects.filter(patient=people[1]).update(patient=people[0])  # two cards that became one
    both = Patient.objects.filter(consented(Purpose.FOLLOWUP, at=MONDAY))
    assert check(people[0].pk, Purpose.FOLLOWUP, at=MONDAY).allowed is both.contains(people[0]) is False
    assert Patient.objects.filter(consented(Purpose.BILLING, at=MONDAY)).count() == 5


def test_the_pages_see_one_standing_for_each_purpose(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    ConsentFactory(patient, Purpose.RISK, by=at_work, granted=False)
    states = states_of(patient, MONDAY)
    assert states[Purpose.FOLLOWUP].granted
    assert states[Purpose.RISK].state is State.REFUSED
    assert states[Purpose.RISK].ask_again_on == (MONDAY + 90 * DAY).date()
    assert states[Purpose.CARE].state is State.UNKNOWN
    assert not states[Purpose.RESEARCH].offered
    assert states_of(patient, MONDAY + 400 * DAY)[Purpose.FOLLOWUP].state is State.EXPIRED


def test_a_restricted_record_permits_nothing(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    Patient.objects.filter(pk=patient.pk).update(restricted_at=MONDAY)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).reason is Reason.RESTRICTED
    assert check(patient.pk, Purpose.BILLING, at=MONDAY).reason is Reason.RESTRICTED


def test_nothing_is_recorded_when_the_log_cannot_be_written(
    at_work: Actor, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **facts: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(ledger, "record", fails)
    with pytest.raises(DatabaseError):
        ConsentFactory(patient, by=at_work)
    assert not ConsentEvent.objects.exists()
    assert not ConsentState.objects.exclude(state=State.UNKNOWN).exists()


@pytest.mark.requirement("PIPL-15b", "HIPAA-316b2")
@pytest.mark.usefixtures("at_work")
def test_the_ledger_and_the_notices_only_grow(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    for change in (
        lambda: ConsentEvent.objects.update(event=EventKind.REFUSED),
        lambda: ConsentEvent.objects.all().delete(),
        lambda: ConsentNotice.objects.update(body="…"),
        lambda: ConsentNotice.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_a_neighbour_clinic_sees_no_permission(
    at_work: Actor, patient: Patient, other_clinic: Clinic
) -> None:
    from audit.acting import acting
    from audit.actors import system_actor

    ConsentFactory(patient, by=at_work)
    with acting(system_actor("test", other_clinic.pk), other_clinic.pk):
        assert not ConsentEvent.objects.exists()
        assert not ConsentState.objects.exists()
        assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).reason is Reason.NEVER_ASKED
