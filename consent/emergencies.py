"""Using data without a permission to save a life (PIPL arts. 13(4) and 18): on the ledger, with its end; the person is told afterwards.

Somebody opens a chart in an emergency, with a reason (`patients.services.glass`); that is what begins it. Until its end the gate lets
through what names the purpose `emergency`, towards whoever helps. Afterwards it is a line like every other: nobody can take it back.
"""

from datetime import datetime
from uuid import UUID

from audit.actors import Actor
from audit.purposes import Purpose
from consent.choices import ANY_CHANNEL, SELF_RECIPIENT, EventKind, ExpressedBy, GivenThrough, StartedBy
from consent.ledger import Said, append, lock_purpose, said_before
from consent.models import ConsentEvent
from consent.purposes import rule_of
from patients.models import Patient


def begin_emergency(
    patient: Patient, emergency_id: UUID, *, until: datetime, by: Actor, at: datetime
) -> tuple[ConsentEvent, ...]:
    """A line for each kind of data and operation of the purpose. The same emergency twice is one; a longer one replaces it."""
    rule, key = rule_of(Purpose.EMERGENCY), f"emergency:{emergency_id}"
    states = lock_purpose(patient, rule, with_dependents=False)
    if repeated := said_before(patient, rule, channel=ANY_CHANNEL, recipient=SELF_RECIPIENT, key=key):
        return repeated
    said = Said(
        event=EventKind.INVOKED,
        by=by,
        at=at,
        key=key,
        given_through=GivenThrough.DESK,
        expressed_by=ExpressedBy.CLINIC,
        started_by=StartedBy.CLINIC,
        valid_until=until,
    )
    return append(states, said, patient=patient, rule=rule)
