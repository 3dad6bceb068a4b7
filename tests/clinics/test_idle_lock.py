"""Fifteen minutes without anybody lock a session of staff; twelve hours end every session. Nothing that was typed is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from clinics.models import Clinic, User
from clinics.roles import Role
from tests.factories.clinics import ClinicFactory, StaffRoleFactory
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
MORNING = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
JSON = {"accept": "application/json"}


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(MORNING, tick=False) as traveller:
        yield traveller


@pytest.fixture
def desk(clinic: Clinic, clock: time_machine.Traveller, client: Client) -> Client:
    cache.clear()
    user = User.objects.create_user("wangmin", PASSWORD, display_name="王敏")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    client.post("/accounts/login/", {"login": "wangmin", "password": PASSWORD})
    return client


def later(clock: time_machine.Traveller, **time: int) -> None:
    clock.shift(timedelta(**time))


def told(clinic: Clinic) -> list[str]:
    with acting(system_actor("test", clinic.pk), clinic.pk):
        return list(
            AuditEvent.objects.filter(action__startswith="account.")
            .order_by("uid")
            .values_list("action", flat=True)
        )


@pytest.mark.requirement("HIPAA-312a2iii")
def test_after_fifteen_quiet_minutes_a_page_leads_to_the_lock_and_the_password_back_to_it(
    desk: Client, clock: time_machine.Traveller
) -> None:
    later(clock, minutes=15)
    answer = desk.get("/patients/")
    assert answer["Location"] == "/account/locked/?next=%2Fpatients%2F"
    assert desk.get(answer["Location"]).status_code == 200

    assert (
        "不对"
        in desk.post("/account/unlock/", {"password": "guess", "send_to": "/patients/"}).content.decode()
    )
    assert desk.get("/").status_code == 302
    assert (
        desk.post("/account/unlock/", {"password": PASSWORD, "send_to": "/patients/"})["Location"]
        == "/patients/"
    )
    assert desk.get("/patients/").status_code == 200


def test_whoever_works_is_not_locked(desk: Client, clock: time_machine.Traveller) -> None:
    for _ in range(6):
        later(clock, minutes=14)
        assert desk.get("/").status_code == 200


def test_a_page_that_asks_by_itself_is_no_sign_of_anybody(
    desk: Client, clock: time_machine.Traveller
) -> None:
    later(clock, minutes=14)
    desk.get("/", headers={"x-no-sign-of-life": "1"})
    assert desk.get("/account/session/", headers=JSON).json() == {"left": 60}
    later(clock, minutes=1)

    assert desk.get("/").status_code == 302


def test_typing_in_a_long_form_is_a_sign_of_life(desk: Client, clock: time_machine.Traveller) -> None:
    later(clock, minutes=14)
    assert desk.post("/account/session/alive/", headers=JSON).json() == {"left": 900}
    later(clock, minutes=14)

    assert desk.get("/").status_code == 200


def test_a_form_that_was_sent_while_it_was_locked_comes_back_whole_and_has_done_nothing(
    desk: Client, clock: time_machine.Traveller
) -> None:
    later(clock, minutes=20)
    page = desk.post("/account/", {"email": "wang@birds.example", "words": ["一", "二"]})
    assert page.status_code == 423
    kept = {"kept.email": "wang@birds.example", "kept.words": ["一", "二"]}
    for text in ('name="kept.email" value="wang@birds.example"', 'value="一"', 'value="二"'):
        assert text in page.content.decode()
    assert User.objects.get(username="wangmin").sealed_email == ""

    page = desk.post("/account/unlock/", {"password": PASSWORD, "send_to": "/account/", **kept})
    assert 'name="email" value="wang@birds.example"' in page.content.decode()
    assert 'action="/account/"' in page.content.decode()


def test_a_fragment_and_a_machine_are_told_that_it_is_locked(
    desk: Client, clock: time_machine.Traveller
) -> None:
    later(clock, minutes=20)

    assert desk.get("/patients/", headers={"hx-request": "true"}).status_code == 423
    assert desk.post("/patients/search/", {"q": "王"}, headers=JSON).status_code == 423


def test_a_locked_session_reaches_no_page_of_the_packages_either(
    desk: Client, clock: time_machine.Traveller
) -> None:
    later(clock, minutes=20)

    for address in (
        "/admin/",
        "/accounts/2fa/",
        "/accounts/password/change/",
        "/accounts/reauthenticate/",
        "/account/",
    ):
        assert desk.get(address)["Location"].startswith("/account/locked/")


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", "/no/such/page/"]
)
def test_the_lock_leads_to_pages_of_ours_alone(
    desk: Client, clock: time_machine.Traveller, address: str
) -> None:
    later(clock, minutes=20)

    assert desk.post("/account/unlock/", {"password": PASSWORD, "send_to": address})["Location"] == "/"


def test_somebody_who_leaves_the_desk_locks_it_at_once(desk: Client, clinic: Clinic) -> None:
    answer = desk.post("/account/lock/", headers={"referer": "http://testserver/patients/?page=2"})
    assert answer["Location"] == "/account/locked/?next=%2Fpatients%2F%3Fpage%3D2"
    assert desk.get("/").status_code == 302

    assert desk.post("/account/unlock/", {"password": "guess"}, headers=JSON).json().keys() == {"error"}
    assert desk.post("/account/unlock/", {"password": PASSWORD}, headers=JSON).json() == {"left": 900}
    assert desk.get("/").status_code == 200
    assert told(clinic)[-3:] == ["account.locked", "account.sign_in_failed", "account.unlocked"]


def test_twelve_hours_after_signing_in_it_is_over_whatever_somebody_does(
    desk: Client, clock: time_machine.Traveller
) -> None:
    for _ in range(51):
        later(clock, minutes=14)
        assert desk.post("/account/session/alive/", headers=JSON).status_code == 200
    later(clock, minutes=6)

    assert desk.get("/account/")["Location"].startswith("/accounts/login/")
