"""Identifiers: version 7, strictly rising within a process, close to the clock."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from crypto.ids import uuid7


def test_twenty_thousand_ids_rise_strictly() -> None:
    ids = [uuid7() for _ in range(20_000)]
    assert ids == sorted(set(ids))


def test_ids_of_several_threads_are_all_different() -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = [one for many in pool.map(lambda _: [uuid7() for _ in range(2_000)], range(4)) for one in many]
    assert len(set(ids)) == 8_000


def test_an_id_is_an_rfc_9562_version_7_of_this_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    one = uuid7()
    after = time.time_ns() // 1_000_000
    assert isinstance(one, UUID)
    assert one.version == 7
    assert one.variant == "specified in RFC 4122"
    assert before - 1 <= one.int >> 80 <= after + 10


def test_a_clock_that_ran_far_ahead_and_is_put_right_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time_ns()
    monkeypatch.setattr("crypto.ids.time.time_ns", lambda: right + 400 * 24 * 3600 * 10**9)
    ahead = uuid7()
    monkeypatch.setattr("crypto.ids.time.time_ns", lambda: right)

    assert uuid7() < ahead
    assert uuid7().int >> 80 == right // 1_000_000


def test_a_clock_that_jitters_back_does_not_let_ids_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr("crypto.ids.time.time_ns", lambda: now)
    first = uuid7()
    monkeypatch.setattr("crypto.ids.time.time_ns", lambda: now - 50_000_000)

    assert uuid7() > first
