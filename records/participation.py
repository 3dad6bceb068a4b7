"""What records do when a permission changes below them, or a person is erased."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from audit.acting import acting
from audit.actors import system_actor
from audit.purposes import Purpose
from audit.removal import delete_rows
from consent.purposes import Words, rule_of
from consent.services import Stopped
from crypto.core.scopes import Scope
from patients.choices import TagSource
from patients.models import Patient, PatientTag
from patients.services import end_rule_tags
from records.choices import Cause
from records.models import ExamReport, Observation, RecordsChange

STOPS = frozenset({"tags"})


def on_withdrawn(*, patient_id: UUID, purpose: Purpose, at: datetime) -> list[Stopped]:
    """Tags that a rule set come off with the permission that bore them; tags that people set stay.

    The house takes them off, because whoever withdraws at the desk may not read what the tags tell.
    """
    if "tags" not in rule_of(purpose).stops:
        return []
    patient = Patient.objects.get(pk=patient_id)
    with acting(system_actor("records", patient.clinic_id), patient.clinic_id) as house:
        ended = end_rule_tags(patient, at=at, by=house)
    return _in_words(len(ended))


def would_stop(*, patient_id: UUID, purpose: Purpose, at: datetime) -> list[Stopped]:
    """The same words before the deed. Opens and changes nothing."""
    if "tags" not in rule_of(purpose).stops:
        return []
    marks = PatientTag.objects.filter(patient_id=patient_id, source=TagSource.RULE, ended_at=None)
    return _in_words(marks.count())


def on_granted(*, patient_id: UUID, purpose: Purpose, at: datetime) -> None:
    """A permission that carries rules makes what is already known news."""
    if "tags" in rule_of(purpose).stops:
        patient = Patient.objects.get(pk=patient_id)
        RecordsChange.objects.create(
            clinic_id=patient.clinic_id, patient=patient, cause=Cause.CONSENT_GIVEN, at=at
        )


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """No news of the person any more. Reports and results go where their key does: their codes and flags stand in clear."""
    RecordsChange.objects.filter(patient_id=patient_id).delete()
    if Scope.RECORD in scopes:
        for model, action in ((Observation, "result.erased"), (ExamReport, "report.erased")):
            rows = model.objects.filter(patient_id=patient_id)
            delete_rows(action, rows, about=patient_id, subjects=subject_ids)


def _in_words(tags: int) -> list[Stopped]:
    return [Stopped(Words(f"{tags} 个自动标签", f"{tags} automatic tags"))] if tags else []
