"""A patient sees their own plan and results, in words; nobody else's, and staff see none of these pages."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from patients.choices import PortalRelation
from patients.models import PortalAccess
from patients.services import give_portal_access
from tests.factories.clinics import StaffFactory, StaffRoleFactory
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import OPENED_AT
from tests.laid_out import laid_out
from tests.portal.conftest import Person, Register, system

QueryCount = Callable[..., AbstractContextManager[None]]
HOME, RESULTS = "/p/east/", "/p/east/results/"


@laid_out
def measured(person: Person, clinic: Clinic) -> Person:
    """The person agreed to everything, and a report came that asks for a follow-up."""
    by = system(clinic)
    with acting(by):
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK):
            ConsentFactory(person.patient, purpose, by=by, at=MONDAY)
        file_results(person.patient, by=by, ldl="3.90", at=MONDAY - timedelta(days=90))
        file_results(person.patient, by=by, ldl=HIGH_LDL, fpg="5.10")
    take(clinic)
    return person


def test_home_greets_by_name_and_tells_the_results_in_words(measured: Person, phone_client: Client) -> None:
    with time_machine.travel(MONDAY, tick=False):
        page = phone_client.get(HOME)

    assert "邓淑英" in page.content.decode()
    summary = page.context["summary"]
    assert [concern.newest.name for concern in summary.concerns] == [summary.concerns[0].newest.name]
    assert (summary.above, len(summary.in_range)) == (1, 1)


def test_home_shows_what_comes_up(measured: Person, phone_client: Client) -> None:
    with time_machine.travel(MONDAY, tick=False):
        plan = phone_client.get(HOME).context["plan"]

    assert len(plan.later) == 1
    assert plan.later[0].prepare


def test_results_say_how_a_value_moved(measured: Person, phone_client: Client) -> None:
    with time_machine.travel(MONDAY, tick=False):
        page = phone_client.get(RESULTS)

    (concern,) = page.context["summary"].concerns
    assert "0.70" in concern.movement
    assert len(concern.trend.points) == 2
    assert f"{concern.newest.value}" in page.content.decode()


def test_the_counts_add_up(measured: Person, phone_client: Client) -> None:
    summary = phone_client.get(RESULTS).context["summary"]

    assert summary.count == len(summary.concerns) + len(summary.in_range) + len(summary.without_range)


def test_a_person_without_results_is_told_what_will_stand_there(person: Person, phone_client: Client) -> None:
    page = phone_client.get(RESULTS)

    assert page.status_code == 200
    assert page.context["summary"].count == 0


def test_who_said_no_to_reports_on_the_phone_is_shown_none_and_none_is_opened(
    measured: Person, clinic: Clinic, phone_client: Client
) -> None:
    with acting(system(clinic)):
        withdraw_consent(
            measured.patient,
            Purpose.REPORT,
            by=system(clinic),
            at=MONDAY,
            given_through=GivenThrough.PORTAL,
        )
    for address in (HOME, RESULTS):
        page = phone_client.get(address)
        assert page.context["summary"].stopped
        assert "4.60" not in page.content.decode()
    with acting(system(clinic)):
        looks = AuditEvent.objects.filter(action="access", actor_ref=f"user:{measured.user.pk}")
        assert looks.exists()
        assert not [event for event in looks if b"observation.detail" in bytes(event.canon)]


def test_a_critical_value_leads_the_page(person: Person, clinic: Clinic, phone_client: Client) -> None:
    with acting(system(clinic)):
        file_results(person.patient, by=system(clinic), ldl=HIGH_LDL, k="6.80")

    summary = phone_client.get(RESULTS).context["summary"]

    assert summary.concerns[0].newest.flag.is_critical
    assert "120" in summary.sentence


def test_the_look_is_in_the_log_as_the_patients_own(
    measured: Person, phone_client: Client, clinic: Clinic
) -> None:
    phone_client.get(RESULTS)

    with acting(system(clinic)):
        event = AuditEvent.objects.filter(action="access", actor_ref=f"user:{measured.user.pk}").latest("uid")
    assert (event.kind, event.purpose) == ("viewed", "care")


def test_home_costs_a_fixed_number_of_statements(
    measured: Person, clinic: Clinic, phone_client: Client, django_assert_num_queries: QueryCount
) -> None:
    phone_client.get(HOME)
    with django_assert_num_queries(19):
        phone_client.get(HOME)


def test_a_visitor_who_is_not_signed_in_is_led_to_sign_in(person: Person, client: Client) -> None:
    for path in (HOME, RESULTS, "/p/east/permissions/", "/p/east/permissions/followup/"):
        assert client.get(path).headers["Location"] == "/p/east/sign-in/"


def test_staff_find_nothing_on_the_patients_pages(person: Person, clinic: Clinic, client: Client) -> None:
    staff: User = StaffFactory()
    StaffRoleFactory(user=staff, clinic=clinic, role=Role.DOCTOR)
    client.force_login(staff)

    for path in (HOME, RESULTS, "/p/east/permissions/"):
        assert client.get(path).status_code == 404


def test_a_patient_finds_nothing_on_the_staffs_pages(person: Person, phone_client: Client) -> None:
    for path in ("/", "/patients/", f"/patients/{person.patient.pk}/", "/import/"):
        assert phone_client.get(path).status_code == 404


def test_another_clinics_pages_are_empty_for_this_account(
    person: Person, other_clinic: Clinic, register: Register, phone_client: Client
) -> None:
    register(other_clinic)

    for path in ("/p/west/", "/p/west/results/", "/p/west/permissions/", "/p/west/permissions/followup/"):
        assert phone_client.get(path).status_code == 404


def test_a_proxy_turns_to_the_person_they_look_after(
    person: Person, register: Register, clinic: Clinic, phone_client: Client
) -> None:
    mother = register(clinic, phone="+8613800000002", name="李桂兰")
    with acting(system(clinic)):
        give_portal_access(
            mother.patient, PortalRelation.PROXY, by=system(clinic), at=OPENED_AT, user=person.user
        )

    phone_client.post("/p/east/people/", {"patient": str(mother.patient.pk)})

    assert phone_client.get(HOME).context["screen"].shown.patient == mother.patient


@pytest.mark.requirement("GBT39725-11.2")
def test_nobody_turns_to_a_stranger(
    person: Person, register: Register, clinic: Clinic, phone_client: Client
) -> None:
    stranger = register(clinic, phone="+8613800000002", name="李桂兰")

    answer = phone_client.post("/p/east/people/", {"patient": str(stranger.patient.pk)})

    assert answer.status_code == 404
    assert phone_client.get(HOME).context["screen"].shown.patient == person.patient


def test_access_that_has_ended_shows_nothing(person: Person, clinic: Clinic, phone_client: Client) -> None:
    with acting(system(clinic)):
        PortalAccess.objects.filter(user=person.user).update(valid_until=OPENED_AT + timedelta(days=1))

    assert phone_client.get(HOME).status_code == 404
