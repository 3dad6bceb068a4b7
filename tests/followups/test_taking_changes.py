"""News of a record becomes work: once, for the right person, by the right clock, and only as far as it is permitted."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from followups import loop, planning
from followups.choices import CancelReason, EnrolmentState, FollowUpState, MessageState, Outcome, Urgency
from followups.models import Enrolment, FollowUp, Message
from followups.queries import board_of
from patients.choices import PhoneOwner
from patients.models import Patient
from records.models import RecordsChange
from records.services import TagChange, apply_rules
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, NORMAL_LDL, file_results, follow_ups_of, messages_of, take
from tests.factories.patients import PatientFactory

DAY = timedelta(days=1)


def test_a_high_value_puts_the_patient_on_a_pathway_with_to_dos_and_reminders(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    assert take(clinic) == 1
    enrolment = Enrolment.objects.get()
    assert (enrolment.pathway, enrolment.state) == ("lipid_recheck", EnrolmentState.ACTIVE)
    explain, recheck = follow_ups_of(patient)
    assert (explain.step, explain.due_on) == ("explain", MONDAY.date())
    assert (recheck.step, recheck.due_on) == ("recheck", MONDAY.date() + 90 * DAY)
    assert [(m.template, m.offset_days, m.channel) for m in messages_of(patient)] == [
        ("news", 0, "sms"),
        ("visit", -7, "sms"),
        ("visit_tomorrow", -1, "sms"),
    ]
    assert messages_of(patient)[0].due_at == MONDAY
    assert not RecordsChange.objects.exists()


def test_the_to_do_is_for_whoever_looks_after_the_patient(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    assert {f.assignee_id for f in follow_ups_of(patient)} == {at_work.user_id}


def test_without_a_person_it_stands_in_the_teams_pool(at_work: Actor, clinic: Clinic, house: Actor) -> None:
    patient = PatientFactory(clinic=clinic, by=house)
    for purpose in (Purpose.RISK, Purpose.FOLLOWUP):
        ConsentFactory(patient, purpose, by=at_work, at=MONDAY - DAY)
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    explain = follow_ups_of(patient)[0]
    assert explain.assignee_id is None
    assert explain.team_id is not None


def test_looking_twice_or_filing_the_same_file_again_makes_nothing_more(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    for _time in range(2):
        file_results(patient, by=at_work, ldl=HIGH_LDL, k="7.00")
        take(clinic)
        RecordsChange.objects.create(clinic=clinic, patient=patient, cause="report.filed", at=MONDAY)
        take(clinic, MONDAY + 60 * DAY)
    assert Enrolment.objects.count() == 2
    assert FollowUp.objects.filter(urgency=Urgency.CLASS_A).count() == 1
    assert FollowUp.objects.filter(urgency=Urgency.ROUTINE).count() == 2


def test_a_normal_value_asks_for_nothing(at_work: Actor, clinic: Clinic, patient: Patient) -> None:
    file_results(patient, by=at_work, ldl=NORMAL_LDL)
    assert take(clinic) == 1
    assert not Enrolment.objects.exists()


def test_a_class_a_value_is_one_to_do_at_once_with_a_clock_of_two_hours(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, k="6.80", fpg="17.20")
    take(clinic)
    (tell,) = follow_ups_of(patient)
    assert (tell.urgency, tell.step) == (Urgency.CLASS_A, "notify")
    assert tell.due_at == MONDAY + timedelta(hours=2)
    assert not Message.objects.exists()


def test_a_blood_pressure_at_the_line_is_measured_again_first(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, sbp="186", dbp="112")
    take(clinic)
    assert [(f.enrolment.pathway, f.urgency) for f in follow_ups_of(patient)] == [
        ("bp_remeasure", Urgency.CLASS_A)
    ]


def test_class_a_needs_neither_consent_to_reminders_nor_to_rules(at_work: Actor, clinic: Clinic) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work)
    file_results(patient, by=at_work, k="6.80", ldl=HIGH_LDL)
    take(clinic)
    assert [f.urgency for f in follow_ups_of(patient)] == [Urgency.CLASS_A]


def test_an_old_critical_value_is_told_within_days_and_one_that_is_history_not_at_all(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, k="6.80", taken_at=MONDAY - 400 * DAY)
    file_results(patient, by=at_work, k="4.20", taken_at=MONDAY - 300 * DAY)
    take(clinic)
    assert not follow_ups_of(patient)
    file_results(patient, by=at_work, k="6.90", taken_at=MONDAY - 200 * DAY)
    take(clinic)
    (tell,) = follow_ups_of(patient)
    assert (tell.urgency, tell.due_on) == (Urgency.CLASS_B, MONDAY.date() + 7 * DAY)


def test_a_very_high_triglyceride_is_class_b(at_work: Actor, clinic: Clinic, patient: Patient) -> None:
    file_results(patient, by=at_work, tg="7.10")
    take(clinic)
    assert [(f.urgency, f.step) for f in follow_ups_of(patient)] == [(Urgency.CLASS_B, "notify")]


def test_without_consent_to_follow_up_the_pathway_waits_and_begins_when_it_is_given(
    at_work: Actor, clinic: Clinic, silent_patient: Patient
) -> None:
    file_results(silent_patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    assert Enrolment.objects.get().state == EnrolmentState.PAUSED
    assert not FollowUp.objects.exists()
    ConsentFactory(silent_patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY + DAY)
    assert Enrolment.objects.get().state == EnrolmentState.ACTIVE
    assert [f.step for f in follow_ups_of(silent_patient)] == ["explain", "recheck"]
    assert follow_ups_of(silent_patient)[0].due_on == (MONDAY + DAY).date()
    with access(Purpose.CARE, Kind.VIEWED):
        explain = board_of(at_work, silent_patient, MONDAY).pending[0]
        assert [str(fact.value) for fact in explain.facts] == ["4.60"]


def test_nobody_is_written_to_on_somebody_elses_phone(at_work: Actor, clinic: Clinic) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work, phone_owner=PhoneOwner.CHILD)
    for purpose in (Purpose.RISK, Purpose.FOLLOWUP):
        ConsentFactory(patient, purpose, by=at_work, at=MONDAY - DAY)
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    assert len(follow_ups_of(patient)) == 2
    assert not Message.objects.exists()


def test_the_result_that_was_waited_for_closes_its_to_do_and_a_good_one_ends_the_pathway(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    later = MONDAY + 80 * DAY
    file_results(patient, by=at_work, at=later, ldl=NORMAL_LDL)
    take(clinic, later)
    states = {f.step: (f.state, f.outcome, f.cancel_reason) for f in follow_ups_of(patient)}
    assert states["recheck"] == (FollowUpState.DONE, Outcome.DONE_ELSEWHERE, "")
    assert states["explain"] == (FollowUpState.CANCELLED, "", CancelReason.ENDED)
    assert Enrolment.objects.get().state == EnrolmentState.ENDED
    assert {m.state for m in messages_of(patient)} == {MessageState.CANCELLED}


def test_a_value_still_high_at_the_recheck_begins_the_next_round(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    FollowUp.objects.filter(step="explain").update(
        state=FollowUpState.DONE, outcome=Outcome.REACHED, closed_at=MONDAY
    )
    later = MONDAY + 80 * DAY
    file_results(patient, by=at_work, at=later, ldl="4.40")
    take(clinic, later)
    assert list(Enrolment.objects.order_by("started_at").values_list("state", flat=True)) == [
        "done",
        "active",
    ]


def test_a_withdrawal_cancels_what_waits_pauses_the_pathway_and_says_what_stopped(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL, k="6.80")
    take(clinic)
    withdrawal = withdraw_consent(
        patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY + DAY, given_through=GivenThrough.PORTAL
    )
    assert Enrolment.objects.get(pathway="lipid_recheck").state == EnrolmentState.PAUSED
    assert {(m.state, m.cancel_reason) for m in messages_of(patient)} == {("cancelled", "withdrawn")}
    by_urgency = {f.urgency: f.state for f in follow_ups_of(patient)}
    assert by_urgency == {Urgency.CLASS_A: FollowUpState.OPEN, Urgency.ROUTINE: FollowUpState.CANCELLED}
    said = [stopped.words.zh for stopped in withdrawal.stopped]
    assert said == [
        "11 月 23 日我们为“解释血脂结果，约复查”找您的电话",
        "2 月 21 日我们为“空腹复查血脂”找您的电话",
        "11 月 23 日要发的提醒",
        "2 月 14 日要发的提醒",
        "2 月 20 日要发的提醒",
    ]


def test_the_question_before_a_withdrawal_says_the_same_and_changes_nothing(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    from consent.services import would_stop

    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    would = [str(s) for s in would_stop(patient, Purpose.FOLLOWUP, MONDAY)]
    assert {m.state for m in messages_of(patient)} == {MessageState.PLANNED}
    did = withdraw_consent(patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    assert [str(s) for s in did.stopped] == would
    assert would_stop(patient, Purpose.REPORT, MONDAY) == ()


def test_withdrawing_care_stops_reminders_too_and_withdrawing_reports_does_not(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    withdraw_consent(patient, Purpose.REPORT, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    assert {m.state for m in messages_of(patient)} == {MessageState.PLANNED}
    withdraw_consent(patient, Purpose.CARE, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    assert {m.state for m in messages_of(patient)} == {MessageState.CANCELLED}


def test_after_a_withdrawal_a_new_report_makes_no_to_do_until_it_is_permitted_again(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    withdraw_consent(patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY, given_through=GivenThrough.DESK)
    file_results(patient, by=at_work, at=MONDAY + 2 * DAY, ldl="4.80")
    take(clinic, MONDAY + 2 * DAY)
    assert not FollowUp.objects.filter(state=FollowUpState.OPEN).exists()
    ConsentFactory(patient, Purpose.FOLLOWUP, by=at_work, at=MONDAY + 3 * DAY)
    opened = FollowUp.objects.filter(state=FollowUpState.OPEN).order_by("due_on")
    assert [(f.step, f.occurrence) for f in opened] == [("explain", 2), ("recheck", 2)]


def test_a_restricted_record_is_looked_at_no_more(at_work: Actor, clinic: Clinic, patient: Patient) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    Patient.objects.filter(pk=patient.pk).update(restricted_at=MONDAY)
    assert take(clinic) == 1
    assert not Enrolment.objects.exists()
    assert not RecordsChange.objects.exists()


def test_each_step_is_an_event_of_the_log(at_work: Actor, clinic: Clinic, patient: Patient) -> None:
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    actions = list(AuditEvent.objects.values_list("action", flat=True))
    assert actions.count("enrolment.started") == 1
    assert actions.count("follow_up.opened") == 2
    assert actions.count("message.planned") == 1


def test_one_patients_trouble_does_not_stop_the_others_and_its_news_is_kept(
    at_work: Actor, clinic: Clinic, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PatientFactory(clinic=clinic, by=at_work)
    for purpose in (Purpose.RISK, Purpose.FOLLOWUP):
        ConsentFactory(other, purpose, by=at_work, at=MONDAY - DAY)
    file_results(patient, by=at_work, at=MONDAY - DAY, ldl=HIGH_LDL)
    file_results(other, by=at_work, ldl=HIGH_LDL)

    def stumbles(patient_id: UUID, **facts: Any) -> list[TagChange]:
        if patient_id == patient.pk:
            raise ArithmeticError
        return apply_rules(patient_id, **facts)

    monkeypatch.setattr(loop, "apply_rules", stumbles)
    take(clinic)
    assert {change.patient_id for change in RecordsChange.objects.all()} == {patient.pk}
    assert Enrolment.objects.get().patient_id == other.pk
    monkeypatch.undo()
    take(clinic)
    assert Enrolment.objects.count() == 2


def test_when_the_log_cannot_be_written_nothing_happened_and_the_news_is_kept(
    at_work: Actor, clinic: Clinic, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **facts: object) -> None:
        raise DatabaseError

    file_results(patient, by=at_work, ldl=HIGH_LDL)
    monkeypatch.setattr(planning, "record", fails)
    take(clinic)
    assert not Enrolment.objects.exists()
    assert RecordsChange.objects.exists()
