"""The page of alarms: in words, for those who decide about them alone, with a decision that stands on the log."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.access import access, relate
from audit.acting import acting
from audit.actors import current_unit, system_actor
from audit.alarms import AlarmDecision, AlarmDraft, Rule, put, raise_alarm
from audit.decoys import mark_decoys
from audit.kinds import Kind
from audit.limits import Limits, limits_of
from audit.models import SYSTEM_LOG, Alarm, AlarmLetter, AuditEvent
from audit.purposes import Purpose
from audit.relations import Relation
from clinics.models import Clinic, User
from clinics.roles import Role
from crypto.errors import SealBroken
from desk.alarms import AlarmBoard, ShownAlarm
from patients.models import Patient
from tests.desk.conftest import Hire, system
from tests.factories.clinics import CareTeamFactory
from tests.factories.crypto import damage
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

PAGE = "/alarms/"
WHY = "换班时点错了，已谈话"
DECIDING = {Role.PRIVACY_OFFICER, Role.MANAGER}


@laid_out
def officer(hire: Hire) -> User:
    return hire(Role.PRIVACY_OFFICER, in_team=False)


@pytest.fixture
def privacy(officer: User) -> Client:
    """The privacy officer's browser."""
    browser = Client()
    browser.force_login(officer)
    return browser


@laid_out
def patient(clinic: Clinic) -> Patient:
    """In the care of a team that nobody here belongs to."""
    with acting(system(clinic)):
        return PatientFactory(clinic=clinic, team=CareTeamFactory(clinic=clinic), name="陈雅琴")


def look(patient: Patient, by: User, *, damaged: bool = False) -> None:
    actor = actor_for(by, patient.clinic)
    with acting(actor), access(Purpose.CARE, Kind.VIEWED):
        relate(patient.subject_id, Relation.TEAM)
        row = Patient.objects.get(pk=patient.pk)
        if damaged:
            with pytest.raises(SealBroken):
                str(row.identity.name)
        else:
            assert row.identity.name


@laid_out
def broken(patient: Patient, manager: User, clinic: Clinic) -> Alarm:
    """Somebody came upon a damaged name."""
    with acting(system(clinic)):
        damage("patients_patient", "identity", patient.pk)
    look(patient, manager, damaged=True)
    with acting(system(clinic)):
        return Alarm.objects.get()


def shown_on(browser: Client, question: str = "") -> list[ShownAlarm]:
    page = browser.get(f"{PAGE}{question}")
    assert page.status_code == 200
    board: AlarmBoard = page.context["board"]
    return board.shown


def decide(browser: Client, alarm: Alarm, decision: str = "repaired") -> int:
    return browser.post(PAGE, {"alarm": str(alarm.pk), "decision": decision, "note": WHY}).status_code


@pytest.mark.parametrize("role", Role)
def test_only_those_who_decide_see_the_page_and_its_way(role: Role, hire: Hire, client: Client) -> None:
    client.force_login(hire(role))
    stops = [stop.url for stop in client.get("/").context["frame"].stops]

    assert client.get(PAGE).status_code == (200 if role in DECIDING else 403)
    assert (PAGE in stops) is (role in DECIDING)


@pytest.mark.parametrize("role", sorted(set(Role) - DECIDING))
def test_nobody_else_decides(role: Role, hire: Hire, client: Client, broken: Alarm, clinic: Clinic) -> None:
    client.force_login(hire(role))

    assert decide(client, broken) == 403
    with acting(system(clinic)):
        assert Alarm.objects.get().decided_at is None


def test_a_damaged_value_is_told_in_words_without_the_persons_name(
    broken: Alarm, privacy: Client, patient: Patient, manager: User
) -> None:
    page = privacy.get(PAGE)
    text = page.content.decode()
    (shown,) = page.context["board"].shown

    assert patient.service_number in text
    assert shown.number == patient.service_number
    assert shown.who == manager.get_full_name()
    assert "patient.identity" not in text
    assert "陈" not in text
    assert page.context["frame"].alarm_count == 1


def test_a_decoy_is_told_with_who_opened_it_and_how(
    patient: Patient, manager: User, privacy: Client, clinic: Clinic
) -> None:
    with acting(system(clinic)):
        mark_decoys(clinic.pk, [patient.subject_id])
    look(patient, manager)
    look(patient, manager)
    (shown,) = privacy.get(PAGE).context["board"].shown

    assert (shown.is_grave, shown.who, shown.number, shown.alarm.count) == (
        True,
        manager.get_full_name(),
        patient.service_number,
        2,
    )
    assert shown.what


def test_a_decision_takes_it_off_the_list_and_stands_below_with_the_name(
    broken: Alarm, privacy: Client, officer: User, clinic: Clinic
) -> None:
    assert decide(privacy, broken) == 302

    assert shown_on(privacy) == []
    (shown,) = shown_on(privacy, "?state=decided")
    assert (shown.alarm.decision, shown.decided_by, shown.note) == (
        AlarmDecision.REPAIRED,
        officer.get_full_name(),
        WHY,
    )
    with acting(system(clinic)):
        (event,) = AuditEvent.objects.filter(action="alarm.decided")
    assert (event.actor_ref, event.reason) == (f"user:{officer.pk}", "repaired")
    assert decide(privacy, broken) == 302  # a double click
    assert decide(privacy, broken, "harmless") == 404  # a colleague was quicker


@pytest.mark.parametrize(
    ("alarm", "decision"),
    [(None, ""), (None, "nonsense"), (None, "a\x00b"), ("", "repaired"), ("9" * 400, "repaired")],
)
def test_a_form_that_decides_nothing_changes_nothing_and_says_so(
    alarm: str | None, decision: str, broken: Alarm, privacy: Client
) -> None:
    asked = {"alarm": str(broken.pk) if alarm is None else alarm, "decision": decision, "note": WHY}
    answer = privacy.post(PAGE, asked)

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert len(answer.context["board"].shown) == 1


def test_an_empty_list_says_what_it_is_for(privacy: Client) -> None:
    page = privacy.get(PAGE)

    assert page.context["frame"].alarm_count == 0
    assert "zz-empty" in page.content.decode()


def test_looking_at_the_list_is_on_the_log(privacy: Client, officer: User, clinic: Clinic) -> None:
    privacy.get(PAGE)
    with acting(system(clinic)):
        (event,) = AuditEvent.objects.filter(action="alarms.listed")
    assert (event.actor_ref, event.purpose, event.count) == (f"user:{officer.pk}", "security", 0)


def test_alarms_of_another_clinic_are_neither_seen_nor_decided(other_clinic: Clinic, privacy: Client) -> None:
    with acting(system(other_clinic)):
        raise_alarm(Rule.DECOY_OPENED, clinic_id=other_clinic.pk, object=("viewed", "user:1"))
        alarm = Alarm.objects.get()

    assert privacy.get(PAGE).context["board"].shown == []
    assert decide(privacy, alarm) == 404
    assert privacy.post(PAGE, {"alarm": str(uuid4()), "decision": "repaired", "note": WHY}).status_code == 404


def test_the_page_costs_the_same_for_one_alarm_and_for_many(privacy: Client, clinic: Clinic) -> None:
    def fill(count: int) -> None:
        with acting(system(clinic)):
            for _alarm in range(count):
                raise_alarm(Rule.SEAL_BROKEN, clinic_id=clinic.pk, object=("patient.identity", str(uuid4())))

    privacy.get(PAGE)
    counted = []
    for more in (1, 20):
        fill(more)
        with CaptureQueriesContext(connection) as ran:
            privacy.get(PAGE)
        counted.append(len(ran))
    assert counted[0] == counted[1]


def test_damaged_values_of_one_kind_of_one_person_are_decided_together(
    privacy: Client, patient: Patient, clinic: Clinic
) -> None:
    with acting(system(clinic)):
        for _row in range(3):
            raise_alarm(
                Rule.SEAL_BROKEN,
                clinic_id=clinic.pk,
                subject_id=patient.subject_id,
                object=("observation.detail", str(uuid4())),
            )
        raise_alarm(Rule.SEAL_BROKEN, clinic_id=clinic.pk, object=("index_key", "1"))
    board = privacy.get(PAGE).context["board"]
    group = next(shown for shown in board.shown if shown.number)
    assert (len(board.shown), len(group.alarms)) == (2, 3)

    asked = {"alarm": [str(alarm.pk) for alarm in group.alarms], "decision": "repaired", "note": WHY}
    privacy.post(PAGE, asked)
    assert (len(shown_on(privacy)), len(shown_on(privacy, "?state=decided"))) == (1, 1)


@laid_out
def three(clinic: Clinic, patient: Patient, manager: User, officer: User) -> list[Alarm]:
    """Two alarms about the health manager, one that waits for two days, and one about the officer."""
    rung = [
        (Rule.MANY_OPENED, manager, "hour"),
        (Rule.BREAK_GLASS, manager, "viewed"),
        (Rule.VIP_OPENED, officer, "viewed"),
    ]
    for days_ago, (rule, who, what) in zip((0, 2, 0), rung, strict=True):
        with time_machine.travel(timezone.now() - timedelta(days=days_ago)), acting(actor_for(who, clinic)):
            raise_alarm(rule, clinic_id=clinic.pk, object=(what, f"user:{who.pk}"))
    with acting(system(clinic)):
        return list(Alarm.objects.order_by("rule"))


def test_filters_stand_in_the_address_and_overdue_ones_stand_out(
    three: list[Alarm], privacy: Client, manager: User
) -> None:
    def rules(question: str) -> list[str]:
        return sorted(group.alarm.rule for group in shown_on(privacy, question))

    everything = [Rule.BREAK_GLASS, Rule.MANY_OPENED, Rule.VIP_OPENED]
    assert rules("") == everything
    assert rules("?state=overdue") == [Rule.BREAK_GLASS]
    assert rules("?rule=opened.many") == [Rule.MANY_OPENED]
    assert rules(f"?account={manager.pk}") == [Rule.BREAK_GLASS, Rule.MANY_OPENED]
    assert rules("?state=decided") == []
    for nonsense in ("?state=x", "?rule=x", "?account=x", "?before=x", "?before=2026-01-01_x", "?before=%00"):
        assert rules(nonsense) == everything, nonsense
    overdue = [group.alarm.rule for group in shown_on(privacy) if group.is_overdue]
    assert overdue == [Rule.BREAK_GLASS]
    assert manager.get_full_name() in privacy.get(f"{PAGE}?account={manager.pk}").content.decode()


def test_a_page_leads_to_the_next_and_a_decision_back_to_the_same_question(
    three: list[Alarm], privacy: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.alarms.PAGE", 1)
    seen, url = [], "?rule="
    while url:
        board = privacy.get(f"{PAGE}{url}").context["board"]
        seen += [group.alarm.pk for group in board.shown]
        url = board.next_url.removeprefix(PAGE)
    assert sorted(seen) == sorted(alarm.pk for alarm in three)
    many = next(alarm for alarm in three if alarm.rule == Rule.MANY_OPENED)
    asked = {"alarm": str(many.pk), "decision": "harmless", "note": WHY}
    assert privacy.post(f"{PAGE}?rule=opened.many", asked)["Location"] == f"{PAGE}?rule=opened.many"


def test_one_does_not_decide_about_oneself_and_the_page_says_who_does(
    three: list[Alarm], privacy: Client, hire: Hire
) -> None:
    own = next(alarm for alarm in three if alarm.rule == Rule.VIP_OPENED)
    (group,) = [group for group in shown_on(privacy) if group.is_own]
    assert group.alarm.pk == own.pk
    assert decide(privacy, own) == 403
    colleague = Client()
    colleague.force_login(hire(Role.MANAGER, in_team=False))
    assert decide(colleague, own) == 302


@pytest.mark.parametrize("note", ["", " ", "x", "y" * 501])
def test_without_a_reason_nothing_is_decided(three: list[Alarm], privacy: Client, note: str) -> None:
    asked = {"alarm": str(three[0].pk), "decision": "harmless", "note": note}
    answer = privacy.post(PAGE, asked)
    assert 'role="alert"' in answer.content.decode()
    assert len(shown_on(privacy)) == 3


def test_the_figures_are_said_and_lead_to_the_entries(privacy: Client, clinic: Clinic, manager: User) -> None:
    with acting(system(clinic)):
        put(
            [
                AlarmDraft(
                    unit=current_unit(), rule=Rule.MANY_OPENED, clinic_id=clinic.pk, about=f"user:{manager.pk}",
                    object=("hour", f"user:{manager.pk}"), measured=31, allowed=20, since=timezone.now(),
                )
            ]
        )  # fmt: skip
    (group,) = shown_on(privacy)
    assert "31" in group.figures
    assert "20" in group.figures
    assert privacy.get(group.evidence).status_code == 200


def test_an_alarm_of_the_installation_stands_on_the_page_of_every_clinic(
    privacy: Client, clinic: Clinic, other_clinic: Clinic, hire: Hire
) -> None:
    with acting(system_actor("alarms", None), SYSTEM_LOG):
        raise_alarm(Rule.WITNESS_SILENT, clinic_id=SYSTEM_LOG, object=("audit.witness", ""))
    elsewhere = Client()
    elsewhere.force_login(hire(Role.PRIVACY_OFFICER, in_team=False, at=other_clinic))
    for browser in (privacy, elsewhere):
        (group,) = shown_on(browser)
        assert group.is_of_the_house
    assert decide(elsewhere, group.alarm) == 302
    assert shown_on(privacy) == []
    (group,) = shown_on(privacy, "?state=decided")
    assert group.note is None  # the reason stays with the clinic that decided


LIMITS = "/alarms/limits/"


def limits_form(**change: object) -> dict[str, object]:
    return Limits().plain() | change


def test_the_privacy_officer_alone_sets_the_limits(privacy: Client, hire: Hire, clinic: Clinic) -> None:
    manager = Client()
    manager.force_login(hire(Role.MANAGER, in_team=False))
    assert (manager.get(LIMITS).status_code, manager.post(LIMITS, limits_form(denials=30)).status_code) == (
        403,
        403,
    )
    assert privacy.get(LIMITS).status_code == 200
    assert privacy.post(LIMITS, limits_form(denials=30, open_days=[0, 1])).status_code == 302
    with acting(system(clinic)):
        assert (limits_of(clinic.pk).denials, limits_of(clinic.pk).open_days) == (30, (0, 1))
    page = privacy.get(LIMITS)
    assert len(page.context["changes"][0].changes) == 2
    assert [group.alarm.rule for group in shown_on(privacy)] == [Rule.LIMITS_LOOSENED]


@pytest.mark.parametrize(
    "change",
    [
        {"opened_per_hour": 61},
        {"denials": 0},
        {"odd_hours": ""},
        {"closes": "06:59"},
        {"opens": "25:00"},
        {"open_days": [9]},
        {"open_days": []},
        {"time_zone": "Mars/Base"},
    ],
)
def test_limits_out_of_bounds_change_nothing_and_are_named(
    change: dict[str, object], privacy: Client, clinic: Clinic
) -> None:
    page = privacy.post(LIMITS, limits_form(**change))
    assert (page.status_code, set(page.context["form"].errors)) == (200, set(change))
    with acting(system(clinic)):
        assert limits_of(clinic.pk) == Limits()


def test_a_letter_that_does_not_arrive_is_told_on_the_page(privacy: Client, clinic: Clinic) -> None:
    with acting(system(clinic)):
        AlarmLetter.objects.create(
            clinic_id=clinic.pk, alarms=[], made_at=timezone.now(), not_before=timezone.now(), tries=3
        )
    assert "zz-alert is-due" in privacy.get(PAGE).content.decode()
