"""A session that is ended while a request of it is running stays ended: on real connections, whichever comes first."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client

from clinics.accounts.models import AccountSession
from clinics.models import User
from clinics.sessions import SessionStore, end_sessions
from tests.factories.clinics import StaffFactory
from tests.walking import BACKEND

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user() -> User:
    return StaffFactory()


@pytest.fixture
def running(user: User) -> SessionStore:
    """The session as a request has it in hand."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    store = SessionStore(client.session.session_key)
    assert store["_auth_user_id"] == str(user.pk)
    return store


def elsewhere(work: Callable[[], Any]) -> "Future[Any]":
    """Another process of the house, with a connection of its own."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(alone)


def lives(key: str | None) -> bool:
    return bool(SessionStore(key).load())


def test_what_the_running_request_wrote_is_not_written_back(user: User, running: SessionStore) -> None:
    assert elsewhere(lambda: end_sessions(user.pk)).result() == 1

    running["draft"] = "kept"
    with pytest.raises(UpdateError):
        running.save()
    assert not lives(running.session_key)


def test_what_it_had_just_read_is_put_into_the_cache_for_nobody(
    user: User, running: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, keep = running.session_key, SessionStore._keep
    cache.delete(running.cache_key)

    def ended_between(store: SessionStore, sealed: str, seconds: int) -> None:
        assert elsewhere(lambda: end_sessions(user.pk)).result() == 1
        keep(store, sealed, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(SessionStore, "_keep", ended_between)
        assert lives(key)  # the request that was running goes on to its end

    assert cache.get(running.cache_key) is not None
    assert not lives(key)


def test_it_does_not_live_on_under_a_new_key(user: User, running: SessionStore) -> None:
    elsewhere(lambda: end_sessions(user.pk)).result()

    with pytest.raises(SessionInterrupted):
        running.cycle_key()
    assert not lives(running.session_key)


def test_who_ends_it_while_the_key_changes_ends_the_new_one(user: User, running: SessionStore) -> None:
    asked = Event()

    def end() -> int:
        asked.set()
        try:
            return end_sessions(user.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            running.cycle_key()
            ending = pool.submit(end)
            assert asked.wait(10)
        assert ending.result(10) == 1

    assert not lives(running.session_key)
    assert not AccountSession.objects.filter(user=user).exists()
