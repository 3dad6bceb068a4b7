"""What the data catalogue says is kept for minutes or hours is gone soon after, also where nobody comes by."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import ApiRepeat, Clinic
from clinics.sessions import SessionStore
from clinics.tasks import forget_repeats, forget_sessions
from config.celery import app
from consent.models import ConfirmationCode
from consent.tasks import forget_codes
from exchange.choices import BatchState
from exchange.models import ImportBatch
from exchange.services import try_file
from exchange.tasks import forget_files
from portal import tasks as portal_tasks
from portal.models import SignInCode
from tests.factories.clinics import ClinicFactory
from tests.factories.patients import PatientFactory
from tests.factories.records import fixture
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD, YOUNG = NOW - timedelta(hours=25), NOW - timedelta(hours=23)


@laid_out
def clinic() -> Clinic:
    """Nobody comes by any more: it is closed."""
    made = ClinicFactory("east")
    made.is_active = False
    made.save()
    return made


def kept(model: type[models.Model], clinic: Clinic) -> set[object]:
    with acting(system_actor("test", clinic.pk)):
        return set(model._default_manager.values_list("sent_at", flat=True))


def test_confirmation_codes_go_after_a_day(clinic: Clinic) -> None:
    with acting(system_actor("test", clinic.pk)):
        patient = PatientFactory(clinic=clinic)
        for at in (OLD, YOUNG):
            ConfirmationCode.objects.create(
                clinic=clinic, patient=patient, code_mac=bytes(32), sent_at=at, expires_at=at
            )

    forget_codes()

    assert kept(ConfirmationCode, clinic) == {YOUNG}


def test_sign_in_codes_go_after_a_day(clinic: Clinic) -> None:
    with acting(system_actor("test", clinic.pk)):
        for at in (OLD, YOUNG):
            SignInCode.objects.create(clinic=clinic, sent_at=at, expires_at=at)

    portal_tasks.forget_codes()

    assert kept(SignInCode, clinic) == {YOUNG}


def test_an_uploaded_file_is_put_aside_after_a_day(clinic: Clinic) -> None:
    house = system_actor("test", clinic.pk)
    with acting(house):
        young = try_file(fixture("child"), clinic=clinic, by=house, at=YOUNG)
        old = try_file(fixture("checkup"), clinic=clinic, by=house, at=OLD)

    forget_files()

    with acting(house):
        assert dict(ImportBatch.objects.values_list("pk", "state")) == {
            old.pk: BatchState.DISCARDED,
            young.pk: BatchState.TRIED,
        }
        assert list(ImportBatch.objects.filter(content__isnull=False).values_list("pk", flat=True)) == [
            young.pk
        ]


def test_repeat_keys_go_after_a_day(clinic: Clinic) -> None:
    with acting(system_actor("test", clinic.pk)):
        for number, at in enumerate((OLD, YOUNG)):
            ApiRepeat.objects.create(
                clinic=clinic, key_digest=bytes([number]) * 32, body_digest=bytes(32), at=at
            )

    forget_repeats()

    with acting(system_actor("test", clinic.pk)):
        assert set(ApiRepeat.objects.values_list("at", flat=True)) == {YOUNG}


def test_a_session_that_has_ended_leaves_the_table() -> None:
    for hours in (-1, 1):
        session = SessionStore()
        session.set_expiry(timedelta(hours=hours))
        session["clinic"] = "any"
        session.save()

    forget_sessions()

    assert Session.objects.get().expire_date > NOW


def test_everything_that_beat_wakes_is_a_task() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)
