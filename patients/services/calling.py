"""Calling somebody without being told their number: the telephone system puts the call through."""

from datetime import datetime
from uuid import UUID

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from clinics.channels import CarrierRefused, CarrierUnavailable, connect_call
from clinics.models import User
from clinics.roles import Permission
from crypto.ids import uuid7
from patients.errors import CallNotPossible, NoPhone
from patients.queries.access import patient_for


def call_patient(patient_id: UUID, *, by: Actor, at: datetime) -> None:
    """Ring the caller's own telephone, then the patient's. The number is opened for the telephone system alone.

    Raises PatientNotFound, NoPhone (on the card, or of a program), and CallNotPossible when the telephone system says no or nothing.
    """
    patient = patient_for(by, patient_id, Permission.CALL_PATIENTS)
    with access(Purpose.FOLLOWUP, Kind.COMPUTED, reason="call", field_sets=frozenset({"contact"})):
        phone = patient.identity.phone
    if not phone or by.user_id is None:
        raise NoPhone
    record("call.asked_for", object=patient, subjects=[patient.subject_id], purpose=Purpose.FOLLOWUP)
    try:
        connect_call(
            patient.clinic,
            caller=User.objects.get(pk=by.user_id),
            patient_id=patient.pk,
            phone=phone,
            idempotency_key=str(uuid7()),
        )
    except (CarrierRefused, CarrierUnavailable) as error:
        raise CallNotPossible from error
