"""The workbench shows each role its own day, masked, at a fixed cost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import time_machine
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.choices import GlassReason
from patients.models import Patient
from patients.services.glass import Sought, break_glass
from tests.desk.conftest import Enter, Hire, system
from tests.factories.consent import MONDAY
from tests.factories.followups import HIGH_LDL
from tests.factories.patients import actor_for

QueryCount = Callable[[int], AbstractContextManager[None]]
STATEMENTS = (
    12  # however many rows: two for the to-dos, one for all keys, the rest for who acts, where, and the log
)


@pytest.fixture(autouse=True)
def on_monday() -> Iterator[None]:
    with time_machine.travel(MONDAY, tick=False):
        yield


def test_a_finding_is_a_to_do_with_its_reason_and_one_action(patient: Patient, desk: Client) -> None:
    page = desk.get("/")

    (row,) = page.context["board"]["pool"].rows
    text = page.content.decode()
    assert row.patient == patient
    assert HIGH_LDL in text
    assert str(row.next_step) in text
    assert row.action_url in text


def test_names_are_masked(patient: Patient, desk: Client) -> None:
    text = desk.get("/").content.decode()

    assert "邓*英" in text
    assert "邓淑英" not in text


def test_a_critical_result_comes_first_with_its_clock(enter: Enter, desk: Client) -> None:
    enter(k="6.80")
    page = desk.get("/")

    (row,) = page.context["board"]["critical"].rows
    assert row.clock_ends_at
    assert "zz-clock" in page.content.decode()


def test_a_day_without_work_says_so(desk: Client) -> None:
    page = desk.get("/")

    assert page.context["board"].is_empty
    assert "components/empty.html" in [template.name for template in page.templates]


def test_the_front_desk_gets_its_own_way_in_and_no_to_dos(
    patient: Patient, hire: Hire, client: Client
) -> None:
    client.force_login(hire(Role.FRONT_DESK))
    page = client.get("/")

    assert "board" not in page.context
    assert "/patients/new/" in page.content.decode()
    assert "邓*英" not in page.content.decode()


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMINISTRATOR, Role.PRIVACY_OFFICER])
def test_roles_without_patients_are_told_so(role: Role, patient: Patient, hire: Hire, client: Client) -> None:
    client.force_login(hire(role))
    page = client.get("/")

    assert page.status_code == 200
    assert 'href="/patients/"' not in page.content.decode()
    assert str(patient.pk) not in page.content.decode()


def test_whoever_decides_about_others_work_sees_what_waits_for_them(
    patient: Patient, hire: Hire, client: Client, clinic: Clinic
) -> None:
    doctor = actor_for(hire(Role.DOCTOR, in_team=False), clinic)
    with acting(doctor):
        sought = Sought(service_number=patient.service_number)
        break_glass(sought, reason=GlassReason.EMERGENCY, note="晕倒在前台", by=doctor, at=MONDAY)
    client.force_login(hire(Role.PRIVACY_OFFICER, in_team=False))
    page = client.get("/")

    (duty,) = page.context["duties"]
    assert (duty.url, duty.count) == ("/patients/emergency/review/", 1)
    assert duty.words in page.content.decode()
    assert "components/empty.html" not in [template.name for template in page.templates]


def test_another_teams_to_dos_are_not_shown(patient: Patient, hire: Hire, client: Client) -> None:
    client.force_login(hire(Role.HEALTH_MANAGER, in_team=False))

    assert client.get("/").context["board"].is_empty


def test_permissions_that_end_soon_are_shown_once_for_each_purpose(
    patient: Patient, manager: User, client: Client
) -> None:
    with time_machine.travel(MONDAY.replace(year=2027, month=11, day=10), tick=False):
        client.force_login(manager)
        ending = client.get("/").context["ending"]

    assert {one.patient for one in ending} == {patient}
    assert len({one.rule.purpose for one in ending}) == len(ending) > 0


def test_a_visitor_is_led_to_sign_in(clinic: Clinic, client: Client) -> None:
    assert client.get("/").headers["Location"].startswith("/accounts/login/")


def test_an_account_without_a_clinic_is_told_whom_to_ask(
    clinic: Clinic, hire: Hire, client: Client, manager: User
) -> None:
    manager.staff_roles.all().delete()
    client.force_login(manager)

    assert client.get("/").status_code == 403


def test_the_page_is_one_event_of_the_kind_listed(
    patient: Patient, desk: Client, clinic: Clinic, manager: User
) -> None:
    desk.get("/")

    with acting(system(clinic)):
        (event,) = AuditEvent.objects.filter(action="access", actor_ref=f"user:{manager.pk}")
    assert event.kind == "listed"


def test_more_to_dos_cost_no_more_statements(
    enter: Enter, desk: Client, django_assert_num_queries: QueryCount
) -> None:
    enter(ldl=HIGH_LDL)
    desk.get("/")
    with django_assert_num_queries(STATEMENTS):
        desk.get("/")
    for n in range(3):
        enter(ldl=HIGH_LDL, name=f"陈雅{'琴月云'[n]}", phone=f"+861390000000{n}")
    with django_assert_num_queries(STATEMENTS):
        desk.get("/")
