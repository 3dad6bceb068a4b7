"""A password is judged by how long a guesser would need, in words, and on this machine alone."""

from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import translation
from zxcvbn import zxcvbn  # type: ignore[import-untyped]

from clinics.accounts import passwords
from clinics.accounts.passwords import strength_of
from clinics.models import User
from tests.factories.clinics import StaffFactory

SENTENCE = "three geese eat the blue soup"


@pytest.mark.parametrize(
    "password",
    [
        "short7!",
        "password1",
        "qwertyuiop",
        "aaaaaaaaaaaa",
        "12345678",
        "zhoumingyuan",
        "周明远周明远",
        "x" * 257,
    ],
)
def test_what_a_guesser_tries_first_is_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, User(username="zhoumingyuan", display_name="周明远"))


@pytest.mark.parametrize(
    "password", [SENTENCE, "春天里三只鹅在喝蓝色的汤", "k7#Vq2!mZx", SENTENCE * 3, "vq8z kilt"]
)
def test_what_is_hard_to_guess_is_taken_whatever_it_is_made_of(password: str) -> None:
    validate_password(password, User(username="zhoumingyuan"))


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_weak_one_is_told_what_would_help(language: str) -> None:
    with translation.override(language):
        weak, short, good = strength_of("password1"), strength_of("k7#Vq2"), strength_of(SENTENCE)

    assert (weak.enough, short.enough, good.enough) == (False, False, True)
    assert weak.advice
    assert "8" in short.advice
    assert good.advice == ""


def test_the_names_of_one_account_are_not_held_against_another() -> None:
    assert (
        strength_of("zhoumingyuan-zhoumingyuan", User(username="zhoumingyuan")).score
        < strength_of("zhoumingyuan-zhoumingyuan", User(username="linxiao")).score
    )


@pytest.mark.django_db
def test_the_meter_answers_in_words_and_keeps_nothing(client: Client) -> None:
    cache.clear()
    client.force_login(StaffFactory())
    weak = client.post("/account/password/strength/", {"password1": "password1"}).content.decode()
    good = client.post("/account/password/strength/", {"password1": SENTENCE}).content.decode()

    assert 'value="0"' in weak
    assert 'value="4"' in good
    assert SENTENCE not in good
    assert client.post("/account/password/strength/", {}).content == b""
    assert Client().post("/account/password/strength/", {"password1": SENTENCE}).content == b""


def test_a_password_of_many_signs_is_judged_by_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package tries all ways in which they may stand for letters: 72 of them hold up everybody for seconds."""
    judged: list[str] = []

    def judge(typed: str, **known: object) -> Any:
        judged.append(typed)
        return zxcvbn(typed)

    monkeypatch.setattr(passwords, "zxcvbn", judge)
    many, few = "4@8({<3690|1!0$5+7%2" * 4, "我家的猫在 1990 年 5 月学会开门" * 4

    assert strength_of(many).enough
    strength_of(few)
    assert [len(typed) for typed in judged] == [passwords.LOOKED_AT_OF_SIGNS, passwords.LOOKED_AT]
