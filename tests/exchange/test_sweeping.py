"""The sweeper: what nothing holds any more goes by itself and is written down; what a law keeps stays."""

from datetime import timedelta

import pytest

from audit.acting import acting
from audit.models import AuditEvent
from audit.services import record
from audit.wrote import wrote
from crypto import ledger
from exchange.services import Reason, erase_patient
from exchange.sweeping import sweep
from followups.choices import MessageState
from followups.models import Message, Outbox
from patients.models import Patient
from tests.factories.erasure import ERASED_AT, House, living_keys_of

YEAR = timedelta(days=366)


def keys_of(patient: Patient, house: House) -> set[str]:
    with acting(house.system):
        return set(living_keys_of(patient.subject_id).values())


@pytest.mark.requirement("PIPL-19")
@pytest.mark.django_db(transaction=True)
def test_what_nothing_holds_any_more_is_destroyed_and_written_down(house: House, in_care: Patient) -> None:
    erase_patient(in_care, reason=Reason.REQUEST, by=house.officer, at=ERASED_AT)
    lines = len(ledger.read().erasures)
    assert sweep(house.clinic, ERASED_AT + YEAR) == 0
    assert keys_of(in_care, house) == {"held"}
    assert sweep(house.clinic, ERASED_AT + 16 * YEAR) == 1
    assert keys_of(in_care, house) == set()
    assert len(ledger.read().erasures) == lines + 1
    assert sweep(house.clinic, ERASED_AT + 16 * YEAR) == 0
    with acting(house.system):
        newest = AuditEvent.objects.filter(action="patient.erased").latest("uid")
        assert newest.actor_ref == "system:sweep"


@pytest.mark.django_db(transaction=True)
def test_messages_go_after_two_years_and_people_in_care_stay(house: House, in_care: Patient) -> None:
    with acting(house.system):
        Outbox.objects.filter(message__patient=in_care).delete()
        settled = {"state": MessageState.FAILED, "settled_at": ERASED_AT, "cancel_reason": ""}
        count = Message.objects.filter(patient=in_care).update(**settled)
        record("message.failed", object=house.clinic, wrote=wrote(Message, count=count))
        assert Message.objects.filter(patient=in_care).exists()
    sweep(house.clinic, ERASED_AT + timedelta(days=729))
    with acting(house.system):
        assert Message.objects.filter(patient=in_care).exists()
    assert sweep(house.clinic, ERASED_AT + 20 * YEAR) == 0
    with acting(house.system):
        assert not Message.objects.filter(patient=in_care).exists()
    assert keys_of(in_care, house) == {"open"}
