"""Staff sign in with password and second factor; what is stored of either opens nothing for a thief."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client, override_settings

from clinics.models import Clinic, User
from clinics.roles import Role
from tests.factories.clinics import ClinicFactory, StaffRoleFactory
from tests.factories.second_factors import code_of
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "ein-langes-passwort-2026"


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def nurse(clinic: Clinic) -> User:
    user = User.objects.create_user("wangmin", PASSWORD, display_name="王敏")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    return user


def sign_in(client: Client, password: str = PASSWORD, *, username: str = "wangmin") -> str:
    """Where the answer leads; empty when the form comes back."""
    answer = client.post("/accounts/login/", {"login": username, "password": password})
    return answer.headers.get("Location", "")


def test_the_password_is_kept_as_argon2(nurse: User) -> None:
    assert nurse.password.startswith("argon2$argon2id$")


def test_the_right_password_opens_the_workbench_and_a_wrong_one_nothing(nurse: User, client: Client) -> None:
    assert sign_in(client, "guess") == ""
    assert sign_in(client) == "/"
    assert client.get("/").status_code == 200


def test_a_patients_account_has_no_password_to_sign_in_with(clinic: Clinic, client: Client) -> None:
    patient = User.objects.create_patient_account()
    patient.set_password(PASSWORD)
    patient.save()

    answer = client.post("/accounts/login/", {"login": patient.username, "password": PASSWORD})

    assert answer.status_code == 200
    assert client.get("/").status_code == 302


@override_settings(MFA_REQUIRED=True)
def test_the_second_factor_is_set_up_first_and_asked_for_ever_after(nurse: User, client: Client) -> None:
    sign_in(client)
    assert client.get("/")["Location"] == "/accounts/2fa/"
    page = client.get("/accounts/2fa/totp/activate/", follow=True)
    if "password" in page.context["form"].fields:  # allauth asks again who is at the keyboard
        client.post(page.request["PATH_INFO"], {"password": PASSWORD})
        page = client.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert client.get("/").status_code == 200

    stored = " ".join(str(row.data) for row in Authenticator.objects.filter(user=nurse))
    assert secret not in stored
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(session_data, '') FROM django_session")
        assert secret not in cursor.fetchone()[0]

    elsewhere = Client()
    assert re.search("/2fa/authenticate/", sign_in(elsewhere))
    assert elsewhere.get("/").status_code == 302


def test_asking_for_the_password_again_offers_no_way_that_is_closed(nurse: User, client: Client) -> None:
    sign_in(client)

    page = client.get("/accounts/reauthenticate/")

    assert page.status_code == 200
    assert "/accounts/password/reset/" not in page.content.decode()


@override_settings(MFA_REQUIRED=False)
def test_the_demo_works_without_a_second_factor(nurse: User, client: Client) -> None:
    assert sign_in(client) == "/"


def test_django_admins_own_sign_in_is_no_side_door(nurse: User, client: Client) -> None:
    answer = client.post("/admin/login/", {"username": "wangmin", "password": PASSWORD})

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert client.get("/").status_code == 302
