"""The loop while keys are away: nothing leaves, nothing is lost, and each clinic has its own trouble."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from pytest_django import Settings

from audit.acting import acting
from audit.actors import system_actor
from audit.purposes import Purpose
from clinics.models import Clinic
from crypto.models import Kek
from followups.choices import MessageState
from followups.models import Attempt, Message, Outbox
from followups.tasks import turn
from patients.models import Patient
from records.models import RecordsChange
from tests.factories.clinics import CareTeamFactory, ClinicFactory
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, messages_of, take
from tests.factories.lost_keys import KeysInFiles, forget
from tests.factories.patients import PatientFactory
from tests.followups.test_sending import Carrier, carrier

__all__ = ["carrier"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(settings: Settings, tmp_path: Path) -> KeysInFiles:
    settings.KEYS_DIR = tmp_path / "keys"
    settings.KEYS_DIR.mkdir(mode=0o700)
    return KeysInFiles(settings.KEYS_DIR)


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    with time_machine.travel(MONDAY + timedelta(minutes=1), tick=False):
        yield


def with_news(code: str) -> tuple[Clinic, Patient]:
    """A clinic and a patient to whom a reminder is due on Monday."""
    clinic = ClinicFactory(code)
    team = CareTeamFactory(clinic=clinic)
    by = system_actor("test", clinic.pk)
    with acting(by):
        patient = PatientFactory(clinic=clinic, team=team)
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK):
            ConsentFactory(patient, purpose, by=by, at=MONDAY)
        file_results(patient, by=by, ldl=HIGH_LDL)
    take(clinic)
    return clinic, patient


def states(clinic: Clinic, patient: Patient) -> list[str]:
    with acting(system_actor("test", clinic.pk)):
        return [message.state for message in messages_of(patient)]


def test_a_message_waits_for_the_keys_and_leaves_once(keys: KeysInFiles, carrier: Carrier) -> None:
    clinic, patient = with_news("east")
    keys.lose()
    turn()
    turn()
    assert carrier.asked == []
    assert MessageState.SENT not in states(clinic, patient)
    with acting(system_actor("test", clinic.pk)):
        assert not Attempt.objects.exists()
        assert Outbox.objects.get().tries == 0
    keys.find()
    turn()
    turn()
    assert len(carrier.asked) == 1
    assert states(clinic, patient)[0] == MessageState.SENT


def test_news_of_a_record_wait_for_the_keys(keys: KeysInFiles, carrier: Carrier) -> None:
    clinic, patient = with_news("east")
    by = system_actor("test", clinic.pk)
    with acting(by):
        file_results(patient, by=by, at=MONDAY, ldl=HIGH_LDL, k="6.80")
        waiting = RecordsChange.objects.count()
    keys.lose()
    turn()
    with acting(by):
        assert RecordsChange.objects.count() == waiting == 1
    keys.find()
    turn()
    with acting(by):
        assert not RecordsChange.objects.exists()


def test_one_clinic_without_its_key_keeps_no_other_from_its_turn(keys: KeysInFiles, carrier: Carrier) -> None:
    (east, in_east), (west, in_west) = with_news("east"), with_news("west")
    with acting(system_actor("test", east.pk)):
        (reference,) = Kek.objects.values_list("provider_ref", flat=True)
    (keys.folder / "keks" / f"{reference}.kek").unlink()
    forget()
    turn()
    assert MessageState.SENT not in states(east, in_east)
    assert MessageState.SENT in states(west, in_west)


def test_no_message_names_a_person(
    keys: KeysInFiles, carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    with_news("east")
    keys.lose()
    turn()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "followups.tasks"]
    assert "KeysMissing" in line
    assert "邓" not in line
    assert "13800" not in line
    assert Message.objects.count() == 0  # outside a clinic nothing is seen
