"""The workbench: mine and my teams', the most urgent first, only of patients I may see, at a fixed cost."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic, User
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from followups.choices import CancelReason, FollowUpState, Outcome, Urgency
from followups.errors import AlreadyClosed, AlreadyTaken, FollowUpNotFound
from followups.models import Enrolment, FollowUp
from followups.queries import MOST_SHOWN, board_of, follow_up_for, open_count, plan_of, workbench
from followups.services import claim_follow_up, complete_follow_up
from patients.models import Patient
from tests.factories.consent import MONDAY
from tests.factories.followups import HIGH_LDL, file_results, follow_ups_of, messages_of, take
from tests.factories.patients import actor_for

DAY = timedelta(days=1)
Queries = Callable[..., Any]
Hire = Callable[..., User]


def groups(actor: Actor, clinic: Clinic, at: datetime = MONDAY) -> dict[str, list[str]]:
    """The steps in each group that is not empty."""
    with access(Purpose.CARE, Kind.LISTED):
        board = workbench(actor, clinic.pk, at)
        return {
            group.code.value: [row.step.code for row in group.rows] for group in board.groups if group.rows
        }


@pytest.fixture
def busy(at_work: Actor, clinic: Clinic, patient: Patient) -> Patient:
    """A patient with a high LDL and a critical potassium."""
    file_results(patient, by=at_work, ldl=HIGH_LDL, k="6.80")
    take(clinic)
    return patient


def test_a_critical_result_stands_first_with_its_value_its_clock_and_what_to_do(
    at_work: Actor, clinic: Clinic, busy: Patient
) -> None:
    with access(Purpose.CARE, Kind.LISTED):
        row = workbench(at_work, clinic.pk, MONDAY)["critical"].rows[0]
    assert row.patient == busy
    assert [(fact.name.zh, fact.value, fact.unit, fact.flag) for fact in row.facts] == [
        ("钾", "6.80", "mmol/L", "critical_high")
    ]
    assert row.clock_ends_at == MONDAY + timedelta(hours=2)
    assert str(row.action_label)
    assert row.action_url.endswith("/done/")
    assert row.next_step.zh.startswith("电话告知本人")


def test_each_to_do_stands_in_one_group_by_its_day(at_work: Actor, clinic: Clinic, busy: Patient) -> None:
    assert groups(at_work, clinic) == {"critical": ["notify"], "today": ["explain"]}
    assert groups(at_work, clinic, MONDAY + DAY) == {"critical": ["notify"], "overdue": ["explain"]}
    with access(Purpose.CARE, Kind.LISTED):
        assert workbench(at_work, clinic.pk, MONDAY + 3 * DAY)["overdue"].rows[0].days_overdue == 3
    FollowUp.objects.filter(step="explain").update(state=FollowUpState.WAITING, due_on=MONDAY.date() + DAY)
    assert groups(at_work, clinic)["waiting"] == ["explain"]
    FollowUp.objects.filter(step="explain").update(state=FollowUpState.OPEN, due_on=None)
    assert groups(at_work, clinic)["undated"] == ["explain"]
    FollowUp.objects.filter(step="explain").update(assignee=None, team=None, due_on=MONDAY.date())
    assert groups(at_work, clinic)["pool"] == ["explain"]


def test_the_pool_of_a_team_is_its_own(
    at_work: Actor, colleague: Actor, clinic: Clinic, busy: Patient, hire: Hire
) -> None:
    FollowUp.objects.filter(step="explain").update(assignee=None)
    assert groups(colleague, clinic)["pool"] == ["explain"]
    assert groups(actor_for(hire(clinic), clinic), clinic) == {}


def test_a_critical_result_is_shown_to_everybody_who_may_see_the_patient(
    at_work: Actor, colleague: Actor, clinic: Clinic, busy: Patient
) -> None:
    assert groups(colleague, clinic) == {"critical": ["notify"]}
    assert open_count(colleague, clinic.pk, MONDAY) == 1
    assert open_count(at_work, clinic.pk, MONDAY) == 2


def test_values_are_not_shown_to_a_role_without_clinical_data(
    at_work: Actor, clinic: Clinic, busy: Patient
) -> None:
    blind = Actor(
        ref=at_work.ref,
        kind="staff",
        clinic_id=clinic.pk,
        field_sets=frozenset({"identity"}),
        user_id=at_work.user_id,
    )
    with access(Purpose.CARE, Kind.LISTED, field_sets=blind.field_sets):
        assert workbench(blind, clinic.pk, MONDAY)["critical"].rows[0].facts == ()


def test_the_board_is_bounded_and_costs_the_same_for_one_row_and_for_many(
    at_work: Actor, clinic: Clinic, busy: Patient, django_assert_num_queries: Queries
) -> None:
    def read() -> int:
        board = workbench(at_work, clinic.pk, MONDAY)
        names = [row.patient.identity.name for group in board.groups for row in group.rows]
        assert all(names)
        return len(names)

    with access(Purpose.CARE, Kind.LISTED):
        read()  # the keys are loaded once
        with django_assert_num_queries(2):
            assert read() == 2
    enrolment = Enrolment.objects.get(pathway="class_a")
    for number in range(2, 30):
        FollowUp.objects.create(
            clinic=clinic, patient=busy, subject_id=busy.subject_id, enrolment=enrolment, step="notify",
            occurrence=number, urgency=Urgency.CLASS_A, opened_at=MONDAY, due_on=MONDAY.date(), due_at=MONDAY,
        )  # fmt: skip
    with access(Purpose.CARE, Kind.LISTED):
        board = workbench(at_work, clinic.pk, MONDAY)
        assert len(board["critical"].rows) == MOST_SHOWN
        assert board["critical"].total == 29
        assert board["critical"].hidden == 29 - MOST_SHOWN
        with django_assert_num_queries(2):
            assert read() == MOST_SHOWN + 1


def test_the_patients_plan_names_what_comes_up_for_them_and_when_they_are_reminded(
    at_work: Actor, clinic: Clinic, busy: Patient
) -> None:
    (item,) = plan_of(busy)
    assert item.name.zh == "空腹复查血脂"
    assert item.prepare.zh == "空腹来，可以喝水"
    assert item.due_on == MONDAY.date() + 90 * DAY
    assert item.reminder_on == MONDAY.date() + 83 * DAY


def test_the_chart_shows_what_is_pending_closed_sent_and_paused(
    at_work: Actor, clinic: Clinic, silent_patient: Patient, busy: Patient
) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        board = board_of(at_work, busy, MONDAY)
        assert [row.step.code for row in board.pending] == ["notify", "explain", "recheck"]
        assert len(board.messages) == 3
        file_results(silent_patient, by=at_work, ldl=HIGH_LDL)
        take(clinic)
        assert [pathway.code for pathway in board_of(at_work, silent_patient, MONDAY).paused] == [
            "lipid_recheck"
        ]


# What staff do


def to_do(patient: Patient, step: str) -> UUID:
    return FollowUp.objects.get(patient=patient, step=step, state__in=["open", "waiting"]).pk


def close(patient: Patient, step: str, by: Actor, *, at: datetime = MONDAY, **said: Any) -> FollowUp:
    with access(Purpose.CARE, Kind.VIEWED):
        return complete_follow_up(to_do(patient, step), by=by, at=at, **{"outcome": Outcome.REACHED, **said})


def test_told_a_critical_result_the_next_steps_open_by_the_clock(
    at_work: Actor, clinic: Clinic, busy: Patient
) -> None:
    told = close(busy, "notify", at_work, note="打本人手机，已复述", read_back=True)
    assert (told.state, told.read_back, told.closed_by) == (FollowUpState.DONE, True, at_work.ref)
    follow = FollowUp.objects.get(step="first_follow_up")
    assert follow.due_at == MONDAY + timedelta(hours=24)
    with access(Purpose.CARE, Kind.LISTED):
        board = workbench(at_work, clinic.pk, MONDAY + DAY)
    assert not board["critical"].total  # they have been told: to ask how it went is no telling
    (row,) = [row for row in board["today"].rows if row.id == follow.pk]
    assert not row.is_critical
    close(busy, "first_follow_up", at_work, at=MONDAY + DAY)
    close(busy, "second_follow_up", at_work, at=MONDAY + 8 * DAY)
    assert Enrolment.objects.get(pathway="class_a").state == "done"


def test_who_was_told_a_critical_result_is_called_again_although_they_want_no_reminders(
    at_work: Actor, clinic: Clinic, busy: Patient
) -> None:
    close(busy, "notify", at_work, read_back=True)
    withdraw_consent(busy, Purpose.FOLLOWUP, by=at_work, at=MONDAY, given_through=GivenThrough.PORTAL)
    left = FollowUp.objects.filter(patient=busy, state__in=["open", "waiting"]).values_list("step", flat=True)
    assert [*left] == ["first_follow_up"]


def test_the_note_is_sealed(at_work: Actor, clinic: Clinic, busy: Patient) -> None:
    from django.db import connection

    close(busy, "notify", at_work, note="打本人手机，已复述")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT f.note, e.why FROM followups_followup f JOIN followups_enrolment e ON e.id = f.enrolment_id"
            " WHERE f.state = 'done'"
        )
        note, why = (bytes(column) for column in cursor.fetchone())
    assert "复述".encode() not in note
    assert b"6.80" not in why


def test_not_reached_it_stays_and_counts_the_try(at_work: Actor, busy: Patient) -> None:
    tried = close(busy, "explain", at_work, outcome=Outcome.NOT_REACHED)
    assert (tried.state, tried.tries, tried.last_try_at) == (FollowUpState.OPEN, 1, MONDAY)


def test_a_day_agreed_on_waits_for_the_patient(at_work: Actor, clinic: Clinic, busy: Patient) -> None:
    day = MONDAY.date() + 10 * DAY
    close(busy, "explain", at_work, outcome=Outcome.AGREED, again_on=day)
    assert groups(at_work, clinic)["waiting"] == ["explain"]
    assert groups(at_work, clinic, MONDAY + 11 * DAY)["overdue"] == ["explain"]


def test_a_done_step_takes_its_unsent_messages_with_it(at_work: Actor, busy: Patient) -> None:
    close(busy, "recheck", at_work, outcome=Outcome.DONE_ELSEWHERE)
    reasons = [(m.template, m.cancel_reason) for m in messages_of(busy)]
    assert reasons == [("news", ""), ("visit", CancelReason.ENDED), ("visit_tomorrow", CancelReason.ENDED)]


def test_a_to_do_is_closed_once(at_work: Actor, busy: Patient) -> None:
    follow_up_id = to_do(busy, "explain")
    close(busy, "explain", at_work)
    with pytest.raises(AlreadyClosed):
        complete_follow_up(follow_up_id, outcome=Outcome.REACHED, by=at_work, at=MONDAY)


def test_from_the_pool_one_takes_it(at_work: Actor, colleague: Actor, busy: Patient) -> None:
    FollowUp.objects.filter(step="explain").update(assignee=None)
    follow_up_id = to_do(busy, "explain")
    assert claim_follow_up(follow_up_id, by=colleague, at=MONDAY).assignee_id == colleague.user_id
    assert claim_follow_up(follow_up_id, by=colleague, at=MONDAY).assignee_id == colleague.user_id
    with pytest.raises(AlreadyTaken):
        claim_follow_up(follow_up_id, by=at_work, at=MONDAY)


def test_to_dos_of_strangers_do_not_exist(at_work: Actor, clinic: Clinic, busy: Patient, hire: Hire) -> None:
    stranger = actor_for(hire(clinic), clinic)
    for follow_up in follow_ups_of(busy):
        with pytest.raises(FollowUpNotFound):
            follow_up_for(stranger, follow_up.pk)
        with pytest.raises(FollowUpNotFound):
            complete_follow_up(follow_up.pk, outcome=Outcome.REACHED, by=stranger, at=MONDAY)
    with pytest.raises(FollowUpNotFound):
        follow_up_for(at_work, UUID(int=0))
