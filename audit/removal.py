"""Deleting rows of a watched table, with the event that answers for it."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit.services import record


def delete_rows(
    action: str, rows: QuerySet[Any], *, about: UUID, subjects: Iterable[UUID] = (), reason: str = ""
) -> int:
    """Delete these rows in one statement and record how many they were; nothing is recorded where there were none.

    `about` is the id the event names; its clinic is that of the unit of work. Nothing cascades: whoever calls deletes first what points at these rows.
    """
    count: int = rows._raw_delete(
        rows.db
    )  # one statement, so that its row change and the event's count agree
    if count:
        label = rows.model._meta.label_lower
        record(action, object=(label, str(about)), subjects=subjects, count=count, reason=reason)
    return count
