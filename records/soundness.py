"""Whether the follow-up loop fetches what is news of a record."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from crypto.soundness import PAGE, Check, Finding, Page
from records.models import RecordsChange

FETCHED_WITHIN: Final = timedelta(minutes=1)


def checks() -> Iterator[Check]:
    yield _changes


def _changes(clinic_id: UUID, after: UUID) -> Page:
    waiting = RecordsChange.objects.filter(clinic_id=clinic_id, at__lt=timezone.now() - FETCHED_WITHIN)
    found = [
        Finding("records_change", str(change.pk), "waits for more than a minute") for change in waiting[:PAGE]
    ]
    return Page(len(found), found)
