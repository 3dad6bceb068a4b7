"""A watcher is told what does not answer, and what waits too long."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.models import SYSTEM_LOG
from audit.watch import turn
from clinics.models import Clinic
from clinics.tasks import watch_for_alarms
from records.choices import Cause
from records.models import RecordsChange
from tests.factories.clinics import ClinicFactory
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db


@laid_out
def clinic() -> Clinic:
    east: Clinic = ClinicFactory("east")
    watch_for_alarms()
    return east


def news(clinic: Clinic, *, minutes_ago: float) -> None:
    with acting(system_actor("test", clinic.pk), clinic.pk):
        RecordsChange.objects.create(
            clinic=clinic,
            patient=PatientFactory(clinic=clinic),
            cause=Cause.REPORT_FILED,
            at=timezone.now() - timedelta(minutes=minutes_ago),
        )


def test_all_is_well(clinic: Clinic, client: Client) -> None:
    news(clinic, minutes_ago=0.5)

    answer = client.get("/health/")

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "broken": [], "late": []})


def test_news_that_nobody_fetched_for_a_minute_is_complained_of(clinic: Clinic, client: Client) -> None:
    news(clinic, minutes_ago=2)

    answer = client.get("/health/")

    assert (answer.status_code, answer.json()) == (
        200,
        {"ok": False, "broken": [], "late": ["records_change"]},
    )


def test_a_cache_that_does_not_answer_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(key: str) -> None:
        raise OSError

    monkeypatch.setattr("config.health.cache.get", gone)

    answer = client.get("/health/")

    assert (answer.status_code, answer.json()["broken"]) == (503, ["cache"])


def test_a_database_that_does_not_answer_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DatabaseError

    monkeypatch.setattr("config.health.connection.cursor", gone)

    assert client.get("/health/").status_code == 503


def test_a_log_that_was_not_watched_for_a_minute_is_complained_of(clinic: Clinic, client: Client) -> None:
    turn(clinic.pk, timezone.now() - timedelta(minutes=2))
    assert client.get("/health/").json() == {"ok": False, "broken": [], "late": ["alarm_watch"]}

    turn(clinic.pk, timezone.now())
    turn(SYSTEM_LOG, timezone.now())
    assert client.get("/health/").json()["ok"]


def test_a_clinic_that_was_never_watched_is_complained_of(clinic: Clinic, client: Client) -> None:
    ClinicFactory("west")
    assert client.get("/health/").json()["late"] == ["alarm_watch"]
