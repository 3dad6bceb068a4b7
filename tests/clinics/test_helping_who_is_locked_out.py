"""An administrator helps whoever forgot a password or lost a phone; nobody becomes more than they are by it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import SYSTEM_LOG, AuditEvent
from clinics.accounts.models import AccountNotice, NoticeKind, ResetLink
from clinics.models import Clinic, User
from clinics.roles import Role
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.factories.second_factors import code_of, give_factor
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "a long enough sentence", "three geese eat the blue soup"
WAYS = ["/clinic/accounts/link/", "/clinic/accounts/factors/", "/clinic/accounts/sessions/"]


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def nurse(clinic: Clinic) -> User:
    user = User.objects.create_user("wangmin", PASSWORD, display_name="王敏")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    return user


@laid_out
def administrator(clinic: Clinic) -> User:
    user = StaffFactory(username="xuan")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.ADMINISTRATOR)
    return user


@pytest.fixture
def office(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def link_for(office: Client, user: User) -> str:
    page = office.post("/clinic/accounts/link/", {"account": str(user.pk)}).content.decode()
    found = re.search(r"data-reset-link>http://testserver([^<]+)<", page)
    assert found
    return found.group(1)


def told(clinic: Clinic) -> set[str]:
    with acting(system_actor("test", clinic.pk), clinic.pk):
        return set(AuditEvent.objects.values_list("action", flat=True))


def choose(client: Client, password: str = NEW, again: str = NEW) -> int:
    return client.post("/account/password/reset/", {"password1": password, "password2": again}).status_code


def test_a_link_gives_a_new_password_once_and_the_second_factor_is_still_asked_for(
    office: Client, nurse: User, clinic: Clinic
) -> None:
    give_factor(nurse)
    before = Client()
    before.force_login(nurse)
    link, visitor = link_for(office, nurse), Client()
    assert visitor.get(link)["Location"] == "/account/password/reset/"
    assert choose(visitor) == 302
    assert before.get("/account/").status_code == 302

    assert visitor.get("/account/").status_code == 302
    signed = visitor.post("/accounts/login/", {"login": "wangmin", "password": NEW})
    assert signed["Location"] == "/accounts/2fa/authenticate/"
    assert visitor.post("/accounts/2fa/authenticate/", {"code": code_of()})["Location"] == "/"
    assert {"account.reset_issued", "account.reset_used"} <= told(clinic) | _system_log()
    assert set(AccountNotice.objects.values_list("kind", flat=True)) >= {
        NoticeKind.RESET_ISSUED,
        NoticeKind.PASSWORD_CHANGED,
    }
    again = Client()
    again.get(link)
    assert "password1" not in again.get("/account/password/reset/").content.decode()


def _system_log() -> set[str]:
    with acting(system_actor("test", SYSTEM_LOG)):
        return set(AuditEvent.objects.values_list("action", flat=True))


def test_it_works_for_an_hour_and_the_newest_alone(administrator: User, nurse: User) -> None:
    with time_machine.travel(datetime(2026, 11, 30, 8, tzinfo=UTC), tick=False) as clock:
        office = Client()
        office.force_login(administrator)
        first = link_for(office, nurse)
        second = link_for(office, nurse)
        for link, open in ((first, False), (second, True)):
            visitor = Client()
            visitor.get(link)
            assert ("password1" in visitor.get("/account/password/reset/").content.decode()) == open
        clock.shift(timedelta(minutes=61))
        assert choose(visitor) == 200
    nurse.refresh_from_db()
    assert nurse.check_password(PASSWORD)


def test_what_is_kept_of_a_link_opens_nothing(office: Client, nurse: User) -> None:
    token = link_for(office, nurse).rstrip("/").rpartition("/")[2]
    kept = ResetLink.objects.get()

    assert token not in (kept.token_hash, str(kept.pk))
    visitor = Client()
    visitor.get(f"/account/password/reset/{kept.token_hash}/")
    assert "password1" not in visitor.get("/account/password/reset/").content.decode()


def test_a_weak_password_and_two_different_ones_are_refused(office: Client, nurse: User) -> None:
    visitor = Client()
    visitor.get(link_for(office, nurse))

    assert choose(visitor, "password1", "password1") == 200
    assert choose(visitor, NEW, NEW + "x") == 200
    nurse.refresh_from_db()
    assert nurse.check_password(PASSWORD)


def test_a_link_for_an_account_that_was_closed_is_dead(office: Client, nurse: User) -> None:
    visitor = Client()
    visitor.get(link_for(office, nurse))
    User.objects.filter(pk=nurse.pk).update(is_active=False)

    choose(visitor)
    nurse.refresh_from_db()
    assert nurse.check_password(PASSWORD)


def test_lost_factors_are_removed_and_the_owner_is_told(office: Client, nurse: User, clinic: Clinic) -> None:
    give_factor(nurse)
    office.post("/clinic/accounts/factors/", {"account": str(nurse.pk)})

    assert not Authenticator.objects.exists()
    assert "account.factors_taken" in told(clinic)
    assert AccountNotice.objects.get(user=nurse).kind == NoticeKind.FACTORS_TAKEN


def test_sessions_are_ended(office: Client, nurse: User, clinic: Clinic) -> None:
    client = Client()
    client.force_login(nurse)
    office.post("/clinic/accounts/sessions/", {"account": str(nurse.pk)})

    assert client.get("/account/").status_code == 302
    assert "account.sessions_ended" in told(clinic)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_but_the_administrator_helps(
    nurse: User, administrator: User, clinic: Clinic, way: str
) -> None:
    for role in (Role.NURSE, Role.DOCTOR, Role.MANAGER, Role.PRIVACY_OFFICER, Role.FRONT_DESK):
        colleague = StaffFactory()
        StaffRoleFactory(user=colleague, clinic=clinic, role=role)
        client = Client()
        client.force_login(colleague)
        assert client.post(way, {"account": str(nurse.pk)}).status_code == 403
        assert client.get("/clinic/accounts/").status_code == 403


@pytest.mark.parametrize("way", WAYS)
def test_an_administrator_does_not_become_more_than_they_are(
    office: Client, administrator: User, clinic: Clinic, way: str
) -> None:
    west = ClinicFactory("west")
    elsewhere = StaffFactory()
    for place in (clinic, west):
        StaffRoleFactory(user=elsewhere, clinic=place, role=Role.DOCTOR)
    above = StaffFactory()
    User.objects.filter(pk=above.pk).update(is_superuser=True, is_staff=True)
    StaffRoleFactory(user=above, clinic=clinic, role=Role.NURSE)

    for target in (elsewhere, above, administrator):
        assert office.post(way, {"account": str(target.pk)}).status_code == 403
    only_west = StaffFactory()
    StaffRoleFactory(user=only_west, clinic=west, role=Role.NURSE)
    patient = User.objects.create_patient_account()
    for typed in (str(only_west.pk), str(patient.pk), "nonsense"):
        assert office.post(way, {"account": typed}).status_code == 404
    assert not ResetLink.objects.exists()


def test_the_page_asks_as_much_for_many_accounts_as_for_few(
    office: Client, clinic: Clinic, django_assert_max_num_queries: object
) -> None:
    for _ in range(12):
        StaffRoleFactory(user=StaffFactory(), clinic=clinic, role=Role.NURSE)
    with django_assert_max_num_queries(14):  # type: ignore[operator]  # pytest-django's fixture
        assert len(office.get("/clinic/accounts/").context["accounts"]) == 13
