"""The page of alarms: in words, for those who decide about them alone, with a decision that stands on the log."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.access import access, relate
from audit.acting import acting
from audit.alarms import AlarmDecision, Rule, raise_alarm
from audit.decoys import mark_decoys
from audit.kinds import Kind
from audit.models import Alarm, AuditEvent
from audit.purposes import Purpose
from audit.relations import Relation
from clinics.models import Clinic, User
from clinics.roles import Role
from crypto.errors import SealBroken
from desk.alarms import AlarmBoard, ShownAlarm
from patients.models import Patient
from tests.desk.conftest import Hire, system
from tests.factories.crypto import damage
from tests.factories.patients import PatientFactory, actor_for

PAGE = "/alarms/"
WHY = "换班时点错了，已谈话"
DECIDING = {Role.PRIVACY_OFFICER, Role.MANAGER}


@pytest.fixture
def officer(hire: Hire) -> User:
    return hire(Role.PRIVACY_OFFICER, in_team=False)


@pytest.fixture
def privacy(officer: User) -> Client:
    """The privacy officer's browser."""
    browser = Client()
    browser.force_login(officer)
    return browser


@pytest.fixture
def patient(clinic: Clinic) -> Patient:
    with acting(system(clinic)):
        return PatientFactory(clinic=clinic, name="陈雅琴")


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


@pytest.fixture
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
