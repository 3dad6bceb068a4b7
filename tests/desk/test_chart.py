"""The chart: its head shows what the role may see, masked; its panels are the apps' own; strangers see nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.choices import CareRole
from patients.models import Patient
from patients.services import begin_care
from tests.desk.conftest import Enter, Hire, system

QueryCount = Callable[[int], AbstractContextManager[None]]
STATEMENTS = (
    14  # account with roles, settings, patient, keys, what stands on the head, and the event of the log
)


def chart(patient: Patient) -> str:
    return f"/patients/{patient.pk}/"


def test_the_head_says_who_it_is_without_saying_the_name(patient: Patient, desk: Client) -> None:
    text = desk.get(chart(patient)).content.decode()

    assert patient.service_number in text
    assert "邓*英" in text
    assert "邓淑英" not in text
    assert "138****" in text
    assert "990***********" in text


def test_a_tag_tells_the_fact_the_test_and_the_day(patient: Patient, desk: Client) -> None:
    page = desk.get(chart(patient))

    explained = next(tag for tag in page.context["head"].tags if tag.tag.code == "lipid_high_ldl")
    (reason,) = explained.reasons
    assert reason.value == "4.60"
    assert reason.test
    assert reason.taken_at
    assert "4.60" in page.content.decode()


def test_what_is_allowed_and_what_is_not_stands_on_the_head(patient: Patient, desk: Client) -> None:
    head = desk.get(chart(patient)).context["head"]

    assert {standing.rule.purpose for standing in head.allowed} == {"care", "followup", "report", "risk"}
    assert all(not standing.granted for standing in head.not_allowed)


def test_panels_come_from_the_apps_addresses_and_are_links_without_a_script(
    patient: Patient, desk: Client
) -> None:
    text = desk.get(chart(patient)).content.decode()

    for path in ("results/", "followups/", "consent/panel/"):
        assert f'hx-get="/patients/{patient.pk}/{path}"' in text
        assert f'href="/patients/{patient.pk}/{path}"' in text


def test_the_log_says_whether_they_are_looked_after_personally_or_by_a_team(
    patient: Patient, desk: Client, clinic: Clinic, manager: User
) -> None:
    desk.get(chart(patient))
    with acting(system(clinic)):
        begin_care(patient, role=CareRole.MANAGER, staff=manager, by=system(clinic), at=patient.created_at)
    desk.get(chart(patient))
    with acting(system(clinic)):
        viewed = AuditEvent.objects.filter(action="access", kind="viewed", actor_id=manager.pk)
        assert [event.relation for event in viewed.order_by("uid")] == ["team", "own"]


def test_the_front_desk_sees_no_tags_and_no_results(patient: Patient, hire: Hire, client: Client) -> None:
    client.force_login(hire(Role.FRONT_DESK))
    page = client.get(chart(patient))

    assert page.context["head"].tags == []
    assert f"/patients/{patient.pk}/results/" not in page.content.decode()
    assert f"/patients/{patient.pk}/followups/" not in page.content.decode()


def test_a_colleague_outside_the_care_team_finds_nothing(
    patient: Patient, hire: Hire, client: Client
) -> None:
    client.force_login(hire(Role.DOCTOR, in_team=False))

    assert client.get(chart(patient)).status_code == 404


def test_missing_and_forbidden_look_the_same(patient: Patient, hire: Hire, client: Client) -> None:
    client.force_login(hire(Role.DOCTOR, in_team=False))
    forbidden, missing = client.get(chart(patient)), client.get(f"/patients/{uuid4()}/")

    assert forbidden.content == missing.content


def test_staff_of_another_clinic_find_nothing(
    patient: Patient, hire: Hire, other_clinic: Clinic, client: Client
) -> None:
    client.force_login(hire(Role.DOCTOR, at=other_clinic))

    assert client.get(chart(patient)).status_code == 404


@pytest.mark.parametrize("role", [Role.MANAGER, Role.ADMINISTRATOR, Role.PRIVACY_OFFICER])
def test_roles_without_patients_open_no_chart(
    role: Role, patient: Patient, hire: Hire, client: Client
) -> None:
    client.force_login(hire(role))

    assert client.get(chart(patient)).status_code == 403


def test_the_look_is_one_event_with_the_fields_that_were_opened(
    patient: Patient, desk: Client, clinic: Clinic, manager: User
) -> None:
    desk.get(chart(patient))

    with acting(system(clinic)):
        (event,) = AuditEvent.objects.filter(action="access", actor_ref=f"user:{manager.pk}")
    assert event.kind == "viewed"
    assert {"patient.identity.name", "patient.identity.phone"} <= set(event.changes or ())


def test_the_head_costs_a_fixed_number_of_statements(
    enter: Enter, desk: Client, django_assert_num_queries: QueryCount
) -> None:
    few = enter(ldl="4.60")
    desk.get(chart(few))
    with django_assert_num_queries(STATEMENTS):
        desk.get(chart(few))
