"""A session goes on with its cookie alone; table and cache hold nothing that continues it, and nothing that runs."""

import pickle

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from redis import Redis

from clinics.sessions import SessionStore, kept_key, opened
from tests.factories.clinics import StaffFactory

pytestmark = pytest.mark.django_db


def signed_in(client: Client) -> bool:
    return client.get("/accounts/2fa/").status_code == 200


def with_key(key: str) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client


def test_the_cookie_goes_on_with_a_session_and_what_is_kept_does_not(client: Client) -> None:
    client.force_login(StaffFactory())
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    (row,) = Session.objects.all()

    assert signed_in(with_key(key))
    assert row.session_key == kept_key(key) != key
    assert not signed_in(with_key(row.session_key))


def test_a_kept_session_opens_in_its_place_alone(client: Client) -> None:
    """Table and cache hold no word of it, and whoever writes there cannot put one session into another's place."""
    mine = StaffFactory()
    client.force_login(mine)
    session = client.session
    session["word"] = "canary-canary"
    session.save()
    (row,) = Session.objects.all()
    cached = cache.get(SessionStore(session.session_key).cache_key)

    assert "canary" not in row.session_data + cached
    assert str(mine.pk) not in row.session_data + cached
    assert opened(row.session_data, row.session_key)["word"] == "canary-canary"
    assert opened(row.session_data, kept_key("another")) == {}
    assert opened(row.session_data[:-4] + "AAA=", row.session_key) == {}
    assert opened('{"_auth_user_id": "1"}', row.session_key) == {}


def test_a_session_outlives_the_cache(client: Client) -> None:
    client.force_login(StaffFactory())
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    cache.delete(SessionStore(key).cache_key)

    assert signed_in(with_key(key))


def test_signing_out_ends_it_in_table_and_cache(client: Client) -> None:
    client.force_login(StaffFactory())
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/accounts/logout/")

    assert not Session.objects.filter(session_key=kept_key(key)).exists()
    assert cache.get(SessionStore(key).cache_key) is None
    assert not signed_in(with_key(key))


def test_a_key_that_nobody_was_given_is_never_taken_over(client: Client) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = "chosen-by-somebody-else-0123456789"
    client.get("/accounts/login/")
    client.force_login(StaffFactory())

    assert client.cookies[settings.SESSION_COOKIE_NAME].value != "chosen-by-somebody-else-0123456789"
    assert not SessionStore().exists("chosen-by-somebody-else-0123456789")


class Intruder:
    ran = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return setattr, (Intruder, "ran", True)


def test_what_somebody_else_wrote_into_the_cache_is_read_and_never_run() -> None:
    cache.set("planted", "x")
    with Redis.from_url(settings.CACHES["default"]["LOCATION"]) as valkey:
        valkey.set(cache.make_key("planted"), pickle.dumps(Intruder()))

    with pytest.raises(ValueError, match="can't decode"):
        cache.get("planted")
    assert not Intruder.ran
    cache.delete("planted")


@pytest.mark.parametrize("value", [7, True, None, "词", [1.5, 2.5], {"a": [None]}])
def test_what_is_cached_comes_back_as_it_was(value: object) -> None:
    cache.set("kept", value)

    assert cache.get("kept") == value
    cache.delete("kept")


def test_the_cache_counts() -> None:
    cache.set("count", 1)
    assert cache.incr("count") == 2
    cache.delete("count")
