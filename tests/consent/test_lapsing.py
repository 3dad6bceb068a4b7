"""What ended by itself is refused at once, and within a day the ledger says so and what rested on it stops."""

from datetime import timedelta

import pytest

from audit.actors import Actor
from audit.purposes import Purpose
from clinics.models import Clinic
from consent import lapsing
from consent.choices import EventKind
from consent.decisions import Reason
from consent.lapsing import close_lapsed
from consent.models import ConsentEvent
from consent.queries import check
from patients.models import Patient
from tests.consent.test_notices import publish
from tests.consent.test_recording import states_equal_their_ledgers
from tests.factories.consent import MONDAY, ConsentFactory

YEAR = timedelta(days=365)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Purpose]:
    """The purposes whose participants were asked to stop."""
    asked: list[Purpose] = []
    monkeypatch.setattr(lapsing, "call", lambda deed, *, purpose, **facts: asked.append(purpose))
    return asked


def test_a_term_that_is_over_is_written_down_once(
    at_work: Actor, patient: Patient, clinic: Clinic, stopped: list[Purpose]
) -> None:
    ConsentFactory(patient, by=at_work)
    assert close_lapsed(clinic, MONDAY + YEAR - timedelta(seconds=1)) == 0
    assert close_lapsed(clinic, MONDAY + YEAR) == 1
    assert close_lapsed(clinic, MONDAY + YEAR) == 0
    assert stopped == [Purpose.FOLLOWUP]
    assert ConsentEvent.objects.filter(event=EventKind.EXPIRED).count() == 2
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY + YEAR).reason is Reason.EXPIRED
    assert states_equal_their_ledgers()


@pytest.mark.requirement("PIPL-14b")
def test_what_a_new_notice_replaced_is_written_down_and_can_be_agreed_to_anew(
    at_work: Actor, patient: Patient, clinic: Clinic, stopped: list[Purpose]
) -> None:
    ConsentFactory(patient, by=at_work)
    ConsentFactory(patient, Purpose.CARE, by=at_work)
    publish(clinic, at_work, material=True)
    assert close_lapsed(clinic, MONDAY) == 1
    assert stopped == [Purpose.FOLLOWUP]
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).reason is Reason.SUPERSEDED
    ConsentFactory(patient, by=at_work)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed
    assert close_lapsed(clinic, MONDAY) == 0
