"""A patient's passkey opens the patient's pages and nothing else; what answers no challenge opens nothing."""

from unittest.mock import patch

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from clinics.models import Clinic, User
from tests.factories.clinics import StaffFactory
from tests.portal.conftest import Person, Register, system

SIGN_IN = "/p/east/sign-in/passkey/"
ANSWER = {"credential": '{"response": {}}'}


def passkey_of(user: User) -> Authenticator:
    return Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "手机"})


def answer_with(passkey: Authenticator, client: Client, path: str = SIGN_IN) -> bool:
    """Whether a right answer by this passkey signs in."""
    with patch("allauth.mfa.webauthn.forms.LoginWebAuthnForm.clean_credential", return_value=passkey):
        client.post(path, ANSWER)
    return "_auth_user_id" in client.session


def test_the_challenge_names_nobody(person: Person, client: Client) -> None:
    passkey_of(person.user)
    options = client.get(f"{SIGN_IN}options/").json()["request_options"]["publicKey"]

    assert not options.get("allowCredentials")
    assert options["userVerification"] == "required"


def test_a_passkey_signs_in_and_the_log_says_how(person: Person, client: Client, clinic: Clinic) -> None:
    assert answer_with(passkey_of(person.user), client)

    with acting(system(clinic)):
        assert AuditEvent.objects.get(action="account.signed_in").reason == "passkey"


def test_a_passkey_of_staff_or_of_another_clinic_opens_no_portal(
    clinic: Clinic, other_clinic: Clinic, register: Register, client: Client
) -> None:
    elsewhere = register(other_clinic)

    assert not answer_with(passkey_of(StaffFactory()), client)
    assert not answer_with(passkey_of(elsewhere.user), client)
    assert answer_with(passkey_of(elsewhere.user), client, SIGN_IN.replace("east", "west"))


@pytest.mark.parametrize(
    "typed", ["", "{}", "[]", "null", "x", '{"response": {"userHandle": "AAAA"}}', '{"response": 1}']
)
def test_what_answers_no_challenge_opens_nothing(person: Person, client: Client, typed: str) -> None:
    client.get(f"{SIGN_IN}options/")
    page = client.post(SIGN_IN, {"credential": typed})

    assert page.status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_made_up_passkey_is_not_kept(person: Person, phone_client: Client) -> None:
    phone_client.get("/p/east/passkeys/")
    phone_client.post("/p/east/passkeys/", ANSWER)

    assert not Authenticator.objects.filter(user=person.user).exists()


def test_a_passkey_can_be_removed_by_its_owner_alone(
    person: Person, clinic: Clinic, register: Register, phone_client: Client
) -> None:
    other = register(clinic, phone="+8613800000002", name="李桂兰")
    mine, theirs = passkey_of(person.user), passkey_of(other.user)

    assert phone_client.post(f"/p/east/passkeys/{theirs.pk}/end/").status_code == 404
    assert phone_client.post(f"/p/east/passkeys/{mine.pk}/end/").status_code == 302
    assert list(Authenticator.objects.all()) == [theirs]
