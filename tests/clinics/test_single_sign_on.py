"""Single sign-on opens accounts that exist, by a claim the first time and by the provider's own id from then on."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from audit.acting import acting
from audit.actors import system_actor
from audit.models import SYSTEM_LOG, AuditEvent
from clinics.accounts.keys import seal_for
from clinics.models import Clinic, User
from clinics.roles import Role
from clinics.sessions import SessionStore
from config.environment import Environment
from config.settings.served import read_single_sign_on
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.factories.identity_provider import IdentityProvider, identity_provider
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
START = "/accounts/oidc/clinic/login/"


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: IdentityProvider, settings: Settings) -> IdentityProvider:
    for name, value in read_single_sign_on(Environment(running.variables()), plain_http=True).items():
        setattr(settings, name, value)
    running.person = {
        "sub": "4711",
        "preferred_username": "wangmin",
        "email": "canary@birds.example",
        "name": "王敏",
    }
    return running


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def nurse(clinic: Clinic) -> User:
    user = StaffFactory(username="wangmin", display_name="王敏")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    return user


def come_back(client: Client) -> Any:
    """To the provider and back, as a browser goes."""
    leaving = client.get(START)
    back = requests.get(leaving["Location"], allow_redirects=False, timeout=5).headers["Location"]
    address = urlsplit(back)
    return client.get(f"{address.path}?{address.query}")


def is_signed_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_the_account_is_found_by_the_claim_and_from_then_on_by_the_providers_id(
    provider: IdentityProvider, nurse: User, client: Client
) -> None:
    assert come_back(client)["Location"] == "/"
    assert is_signed_in(client)
    assert nurse.living_sessions.get().method == "single_sign_on"

    provider.person = {"sub": "4711", "preferred_username": "wang.min"}
    later = Client()
    come_back(later)
    assert is_signed_in(later)


def test_nobody_takes_over_an_account_by_taking_its_name_at_the_provider(
    provider: IdentityProvider, nurse: User, client: Client
) -> None:
    come_back(client)
    provider.person = {"sub": "somebody else", "preferred_username": "wangmin"}

    intruder = Client()
    assert come_back(intruder)["Location"] == "/accounts/login/"
    assert not is_signed_in(intruder)


@pytest.mark.parametrize("name", ["nobody", "", "the-patient", "has-left"])
def test_it_makes_no_account_and_opens_none_of_a_patient_or_of_who_has_left(
    provider: IdentityProvider, nurse: User, client: Client, name: str
) -> None:
    User.objects.create_user("the-patient", kind="patient")
    User.objects.create_user("has-left", is_active=False)
    provider.person = {"sub": "1", "preferred_username": name}
    before = User.objects.count()

    assert come_back(client)["Location"] == "/accounts/login/"
    assert not is_signed_in(client)
    assert (User.objects.count(), SocialAccount.objects.count()) == (before, 0)
    with acting(system_actor("test", SYSTEM_LOG)):
        event = AuditEvent.objects.get(action="account.sign_in_failed")
    assert (event.reason, event.object_pk) == ("single_sign_on", "unknown")


def test_an_address_counts_only_when_the_provider_has_verified_it(
    provider: IdentityProvider, settings: Settings, client: Client, clinic: Clinic
) -> None:
    StaffRoleFactory(user=StaffFactory(username="wangmin@east.example"), clinic=clinic, role=Role.NURSE)
    settings.SINGLE_SIGN_ON = {**settings.SINGLE_SIGN_ON, "claim": "email"}
    provider.person = {"sub": "2", "email": "wangmin@east.example"}
    come_back(client)
    assert not is_signed_in(client)

    provider.person = {**provider.person, "email_verified": True}
    come_back(client)
    assert is_signed_in(client)


def test_the_second_factor_is_asked_for_unless_the_provider_asked_and_is_trusted(
    provider: IdentityProvider, nurse: User, settings: Settings
) -> None:
    Authenticator.objects.create(
        user=nurse,
        type=Authenticator.Type.TOTP,
        data={"secret": seal_for(nurse.pk, "second-factor", "JBSWY3DPEHPK3PXP")},
    )
    plain = deepcopy(provider.person or {})

    def outcome(amr: list[str], *, trusted: bool) -> str:
        settings.SINGLE_SIGN_ON = {**settings.SINGLE_SIGN_ON, "second_factor": trusted}
        provider.person = {**plain, "amr": amr}
        return str(come_back(Client())["Location"])

    assert outcome(["pwd"], trusted=True) == "/accounts/2fa/authenticate/"
    assert outcome(["pwd", "mfa"], trusted=False) == "/accounts/2fa/authenticate/"
    assert outcome(["pwd", "mfa"], trusted=True) == "/"


def test_the_providers_second_factor_serves_nobody_else_in_the_same_browser(
    provider: IdentityProvider, nurse: User, clinic: Clinic, settings: Settings, client: Client
) -> None:
    settings.MFA_REQUIRED = True
    other = User.objects.create_user("helan", "a long enough sentence")
    StaffRoleFactory(user=other, clinic=clinic, role=Role.NURSE)
    provider.person = {**(provider.person or {}), "amr": ["mfa"]}
    come_back(client)
    assert is_signed_in(client)

    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"login": "helan", "password": "a long enough sentence"})
    assert client.get("/")["Location"] == "/accounts/2fa/"


def test_nothing_the_provider_tells_is_kept(provider: IdentityProvider, nurse: User, client: Client) -> None:
    Authenticator.objects.create(
        user=nurse,
        type=Authenticator.Type.TOTP,
        data={"secret": seal_for(nurse.pk, "second-factor", "JBSWY3DPEHPK3PXP")},
    )
    come_back(client)  # waits for the second factor: the login stands in the session

    (linked,) = SocialAccount.objects.all()
    assert (linked.provider, linked.extra_data, len(linked.uid)) == ("clinic", {}, 64)
    assert not SocialToken.objects.exists()
    kept = repr(SessionStore(client.session.session_key).load())
    assert "canary@birds.example" not in kept
    assert "王敏" not in kept
    assert nurse.password not in kept
    assert "4711" not in kept


def test_a_forged_answer_and_a_cancelled_one_sign_nobody_in(
    provider: IdentityProvider, nurse: User, client: Client
) -> None:
    client.get(START)
    assert client.get("/accounts/oidc/clinic/login/callback/?code=x&state=forged").status_code == 401
    provider.person = None
    come_back(client)
    assert not is_signed_in(client)


@pytest.mark.parametrize("address", ["/accounts/3rdparty/", "/accounts/3rdparty/signup/"])
def test_nobody_links_or_signs_up_by_hand(
    provider: IdentityProvider, nurse: User, client: Client, address: str
) -> None:
    client.force_login(nurse)
    assert client.get(address).status_code == 404
    assert client.get(f"{START}?process=connect").status_code == 302
    come = client.get(f"{START}?process=connect")
    back = urlsplit(requests.get(come["Location"], allow_redirects=False, timeout=5).headers["Location"])
    client.get(f"{back.path}?{back.query}")
    assert not SocialAccount.objects.exists()


def test_without_a_provider_there_is_no_such_page(client: Client) -> None:
    assert client.get(START).status_code == 404


def test_a_provider_without_tls_is_refused(running: IdentityProvider) -> None:
    env = Environment(running.variables())
    read_single_sign_on(env)
    with pytest.raises(ImproperlyConfigured, match="OIDC_ISSUER must begin with https"):
        env.finish()
