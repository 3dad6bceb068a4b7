"""Charts that are watched: of well-known people and of colleagues. Why is sealed; that it is so is in every event about them."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.actors import Actor
from audit.services import record
from clinics.roles import Permission
from clinics.staffing import member_of_staff
from patients.models import Patient
from patients.queries.access import patient_for

YES = "yes"


@transaction.atomic
def watch(
    patient_id: UUID, *, well_known: bool, colleague_id: UUID | None, by: Actor, at: datetime
) -> Patient:
    """Say whether the person is well known, and which account of the clinic is theirs; neither ends the watching.

    Raises PatientNotFound, and NotOfThisClinic for an account that does not work here.
    """
    patient = patient_for(by, patient_id, Permission.MARK_PATIENTS, lock=True)
    if colleague_id is not None:
        member_of_staff(patient.clinic_id, colleague_id)
    patient.watched = well_known or colleague_id is not None
    patient.watched_for = {
        "well_known": YES if well_known else None,
        "colleague": str(colleague_id) if colleague_id else None,
    }
    patient.save(update_fields=["watched", "watched_for"])
    record(
        "patient.watched" if patient.watched else "patient.unwatched",
        object=patient,
        subjects=[patient.subject_id],
    )
    return patient
