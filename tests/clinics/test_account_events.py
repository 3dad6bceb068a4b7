"""Whatever changes what opens an account is told by the log."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import DatabaseError
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import SYSTEM_LOG, AuditEvent
from clinics.accounts.models import AccountNotice, AccountSession, KnownDevice
from clinics.models import User
from tests.factories.clinics import StaffFactory
from tests.factories.second_factors import code_of

pytestmark = pytest.mark.django_db
OLD, NEW = "a long enough sentence", "another sentence of some length"


@pytest.fixture
def account() -> User:
    user = StaffFactory(username="linxiao")
    user.set_password(OLD)
    user.save()
    cache.clear()  # counts of attempts
    return user


@pytest.fixture
def desk(client: Client, account: User) -> Client:
    client.post("/accounts/login/", {"login": "linxiao", "password": OLD})
    return client


def told(account: User) -> list[str]:
    with acting(system_actor("test", SYSTEM_LOG)):
        events = AuditEvent.objects.filter(actor_ref=f"user:{account.pk}").order_by("uid")
        return [event.action for event in events]


def test_a_new_password_is_an_event(desk: Client, account: User) -> None:
    desk.post("/accounts/password/change/", {"oldpassword": OLD, "password1": NEW, "password2": NEW})

    account.refresh_from_db()
    assert account.check_password(NEW)
    assert told(account) == ["account.signed_in", "account.password_changed"]


@pytest.mark.django_db(transaction=True)  # the package tells of it once it is committed
def test_a_second_factor_that_comes_and_goes_is_told(desk: Client, account: User) -> None:
    desk.post("/accounts/reauthenticate/", {"password": OLD})
    page = desk.get("/accounts/2fa/totp/activate/")
    desk.post("/accounts/2fa/totp/activate/", {"code": code_of(page.context["form"].secret)})
    desk.post("/accounts/2fa/recovery-codes/generate/")
    desk.post("/accounts/2fa/totp/deactivate/")

    actions = told(account)
    assert actions[0] == "account.signed_in"
    assert {"account.second_factor_added", "account.second_factor_removed"} <= set(actions)


@contextmanager
def log_full() -> Iterator[None]:
    def refuse(*entry: object) -> None:
        raise DatabaseError("disk full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.events._insert", refuse)
        yield


def all_of(account: User) -> list[object]:
    account.refresh_from_db()
    kept = (Authenticator, AccountSession, KnownDevice, AccountNotice)
    return [account.password, *(list(model.objects.filter(user=account).values()) for model in kept)]


@pytest.mark.django_db(transaction=True)
def test_nothing_about_an_account_happens_that_the_log_cannot_be_told(desk: Client, account: User) -> None:
    desk.raise_request_exception = False
    desk.post("/accounts/reauthenticate/", {"password": OLD})
    seed = desk.get("/accounts/2fa/totp/activate/").context["form"].secret
    before, visitor = all_of(account), Client(raise_request_exception=False)

    with log_full():
        assert desk.post("/accounts/2fa/totp/activate/", {"code": code_of(seed)}).status_code == 503
        for password in (OLD, "a wrong one"):
            answer = visitor.post("/accounts/login/", {"login": "linxiao", "password": password})
            assert answer.status_code == 503
        assert visitor.get("/").status_code == 302
    assert all_of(account) == before

    desk.post("/accounts/2fa/totp/activate/", {"code": code_of(seed)})
    before = all_of(account)
    with log_full():
        for address, sends in (
            ("2fa/recovery-codes/generate/", {}),
            ("2fa/totp/deactivate/", {}),
            ("password/change/", {"oldpassword": OLD, "password1": NEW, "password2": NEW}),
            ("logout/", {}),
        ):
            assert desk.post(f"/accounts/{address}", sends).status_code == 503, address
    assert all_of(account) == before
    assert desk.get("/account/").status_code == 200
