"""What the log says, read for tests; and statements as one role or another."""

import json
from typing import Any
from uuid import UUID

from django.db import connection

from audit.acting import acting
from audit.models import AuditEvent, RowChange
from tests.factories.audit import CLINIC, SETUP
from tests.owner import lasting_owner


def events(*, clinic: UUID | None = CLINIC, **wanted: Any) -> list[dict[str, Any]]:
    """The canonical entries of a clinic's log in order; `wanted` picks by columns."""
    with acting(SETUP, *([clinic] if clinic else [])):
        return [
            json.loads(bytes(event.canon)) for event in AuditEvent.objects.filter(**wanted).order_by("uid")
        ]


def row_changes(*, clinic: UUID = CLINIC, tbl: str = "audit_probe") -> list[dict[str, Any]]:
    with acting(SETUP, clinic):
        return [
            json.loads(bytes(change.canon)) for change in RowChange.objects.filter(tbl=tbl).order_by("uid")
        ]


def run(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """A statement as the application role."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def run_as_owner(sql: str, *values: Any) -> None:
    with lasting_owner(), connection.cursor() as cursor:
        cursor.execute(sql, values or None)


def tamper(table: str, statement: str, *values: Any) -> None:
    """As the owner, who may take a trigger away for a moment."""
    run_as_owner(
        f"ALTER TABLE {table} DISABLE TRIGGER USER; {statement}; ALTER TABLE {table} ENABLE TRIGGER USER",
        *values,
    )
