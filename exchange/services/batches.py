"""Files uploaded on a page: tried first, then written or put aside. The file itself is kept sealed only in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit.access import relate
from audit.actors import Actor
from audit.relations import Relation
from audit.services import record
from audit.wrote import wrote_keys
from clinics.models import Clinic
from crypto.core.scopes import Scope
from crypto.erasure import destroy_subject_keys
from crypto.ids import uuid7
from crypto.models import SubjectKey
from crypto.services import create_subject_keys
from exchange.choices import BatchState
from exchange.errors import BatchNotFound
from exchange.fhir import ParsedPerson, parse_bundle
from exchange.models import ImportBatch
from exchange.services.reports import ImportResult, import_bundle

DECIDE_WITHIN = timedelta(days=1)


@transaction.atomic
def try_file(data: bytes, *, clinic: Clinic, by: Actor, at: datetime) -> ImportBatch:
    """Keep an uploaded file, sealed, until its uploader decides about it. Raises ReportUnreadable."""
    parse_bundle(data)
    forget_old_files(clinic, at)
    batch_id = uuid7()
    create_subject_keys(clinic.pk, batch_id)
    batch = ImportBatch(
        id=batch_id,
        subject_id=batch_id,
        clinic=clinic,
        state=BatchState.TRIED,
        size=len(data),
        uploaded_at=at,
        uploaded_by_id=by.user_id,
        content=data.decode("utf-8-sig"),
    )
    batch.save(force_insert=True)
    record("import.tried", object=batch)
    return batch


@dataclass(frozen=True, slots=True)
class Trial:
    """Who an uploaded file is about, and what writing it would do."""

    person: ParsedPerson
    result: ImportResult


def weigh_batch(batch: ImportBatch, *, by: Actor, at: datetime) -> Trial:
    """What writing the file would do now. Raises what `import_bundle` raises, and BatchNotFound once it was decided."""
    bundle = parse_bundle(_content(batch))
    result = import_bundle(bundle, clinic=batch.clinic, open_card=True, by=by, at=at, dry_run=True)
    return Trial(bundle.person, result)


@transaction.atomic
def write_batch(batch_id: UUID, *, open_card: bool, by: Actor, at: datetime) -> ImportResult | None:
    """Write an uploaded file and forget it; None when it was written before, as after a double click.

    Raises BatchNotFound, and what `import_bundle` raises; then nothing was written and the file is still there.
    """
    batch = batch_of(by, batch_id, lock=True)
    if batch.state == BatchState.WRITTEN:
        return None
    bundle = parse_bundle(_content(batch))
    result = import_bundle(bundle, clinic=batch.clinic, open_card=open_card, by=by, at=at)
    keys = _decide(batch, BatchState.WRITTEN, at, outcome=_outcome(result))
    subjects = [result.patient.subject_id] if result.patient else []
    record("import.written", object=batch, subjects=subjects, wrote=wrote_keys(SubjectKey, keys))
    return result


@transaction.atomic
def discard_batch(batch_id: UUID, *, by: Actor, at: datetime) -> None:
    """Put an uploaded file aside: it is forgotten and nothing was written. Raises BatchNotFound."""
    batch = batch_of(by, batch_id, lock=True)
    if batch.state == BatchState.TRIED:
        put_aside(batch, at)


def batch_of(by: Actor, batch_id: UUID, *, lock: bool = False) -> ImportBatch:
    """An upload of one's own. Raises BatchNotFound, the same for missing and for somebody else's."""
    if by.clinic_id is None or by.user_id is None:
        raise BatchNotFound
    batches = ImportBatch.objects.filter(clinic_id=by.clinic_id, uploaded_by_id=by.user_id)
    if lock:
        batches = batches.select_for_update(of=("self",))
    batch: ImportBatch | None = batches.select_related("clinic").filter(pk=batch_id).first()
    if batch is None:
        raise BatchNotFound
    relate(batch.subject_id, Relation.OWN)
    return batch


def undecided(clinic_id: UUID) -> QuerySet[ImportBatch]:
    """Uploads of a clinic nobody has decided about, locked."""
    return ImportBatch.objects.select_for_update(of=("self",)).filter(
        clinic_id=clinic_id, state=BatchState.TRIED
    )


def put_aside(batch: ImportBatch, at: datetime) -> None:
    """Forget an upload: nothing of it is written, and nothing opens a copy of it."""
    keys = _decide(batch, BatchState.DISCARDED, at, outcome=None)
    record("import.discarded", object=batch, wrote=wrote_keys(SubjectKey, keys))


def _content(batch: ImportBatch) -> bytes:
    if batch.content is None:
        raise BatchNotFound
    return batch.content.encode()


def _decide(
    batch: ImportBatch, state: BatchState, at: datetime, *, outcome: Mapping[str, Any] | None
) -> list[int]:
    """Answers the ids of the data keys that were destroyed with the file."""
    batch.state = state
    batch.decided_at = at
    batch.content = None
    batch.outcome = outcome
    batch.save(update_fields=["state", "decided_at", "content", "outcome"])
    # An older dump still holds the file: without its key it holds nothing.
    return destroy_subject_keys([batch.subject_id], [Scope.IDENTITY], at=at, reference=batch.pk)


def _outcome(result: ImportResult) -> dict[str, Any]:
    return {
        "reports": sum(line.outcome != "same" for line in result.lines),
        "opened_card": result.opens_card,
        "counts": result.counts.as_json(),
    }


def forget_old_files(clinic: Clinic, at: datetime) -> None:
    """Files nobody decided about within a day are put aside."""
    for batch in ImportBatch.objects.select_for_update(skip_locked=True).filter(
        clinic=clinic, state=BatchState.TRIED, uploaded_at__lt=at - DECIDE_WITHIN
    ):
        put_aside(batch, at)
