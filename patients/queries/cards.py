"""Reads about cards."""

from collections.abc import Iterable
from uuid import UUID

from audit.actors import Actor
from patients.errors import PatientNotFound
from patients.models import Patient, PatientSearchPerson


def service_numbers_of(clinic_id: UUID, subject_ids: Iterable[UUID]) -> dict[UUID, str]:
    """By subject, the number that names a patient of the clinic without naming the person. Opens nothing."""
    patients = Patient.objects.filter(clinic_id=clinic_id, subject_id__in=set(subject_ids))
    return dict(patients.values_list("subject_id", "service_number"))


def subjects_of(patient: Patient) -> list[UUID]:
    """Every subject under which something of this person was sealed: their own, and those whose cards became theirs. One statement."""
    joined = PatientSearchPerson.objects.filter(clinic_id=patient.clinic_id, patient=patient)
    return sorted({patient.subject_id, *joined.values_list("subject_id", flat=True)})


def patient_of_log(actor: Actor, clinic_id: UUID, patient_id: UUID) -> Patient:
    """The patient whose log is asked about, restricted and erased ones too; nothing of them opens for it.

    Raises PatientNotFound for those who may not read the log, and for a patient of another clinic.
    """
    patient = Patient.objects.filter(clinic_id=clinic_id, pk=patient_id).first()
    if patient is None or "log" not in actor.field_sets or actor.clinic_id != clinic_id:
        raise PatientNotFound
    return patient


def patient_of_form(clinic_id: UUID, form_token: UUID | None) -> Patient | None:
    """The patient whose card this very form has opened already. The token is random and known to its sender alone."""
    if form_token is None:
        return None
    return Patient.objects.filter(clinic_id=clinic_id, cards__form_token=form_token).first()
