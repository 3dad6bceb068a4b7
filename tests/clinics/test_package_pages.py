"""Of the packages' pages only those that staff need exist: no second way in, and nowhere to leave an e-mail address in clear."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import SYSTEM_LOG, AuditEvent
from clinics.middleware import PACKAGE_PAGES
from clinics.models import User
from tests.clinics.test_guards import every_pattern
from tests.factories.clinics import StaffFactory

pytestmark = pytest.mark.django_db
CLOSED = [
    "/accounts/email/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/x/",
    "/accounts/password/set/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-2/",
    "/accounts/password/reset/key/done/",
]
SENTENCE = "a long enough sentence"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(StaffFactory())
    return client


@pytest.fixture
def patient(client: Client) -> Client:
    client.force_login(User.objects.create_patient_account())
    return client


def packages_addresses() -> set[str]:
    from allauth import urls

    return {str(pattern.name) for _path, pattern in every_pattern(urls.urlpatterns)}


def test_the_pages_that_are_open_are_pages_of_the_packages() -> None:
    assert packages_addresses() >= PACKAGE_PAGES


@pytest.mark.parametrize("address", CLOSED)
def test_pages_that_nobody_needs_do_not_exist(staff: Client, address: str) -> None:
    assert staff.get(address).status_code == 404
    assert Client().get(address).status_code == 404


def test_no_address_in_clear_can_be_left_with_an_account(staff: Client) -> None:
    answer = staff.post("/accounts/email/", {"action_add": "", "email": "canary@birds.example"})

    assert answer.status_code == 404
    assert not EmailAddress.objects.exists()


@pytest.mark.parametrize("address", ["/accounts/2fa/", "/accounts/2fa/totp/activate/", "/admin/", *CLOSED])
def test_a_patient_finds_none_of_them(patient: Client, address: str) -> None:
    assert patient.get(address).status_code == 404


def test_a_patient_cannot_give_themselves_a_password(patient: Client) -> None:
    patient.post("/accounts/password/set/", {"password1": SENTENCE, "password2": SENTENCE})

    assert not User.objects.get(kind="patient").has_usable_password()


@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/2fa/totp/activate/", "/accounts/2fa/"])
def test_the_seed_of_a_second_factor_is_kept_by_no_browser(staff: Client, address: str) -> None:
    answer = staff.get(address)

    assert answer.status_code in (200, 302)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_refusal_says_from_where_and_keeps_nothing_that_was_typed(patient: Client) -> None:
    patient.get("/admin/%E7%8E%8B%E5%B0%8F%E8%8A%B3", REMOTE_ADDR="203.0.113.7")
    patient.get("/admin/clinics/user/%00/change/")

    with acting(system_actor("test", SYSTEM_LOG)):
        first, second = AuditEvent.objects.filter(action="access.denied").order_by("uid")
    assert (first.object_pk, first.remote_addr) == ("", "203.0.113.7")
    assert second.object_pk == ""
