"""A real Celery worker is killed with SIGKILL, again and again, while it works: nothing is lost and nothing happens twice."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor
from audit.purposes import Purpose
from bench.drills import forks
from clinics.models import Clinic
from config.celery import app as celery
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from followups.choices import MessageState
from followups.models import Attempt, Enrolment, FollowUp, Message, Outbox
from patients.models import Patient
from records.models import RecordsChange
from tests.factories.consent import ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results
from tests.factories.patients import PatientFactory

PEOPLE = 12
KILLS = 2


@pytest.fixture
def broker() -> Iterator[Celery]:
    """The sender's end of a queue of this test alone."""
    queue = f"killed-{connection.settings_dict['NAME']}-{os.getpid()}"
    app = Celery("test", broker=f"{os.environ['REDIS_URL']}/0")
    app.conf.task_default_queue = queue
    yield app
    with app.connection_or_acquire() as link:
        link.default_channel.queue_delete(queue)
    app.close()


@contextmanager
def worker(broker: Celery, notes: Path) -> Iterator[BaseProcess]:
    """A worker process on the test's database and queue; whatever of it still runs at the end is killed."""
    database = urlsplit(os.environ["DATABASE_URL"])
    variables = {
        **os.environ,
        "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "TEST_CARRIER_FILE": str(notes),
    }
    process = forks.start(variables, work, broker.conf.task_default_queue)
    try:
        yield process
    finally:
        if process.is_alive():
            kill(process)
        process.join()


def work(queue: str) -> None:
    """A worker of the test's own queue, with a carrier that writes down what it took; it and its children can be killed at once."""
    os.setsid()
    settings.SMS_CARRIER = "tests.followups.noting_carrier.NotingCarrier"
    settings.MESSAGES_AT_ANY_HOUR = True
    celery.conf.task_default_queue = queue
    forks.worker("-c", "1", "-Q", queue)


def kill(process: BaseProcess) -> None:
    assert process.pid
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def wait_until(
    true: Callable[[], bool], seconds: float, while_waiting: Callable[[], object] = lambda: None
) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        while_waiting()
        time.sleep(0.1)
    return true()


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_again_and_again_loses_nothing_and_repeats_nothing(
    clinic: Clinic, manager: Actor, broker: Celery, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.touch()
    at = timezone.now()
    people = [_person(clinic, manager, at) for _number in range(PEOPLE)]
    withdrawn = people[-1]
    with acting(manager, clinic.pk):
        withdraw_consent(withdrawn, Purpose.FOLLOWUP, by=manager, at=at, given_through=GivenThrough.PORTAL)

    def ask() -> None:
        broker.send_task("followups.tasks.turn")

    def sent() -> int:
        with acting(manager, clinic.pk):
            return Message.objects.filter(state=MessageState.SENT).count()

    chance = random.Random(20261123)  # noqa: S311  # moments, not secrets
    for number in range(KILLS):
        with worker(broker, notes) as process:
            ask()
            began = _lines(notes)
            working = partial(_works, process, notes, beyond=began)
            assert wait_until(working, 150, ask), "the worker did nothing"
            time.sleep(chance.uniform(0, 0.15))
            kill(process)
            assert process.exitcode == -signal.SIGKILL, number
    with worker(broker, notes):
        assert wait_until(lambda: sent() == PEOPLE - 1, 150, ask)

    keys = Counter(notes.read_text().split())
    with acting(manager, clinic.pk):
        news = Message.objects.filter(template="news")
        assert {f"message:{pk}" for pk in news.values_list("pk", flat=True)} == set(keys)
        assert news.filter(state=MessageState.SENT).count() == PEOPLE - 1 == len(keys)
        assert not Outbox.objects.exists()
        assert not RecordsChange.objects.exists()
        assert not Attempt.objects.filter(outcome="").exists()
        assert Enrolment.objects.count() == PEOPLE
        assert FollowUp.objects.count() == 2 * (PEOPLE - 1)
        assert not Message.objects.filter(patient=withdrawn).exists()
        assert (
            sum(keys.values()) - len(keys) <= KILLS
        )  # in doubt is one letter a kill, offered again under its key


def _person(clinic: Clinic, manager: Actor, at: datetime) -> Patient:
    """Somebody whose report came in just now and asks for a reminder at once."""
    with acting(manager, clinic.pk):
        patient = PatientFactory(clinic=clinic, by=manager, at=at - timedelta(days=2))
        for purpose in (Purpose.RISK, Purpose.FOLLOWUP):
            ConsentFactory(patient, purpose, by=manager, at=at - timedelta(days=1))
        file_results(patient, by=manager, at=at, ldl=HIGH_LDL)
    return patient


def _lines(notes: Path) -> int:
    return len(notes.read_text().splitlines())


def _works(process: BaseProcess, notes: Path, *, beyond: int) -> bool:
    """Whether the worker has handed something over, or has ended by itself."""
    return _lines(notes) > beyond or not process.is_alive()
