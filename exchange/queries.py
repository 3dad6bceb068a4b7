"""What was brought in lately."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.actors import Actor
from exchange.choices import BatchState
from exchange.models import ImportBatch
from records.services import ReportCounts

RECENT = 10


@dataclass(frozen=True, slots=True)
class RecentImport:
    """One decided upload of the clinic. `outcome` is None where it was put aside."""

    batch: ImportBatch
    outcome: Mapping[str, Any] | None

    @property
    def counts(self) -> ReportCounts:
        return ReportCounts.from_json(self.outcome["counts"] if self.outcome else {})


def recent_imports(clinic_id: UUID) -> list[RecentImport]:
    """The newest decided uploads of a clinic, by whomever. Opens their outcomes, which name nobody."""
    batches = (
        ImportBatch.objects.filter(clinic_id=clinic_id)
        .exclude(state=BatchState.TRIED)
        .select_related("uploaded_by")
        .order_by("-uploaded_at", "-pk")[:RECENT]
    )
    return [RecentImport(batch, batch.outcome) for batch in batches]


def undecided_of(actor: Actor) -> list[ImportBatch]:
    """One's own uploads that wait for a decision, oldest first."""
    if actor.clinic_id is None or actor.user_id is None:
        return []
    mine = ImportBatch.objects.filter(clinic_id=actor.clinic_id, uploaded_by_id=actor.user_id)
    return list(mine.filter(state=BatchState.TRIED).order_by("uploaded_at", "pk"))
