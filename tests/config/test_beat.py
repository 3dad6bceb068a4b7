"""Of several beats one leads; when it dies or the server forgets it, another takes over."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.db import connection
from pytest_django import Settings

from config.beat import LEADER_LOCK, WAIT_SECONDS, LeaderScheduler
from config.celery import app

pytestmark = pytest.mark.django_db(transaction=True)


class Turns(LeaderScheduler):
    """Counts what it would have sent instead of asking a broker."""

    sent = 0

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent += 1


@pytest.fixture
def scheduler() -> Iterator[Turns]:
    made = Turns(app=app, lazy=True)
    always = schedule(timedelta(0), app=app)
    made.schedule = {
        "turn": ScheduleEntry(name="turn", task="followups.tasks.turn", schedule=always, app=app)
    }
    yield made
    connection.close()


@pytest.fixture
def another() -> Iterator[Any]:
    """The session of another beat."""
    known = connection.settings_dict
    session = psycopg2.connect(
        host=known["HOST"],
        port=known["PORT"],
        dbname=known["NAME"],
        user=known["USER"],
        password=known["PASSWORD"],
    )
    session.autocommit = True
    yield session.cursor()
    session.close()


def test_the_first_beat_leads_and_sends(scheduler: Turns) -> None:
    scheduler.tick()
    assert scheduler.leads
    assert scheduler.sent == 1


def test_a_second_beat_waits_and_sends_nothing(scheduler: Turns, another: Any) -> None:
    another.execute("SELECT pg_advisory_lock(%s)", [LEADER_LOCK])
    assert scheduler.tick() == WAIT_SECONDS
    assert scheduler.sent == 0


def test_the_second_takes_over_when_the_first_one_dies(scheduler: Turns, another: Any) -> None:
    another.execute("SELECT pg_advisory_lock(%s)", [LEADER_LOCK])
    scheduler.tick()
    another.connection.close()
    for _ in range(100):  # the server notices the closed session in its own time
        if scheduler.tick() != WAIT_SECONDS:
            break
        another_moment()
    assert scheduler.leads
    assert scheduler.sent >= 1


def another_moment() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.02)")


def test_a_leader_whose_session_was_ended_stops_until_it_leads_again(scheduler: Turns, another: Any) -> None:
    scheduler.tick()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        another.execute("SELECT pg_terminate_backend(%s, 5000)", [cursor.fetchone()[0]])
    another.execute("SELECT pg_advisory_lock(%s)", [LEADER_LOCK])  # the other one is faster
    assert scheduler.tick() == WAIT_SECONDS
    assert not scheduler.leads


def test_a_turn_is_seen_by_the_watcher(scheduler: Turns, tmp_path: Path, settings: Settings) -> None:
    settings.BEAT_HEARTBEAT_FILE = str(tmp_path / "beat")
    scheduler.tick()
    assert (tmp_path / "beat").exists()
