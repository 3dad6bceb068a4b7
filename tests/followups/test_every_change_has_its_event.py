"""Whatever the permissions and the loop change in a watched table is named by an event of the same transaction."""

import json
from collections import defaultdict
from datetime import timedelta

import pytest

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent, RowChange
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from followups import sending
from followups.choices import Outcome
from followups.loop import claim_due, send_queued
from followups.models import FollowUp
from followups.services import claim_follow_up, complete_follow_up
from patients.models import Patient
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import PatientFactory


def unattributed() -> list[tuple[str, str, int]]:
    """Row changes of these apps that no event of their transaction names, by row or by count."""
    named: dict[int, set[tuple[str, object]]] = defaultdict(set)
    for event in AuditEvent.objects.select_related("content_type"):
        model = event.content_type.model_class() if event.content_type else None
        if model is not None:
            table = model._meta.db_table
            named[event.txid] |= {(table, event.object_pk), (table, event.count)}
        for part in event.wrote or ():
            named[event.txid] |= {(part["table"], key) for key in part.get("keys", [part.get("count")])}
    changes = [
        change for change in RowChange.objects.all() if change.tbl.startswith(("consent_", "followups_"))
    ]
    assert len(changes) > 15
    return [
        (change.tbl, change.op, change.row_count)
        for change in changes
        if (change.tbl, change.row_count) not in named[change.txid]
        and not all(
            (change.tbl, row["pk"]) in named[change.txid] for row in json.loads(bytes(change.canon))["rows"]
        )
    ]


@pytest.mark.django_db(transaction=True)
def test_every_row_changed_from_consent_to_withdrawal_is_named_in_the_log(
    clinic: Clinic, manager: Actor, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "send_sms", lambda *text, **key: None)
    with acting(manager, clinic.pk):
        never_asked = PatientFactory(clinic=clinic, by=manager)
    for person in (patient, never_asked):
        with acting(manager, clinic.pk):
            file_results(person, by=manager, ldl=HIGH_LDL, k="6.80")
    take(clinic)
    claim_due(clinic, MONDAY)
    assert send_queued(clinic, MONDAY) == 1
    with acting(manager, clinic.pk):
        to_do = FollowUp.objects.get(patient=patient, step="notify")
    with acting(manager, clinic.pk):
        claim_follow_up(to_do.pk, by=manager, at=MONDAY)
    with acting(manager, clinic.pk), access(Purpose.CARE, Kind.VIEWED):
        complete_follow_up(to_do.pk, outcome=Outcome.REACHED, by=manager, at=MONDAY, note="已复述")
    with acting(manager, clinic.pk):
        withdraw_consent(patient, Purpose.FOLLOWUP, by=manager, at=MONDAY, given_through=GivenThrough.PORTAL)
    with acting(manager, clinic.pk):
        ConsentFactory(patient, Purpose.FOLLOWUP, by=manager, at=MONDAY + timedelta(days=1))
    with acting(manager, clinic.pk):
        assert unattributed() == []
