"""How far a change of keys has come: on a terminal one bar that is drawn again, elsewhere a line now and then."""

import io
from datetime import UTC, datetime

import pytest
from django.core.management.base import OutputWrapper
from django.utils import translation

from clinics.models import Clinic
from crypto.models import JobKind, KeyJob
from exchange.management.progress import follow, time_left

CLINIC = Clinic(code="east")
MOMENTS = {0: 0, 0.05: 40, 20: 100, 25: 150, 60: 400}
"""Seconds on the clock, and how many of 400 rows are done then."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(on: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    clock = iter(MOMENTS)
    monkeypatch.setattr("time.monotonic", lambda: 1000.0 + next(clock))
    jobs = [
        KeyJob(pk=1, kind=JobKind.REWRAP, target="subject_key", done=done, total=400)
        for done in MOMENTS.values()
    ]
    jobs[-1].finished_at = datetime(2026, 11, 21, tzinfo=UTC)
    with translation.override("en"):
        assert follow(OutputWrapper(on), CLINIC, jobs) == 1
    return on.getvalue()


def test_a_terminal_sees_one_bar_with_counts_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    written = shown(Terminal(), monkeypatch)
    bars = [bar.partition("): ")[2].rstrip() for bar in written.split("\r")[1:]]
    assert bars == [
        f"[{'-' * 24}] 0 of 400, 0 %",
        f"[{'#' * 6}{'-' * 18}] 100 of 400, 25 % 1 minute left",
        f"[{'#' * 9}{'-' * 15}] 150 of 400, 37 % 42 seconds left",
        f"[{'#' * 24}] 400 of 400, 100 %",
    ]
    assert written.startswith("\reast wrapping keys under the new key-encryption key (subject_key): ")
    assert (written.count("\n"), written[-1]) == (1, "\n")


def test_elsewhere_a_plain_line_is_written_every_ten_seconds_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(io.StringIO(), monkeypatch).splitlines()
    assert [line.partition("): ")[2] for line in lines] == [
        "0 of 400, 0 %",
        "100 of 400, 25 % 1 minute left",
        "400 of 400, 100 %",
    ]


def test_a_minute_and_a_second_are_one() -> None:
    with translation.override("en"):
        assert [time_left(seconds) for seconds in (1, 59, 60, 3600)] == [
            "1 second left",
            "59 seconds left",
            "1 minute left",
            "60 minutes left",
        ]
