"""What was brought in lately, and how much is known of one person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from audit.actors import Actor
from consent.choices import State
from consent.models import ConsentState
from crypto.core.scopes import Scope
from crypto.models import SealedFile, SubjectKey
from crypto.reading import Unreadable, shown
from exchange.choices import BatchState
from exchange.models import ImportBatch
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
