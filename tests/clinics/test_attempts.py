"""Whoever guesses is slowed; whoever owns the account is not locked out; nobody learns which accounts exist."""

import re
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis import Redis

from clinics.models import User
from tests.factories.second_factors import give_factor

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def linxiao() -> User:
    cache.clear()
    return User.objects.create_user("linxiao", PASSWORD)


def sign_in(
    client: Client, password: str = PASSWORD, *, address: str = HOME, username: str = "linxiao"
) -> Any:
    return client.post("/accounts/login/", {"login": username, "password": password}, REMOTE_ADDR=address)


def guess(times: int, *, address: str) -> None:
    for _ in range(times):
        sign_in(Client(), "guess", address=address)


@pytest.mark.requirement("HIPAA-308a5iiC")
def test_five_wrong_passwords_close_the_door_they_came_by_and_no_other() -> None:
    guess(5, address=ELSEWHERE)

    assert sign_in(Client(), address=ELSEWHERE).status_code == 200
    assert sign_in(Client(), address=HOME).status_code == 302


def test_a_known_browser_keeps_its_door_beside_a_guesser_in_the_same_network() -> None:
    owner = Client()
    sign_in(owner)
    owner.post("/accounts/logout/", REMOTE_ADDR=HOME)
    guess(6, address=HOME)

    assert sign_in(Client(), address=HOME).status_code == 200
    assert sign_in(owner, address=HOME).status_code == 302


def test_many_networks_are_no_way_round_and_no_way_to_lock_the_owner_out() -> None:
    owner = Client()
    sign_in(owner)
    owner.post("/accounts/logout/")
    with patch("clinics.accounts.sign_in.DefaultAccountAdapter.authenticate", return_value=None):
        for network in range(61):
            sign_in(Client(), "guess", address=f"198.51.{network}.9")

    assert sign_in(Client(), address="192.0.2.1").status_code == 200
    assert sign_in(owner, address="192.0.2.2").status_code == 302


def test_right_passwords_are_not_counted() -> None:
    for _ in range(8):
        assert sign_in(Client()).status_code == 302


def test_the_answer_and_the_work_are_the_same_for_accounts_that_do_not_exist() -> None:
    User.objects.create_user("a-patient", PASSWORD, kind="patient")
    Client().get("/accounts/login/")
    seen = {name: _work_of(name) for name in ("linxiao", "nobody", "a-patient")}

    assert seen["nobody"] == seen["linxiao"] == seen["a-patient"]


def _work_of(username: str) -> tuple[int, int, list[str], str]:
    """Status, passwords hashed, statements by their first words, and the sentence: what a stop-watch could tell apart."""
    work: list[str] = []
    encode = Argon2PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        work.append("hash")
        return encode(self, password, salt)

    def verified(self: Any, password: str, encoded: str) -> bool:
        work.append("hash")
        return False

    with (
        patch.object(Argon2PasswordHasher, "encode", counted),
        patch.object(Argon2PasswordHasher, "verify", verified),
        CaptureQueriesContext(connection) as queries,
    ):
        answer = sign_in(Client(), "guess", username=username)
    statements = [re.sub(r'"s\d+_x\d+"', "", query["sql"]).split(" WHERE ")[0][:60] for query in queries]
    return answer.status_code, len(work), statements, str(answer.context["form"].non_field_errors())


def test_the_cache_tells_neither_who_signs_in_nor_from_where() -> None:
    sign_in(Client(), "guess", username="canary-name", address="203.0.113.77")

    with Redis.from_url(settings.CACHES["default"]["LOCATION"]) as valkey:
        kept = [key.decode() for key in valkey.scan_iter("*")]
        values = b"".join(valkey.get(key) or b"" for key in kept if valkey.type(key) == b"string")
    assert any("attempts." in key for key in kept)
    assert not [key for key in kept if "allauth" in key]
    for clear in ("canary-name", "203.0.113"):
        assert clear not in "".join(kept)
        assert clear.encode() not in values


def test_six_digits_are_counted_like_passwords(client: Client) -> None:
    give_factor(User.objects.get())
    sign_in(client)
    for _ in range(5):
        assert (
            "too_many"
            not in client.post("/accounts/2fa/authenticate/", {"code": "000000"})
            .context["form"]
            .errors.as_json()
        )
    answer = client.post("/accounts/2fa/authenticate/", {"code": "000000"})

    assert "too_many" in answer.context["form"].errors.as_json()
