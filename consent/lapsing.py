"""Permissions that ended by themselves: their term is over, or a new notice asks everybody again.

What they allowed is refused from that moment on, at check time; once a day the ledger says so too, and what rested on
them stops as after a withdrawal.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.participation import call
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import EventKind, GivenThrough, StartedBy, State
from consent.decisions import Reason, judge
from consent.ledger import Said, append, lock_purpose
from consent.models import ConsentState
from consent.publishing import versions_needed
from consent.purposes import PurposeRule, rule_of
from consent.queries import standing_of
from patients.models import Patient

PATIENTS_A_PAGE: Final = 200
_ENDED: Final = {Reason.EXPIRED: EventKind.EXPIRED, Reason.SUPERSEDED: EventKind.SUPERSEDED}


def close_lapsed(clinic: Clinic, at: datetime, *, limit: int = PATIENTS_A_PAGE) -> int:
    """Write down what ended by itself, one transaction for each person and purpose; answers how many. Call until it is 0."""
    by = system_actor("consent", clinic.pk)
    with acting(by):
        needed = versions_needed(clinic.pk, at)
        lapsed = Q(valid_until__lte=at)
        for asked_again, version in needed.items():
            lapsed |= Q(purpose=asked_again, notice_version__lt=version)
        standing = ConsentState.objects.filter(lapsed, clinic=clinic, state=State.GRANTED)
        found = list(
            standing.order_by("patient_id", "purpose").values_list("patient_id", "purpose").distinct()[:limit]
        )
    for patient_id, purpose in found:
        with acting(by):
            _close(patient_id, rule_of(Purpose(purpose)), needed[Purpose(purpose)], by, at)
    return len(found)


@transaction.atomic
def _close(patient_id: UUID, rule: PurposeRule, needed: int, by: Actor, at: datetime) -> None:
    """Under the lock it may stand renewed; then nothing is written."""
    patient = Patient.objects.get(pk=patient_id)
    ended: dict[EventKind, list[ConsentState]] = {}
    for state in lock_purpose(patient, rule, with_dependents=True):
        if state.purpose == rule.purpose and state.state == State.GRANTED:
            reason = judge(standing_of(state), rule, at, notice_needed=needed)
            if reason in _ENDED:
                ended.setdefault(_ENDED[reason], []).append(state)
    for event, states in ended.items():
        said = Said(
            event=event,
            by=by,
            at=at,
            key=f"{event}:{at.isoformat()}:{patient.pk}",
            given_through=GivenThrough.DESK,
            started_by=StartedBy.CLINIC,
        )
        append(states, said, patient=patient, rule=rule)
    if ended:
        call("on_withdrawn", patient_id=patient.pk, purpose=rule.purpose, at=at)
