"""What was brought in lately, how much is known of one person, and what is kept of whom although it could go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet

from audit.actors import Actor
from consent.choices import State
from consent.models import ConsentState
from crypto.core.scopes import Scope
from crypto.erasure import whole_subjects
from crypto.models import SealedFile, SubjectKey
from crypto.reading import Unreadable, shown
from exchange.choices import BatchState
from exchange.models import ImportBatch, Preservation
from followups.models import PENDING, FollowUp, Message
from followups.planning import UNSENT
from patients.models import Patient, PatientTag
from records.models import ExamReport
from records.services import ReportCounts

RECENT = 10


@dataclass(frozen=True, slots=True)
class RecentImport:
    """One decided upload of the clinic. `outcome` is None where it was put aside, and a marker where it does not open."""

    batch: ImportBatch
    outcome: Mapping[str, Any] | Unreadable | None

    @property
    def counts(self) -> ReportCounts:
        return ReportCounts.from_json(self.outcome["counts"] if isinstance(self.outcome, Mapping) else {})


def recent_imports(clinic_id: UUID) -> list[RecentImport]:
    """The newest decided uploads of a clinic, by whomever. Opens their outcomes, which name nobody."""
    batches = (
        ImportBatch.objects.filter(clinic_id=clinic_id)
        .exclude(state=BatchState.TRIED)
        .select_related("uploaded_by")
        .order_by("-uploaded_at", "-pk")[:RECENT]
    )
    return [RecentImport(batch, _outcome(batch)) for batch in batches]


def _outcome(batch: ImportBatch) -> Mapping[str, Any] | Unreadable | None:
    outcome: Mapping[str, Any] | Unreadable | None = shown(lambda: batch.outcome)
    return outcome


def undecided_of(actor: Actor) -> list[ImportBatch]:
    """One's own uploads that wait for a decision, oldest first."""
    if actor.clinic_id is None or actor.user_id is None:
        return []
    mine = ImportBatch.objects.filter(clinic_id=actor.clinic_id, uploaded_by_id=actor.user_id)
    return list(mine.filter(state=BatchState.TRIED).order_by("uploaded_at", "pk"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """How much an erasure is about: keys and files by scope, and what waits or stands in clear."""

    keys: Mapping[Scope, int]
    files: Mapping[Scope, int]
    permissions: int
    to_dos: int
    messages: int
    tags: int
    reports: int


def weight_of(patient: Patient) -> Weight:
    """What an erasure would touch, in numbers. Opens nothing."""
    return Weight(
        keys=_by_scope(SubjectKey.objects.filter(subject_id=patient.subject_id, destroyed_at=None)),
        files=_by_scope(SealedFile.objects.filter(subject_id=patient.subject_id, destroyed_at=None)),
        permissions=ConsentState.objects.filter(patient=patient, state=State.GRANTED).count(),
        to_dos=FollowUp.objects.filter(patient=patient, state__in=PENDING).count(),
        messages=Message.objects.filter(patient=patient, state__in=UNSENT).count(),
        tags=PatientTag.objects.filter(patient=patient).count(),
        reports=ExamReport.objects.filter(patient=patient).count(),
    )


def _by_scope(rows: QuerySet[Any]) -> dict[Scope, int]:
    counts = rows.order_by("scope").values_list("scope").annotate(Count("pk"))
    return {Scope(scope): number for scope, number in counts}


def running_preservations(clinic_id: UUID, at: datetime) -> QuerySet[Preservation]:
    """What nobody may destroy at the moment, the first to end first."""
    running = Preservation.objects.filter(clinic_id=clinic_id, ended_at=None, until__gt=at)
    return running.select_related("patient", "begun_by").order_by("until", "pk")


def preserved_until(patient_id: UUID, at: datetime) -> datetime | None:
    """The day before which nothing of this person is destroyed; None where nobody said so."""
    running = Preservation.objects.filter(patient_id=patient_id, ended_at=None, until__gt=at)
    until: datetime | None = running.aggregate(until=Max("until"))["until"]
    return until


def preserved_patients(clinic_id: UUID, at: datetime) -> list[UUID]:
    """Of whom nothing may be destroyed at the moment."""
    return list(running_preservations(clinic_id, at).values_list("patient_id", flat=True).distinct())


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """Somebody whose record is only stored. `liftable`: no key is destroyed or under the legal hold, so the person may end it."""

    patient: Patient
    liftable: bool


def stored_records(clinic_id: UUID, *, limit: int) -> list[StoredRecord]:
    """The newest records that are only stored. Two statements; opens nothing."""
    stored = Patient.objects.filter(clinic_id=clinic_id).exclude(restricted_at=None)
    patients = list(
        stored.only("pk", "service_number", "restricted_at", "subject_id").order_by("-restricted_at")[:limit]
    )
    whole = whole_subjects([patient.subject_id for patient in patients])
    return [StoredRecord(patient, patient.subject_id in whole) for patient in patients]
