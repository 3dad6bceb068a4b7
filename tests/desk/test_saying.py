"""Times, ages and quantities are said as people say them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils.translation import override

from desk.templatetags.saying import age, day, moment_in_words, quantity, time_left, when

NOW = datetime(2026, 11, 23, 0, 40, tzinfo=UTC)  # 08:40 in China


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (NOW + timedelta(hours=6), "today\u00a014:40"),
        (NOW - timedelta(hours=9), "yesterday\u00a023:40"),
        (NOW + timedelta(days=3), "in 3 days"),
        (NOW - timedelta(days=2), "2 days ago"),
        (date(2026, 11, 24), "tomorrow"),
        (date(2026, 11, 24) + timedelta(days=60), "23 Jan. 2027"),
        (date(2026, 6, 1), "1 June"),
    ],
)
def test_times_as_people_say_them(moment: date | datetime, words: str) -> None:
    with override("en"):
        assert moment_in_words(moment, NOW) == words


def test_the_exact_time_is_there_for_those_who_ask() -> None:
    with override("en"), time_machine.travel(NOW, tick=False):
        said = when(NOW)

    assert 'title="23 November 2026, 08:40"' in said
    assert f'datetime="{NOW.isoformat()}"' in said


def test_no_time_is_said_as_nothing() -> None:
    assert when(None) == ""
    assert day(None) == ""
    assert time_left(None) == ""


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(119, "1 h 59 min left"), (5, "5 min left"), (-5, "5 min past"), (-65, "1 h 5 min past")],
)
def test_a_clock_says_what_is_left(minutes: int, words: str) -> None:
    with override("en"), time_machine.travel(NOW, tick=False):
        assert time_left(NOW + timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(
    ("born", "words"),
    [
        (date(1960, 2, 29), "66 years"),
        (date(2024, 1, 1), "34 months"),
        (date(2023, 11, 24), "35 months"),
        (date(2023, 11, 23), "3 years"),
        (1960, "66 years"),
        (None, ""),
    ],
)
def test_ages_in_years_and_in_months_below_three(born: date | int | None, words: str) -> None:
    with override("en"), time_machine.travel(NOW, tick=False):
        assert age(born) == words


def test_a_value_never_parts_from_its_unit() -> None:
    assert quantity(Decimal("6.80"), "mmol/L") == "6.80\u00a0mmol/L"
    assert quantity(Decimal("5"), "") == "5"
    assert quantity(None, "mmol/L") == ""
