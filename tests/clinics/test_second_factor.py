"""A second factor belongs to one account; without one there is nothing but setting it up; whoever came in by the old way goes."""

from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client, override_settings

from clinics.accounts.keys import open_for, seal_for
from clinics.accounts.models import AccountNotice, NoticeKind
from clinics.middleware import ENROLMENT, PACKAGE_PAGES
from clinics.models import Clinic, User
from clinics.roles import Role
from crypto.errors import KeysMissing
from tests.factories.clinics import ClinicFactory, StaffRoleFactory
from tests.factories.second_factors import SEED, code_of, give_factor
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def nurse(clinic: Clinic) -> User:
    user = User.objects.create_user("wangmin", PASSWORD, display_name="王敏")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    return user


def sign_in(client: Client) -> str:
    return client.post("/accounts/login/", {"login": "wangmin", "password": PASSWORD}).headers.get(
        "Location", ""
    )


@pytest.mark.requirement("HIPAA-312d")
@override_settings(MFA_REQUIRED=True)
def test_without_one_there_is_nothing_but_setting_it_up(nurse: User, client: Client) -> None:
    User.objects.filter(pk=nurse.pk).update(is_staff=True, is_superuser=True)
    sign_in(client)

    for address in (
        "/",
        "/patients/",
        "/admin/",
        "/account/",
        "/accounts/password/change/",
        "/accounts/2fa/webauthn/",
    ):
        assert client.get(address)["Location"] == "/accounts/2fa/", address
    assert client.get("/accounts/2fa/").status_code == 200
    assert ENROLMENT < PACKAGE_PAGES


def test_a_passkey_that_is_the_first_factor_of_all_keeps_nobody_from_an_app(
    nurse: User, settings: Any, tmp_path: Path
) -> None:
    """A passkey is not sealed: the key of what is has still to be made. A seed without its key is another folder's."""
    settings.KEYS_DIR = tmp_path
    Authenticator.objects.create(user=nurse, type=Authenticator.Type.WEBAUTHN, data={"name": "x"})
    sealed = seal_for(nurse.pk, "second-factor", SEED)
    assert open_for(nurse.pk, "second-factor", sealed) == SEED

    Authenticator.objects.create(user=nurse, type=Authenticator.Type.TOTP, data={"secret": sealed})
    (tmp_path / "sign-in.key").unlink()
    with pytest.raises(KeysMissing):
        seal_for(nurse.pk, "second-factor", SEED)


def test_a_seed_opens_for_its_own_account_alone(nurse: User) -> None:
    other = User.objects.create_user("helan", PASSWORD)
    moved = give_factor(other).data["secret"]

    assert open_for(other.pk, "second-factor", moved) == SEED
    with pytest.raises(KeysMissing):
        open_for(nurse.pk, "second-factor", moved)


def test_a_factor_copied_from_another_account_lets_nobody_in(nurse: User, client: Client) -> None:
    """Somebody with the database puts their own second factor into the row of an account whose password they know."""
    thief = User.objects.create_user("thief", PASSWORD)
    Authenticator.objects.create(user=nurse, type=Authenticator.Type.TOTP, data=give_factor(thief).data)
    sign_in(client)

    assert client.post("/accounts/2fa/authenticate/", {"code": code_of()}).status_code == 503
    assert client.get("/").status_code == 302


def test_a_code_serves_once(nurse: User) -> None:
    give_factor(nurse)
    code = code_of()
    first, second = Client(), Client()
    for client, lands in ((first, 302), (second, 200)):
        assert sign_in(client) == "/accounts/2fa/authenticate/"
        assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == lands


def test_a_code_of_a_clock_that_goes_a_little_fast_serves_and_serves_once_too(nurse: User) -> None:
    """It is taken for longer than allauth remembers it."""
    give_factor(nurse)
    code = code_of(periods_ahead=1)
    first, second = Client(), Client()
    for client, lands in ((first, 302), (second, 200)):
        sign_in(client)
        assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == lands
        cache.delete(f"allauth.mfa.totp.used?user={nurse.pk}&code={code}")


def test_a_code_of_a_clock_that_is_far_off_is_none(nurse: User, client: Client) -> None:
    give_factor(nurse)
    sign_in(client)
    assert client.post("/accounts/2fa/authenticate/", {"code": code_of(periods_ahead=3)}).status_code == 200


def test_a_session_from_before_the_factor_does_not_go_on_beside_it(nurse: User, clinic: Clinic) -> None:
    """A thief with the password alone waits at the door until the owner sets up a factor: that must not let the thief in."""
    thief, owner = Client(), Client()
    sign_in(thief)
    sign_in(owner)
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = owner.get("/accounts/2fa/totp/activate/")
    owner.post("/accounts/2fa/totp/activate/", {"code": code_of(page.context["form"].secret)})

    assert owner.get("/").status_code == 200
    assert thief.get("/")["Location"].startswith("/accounts/login/")
    assert NoticeKind.FACTOR_ADDED in AccountNotice.objects.values_list("kind", flat=True)


@override_settings(MFA_REQUIRED=True)
@pytest.mark.parametrize("kind", [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN])
def test_the_last_one_stays_where_one_is_required(nurse: User, client: Client, kind: str) -> None:
    factor = give_factor(nurse)
    Authenticator.objects.filter(pk=factor.pk).update(type=kind)
    client.force_login(nurse)
    if kind == Authenticator.Type.TOTP:
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        client.post("/accounts/2fa/totp/deactivate/")
    else:
        assert client.post(f"/accounts/2fa/webauthn/keys/{factor.pk}/remove/").status_code == 409

    assert Authenticator.objects.filter(pk=factor.pk).exists()


@pytest.mark.parametrize(
    "address", ["/accounts/2fa/webauthn/login/", "/accounts/2fa/webauthn/login/?next=/admin/"]
)
def test_a_passkey_of_nobody_signs_nobody_in(client: Client, address: str) -> None:
    client.get(address, headers={"accept": "application/json"})
    client.post(address, {"credential": "{}"})

    assert client.get("/").status_code == 302
