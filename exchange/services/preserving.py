"""What may not be destroyed for now, and what is only stored although its person wants it used again.

Whoever answers for the clinic's privacy says why a record is preserved and until when; erasing and the sweep then only store it. A
person who had the use of their data restricted ends that when somebody has seen who they are; nothing that ended starts again.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.actors import Actor
from audit.services import record
from consent.choices import IdentityCheck
from consent.errors import IdentityUnknown
from crypto.erasure import whole_subjects
from exchange.choices import PreservationReason
from exchange.errors import NotLiftable, PreservationNotFound
from exchange.models import Preservation
from patients.errors import PatientNotFound
from patients.models import Patient


@transaction.atomic
def preserve(
    service_number: str, reason: PreservationReason, *, until: datetime, by: Actor, at: datetime
) -> Preservation:
    """Nothing of this person is destroyed before `until`; said again with another day, the later one holds.

    Raises PatientNotFound outside the clinic of who says so.
    """
    if by.clinic_id is None or by.user_id is None:
        raise PatientNotFound
    patient = Patient.objects.filter(clinic_id=by.clinic_id, service_number=service_number).first()
    if patient is None:
        raise PatientNotFound
    running = Preservation.objects.select_for_update().filter(patient=patient, reason=reason, ended_at=None)
    preservation = running.filter(until__gt=at).order_by("pk").first()
    if preservation is None:
        preservation = Preservation(
            clinic_id=patient.clinic_id, patient=patient, reason=reason, begun_at=at, begun_by_id=by.user_id, until=until
        )  # fmt: skip
    preservation.until = max(until, preservation.until)
    preservation.save()
    record("preservation.begun", object=preservation, subjects=[patient.subject_id], reason=reason.value)
    return preservation


@transaction.atomic
def end_preservation(preservation_id: UUID, *, by: Actor, at: datetime) -> None:
    """From now on its periods alone count. Twice is once. Raises PreservationNotFound."""
    found = Preservation.objects.select_for_update(of=("self",)).select_related("patient")
    found = found.filter(pk=preservation_id)
    preservation = found.filter(clinic_id=by.clinic_id).first() if by.clinic_id else None
    if preservation is None:
        raise PreservationNotFound(str(preservation_id))
    if preservation.ended_at is not None:
        return
    preservation.ended_at, preservation.ended_by_id = at, by.user_id
    preservation.save(update_fields=["ended_at", "ended_by"])
    record("preservation.ended", object=preservation, subjects=[preservation.patient.subject_id])


@transaction.atomic
def lift_restriction(patient_id: UUID, how: IdentityCheck, *, by: Actor, at: datetime) -> None:
    """The person wants their record used again, and somebody saw who they are. Permissions that ended stay ended.

    Raises PatientNotFound, IdentityUnknown for what shows nothing, NotLiftable after an erasure: keys are gone or under the legal hold.
    """
    if how not in (IdentityCheck.PAPERS, IdentityCheck.PROOF):
        raise IdentityUnknown(str(patient_id))
    found = Patient.objects.select_for_update().filter(pk=patient_id)
    patient = found.filter(clinic_id=by.clinic_id).first() if by.clinic_id else None
    if patient is None or patient.restricted_at is None:
        raise PatientNotFound
    if not whole_subjects([patient.subject_id]):
        raise NotLiftable(str(patient_id))
    # By a statement of its own: the event of a save would put the year of birth and the sex into the log once more.
    Patient.objects.filter(pk=patient.pk).update(restricted_at=None)
    record("patient.lifted", object=patient, subjects=[patient.subject_id], reason=how.value)
