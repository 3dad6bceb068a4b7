"""The tests' own watched table, a clinic with keys, and readers of what the log says."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from audit.acting import acting
from audit.models import AuditEvent, RowChange
from config.dbroles.owner import as_owner
from crypto.keyring import forget_everything
from crypto.services import open_clinic_keys
from tests.factories.audit import CLINIC, PROBE_TABLE, SETUP

Entries = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def probe_table(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        with as_owner() as owner, owner.cursor() as cursor:
            cursor.execute(PROBE_TABLE)
        yield
        with as_owner() as owner, owner.cursor() as cursor:
            cursor.execute("DROP TABLE audit_probe")


@pytest.fixture
def clinic(probe_table: None, db: None) -> UUID:
    """A clinic with keys, inside the test's transaction."""
    forget_everything()
    with acting(SETUP):
        open_clinic_keys(CLINIC)
    return CLINIC


@pytest.fixture
def open_clinic(probe_table: None, transactional_db: None) -> UUID:
    """The same for tests that commit."""
    forget_everything()
    with acting(SETUP):
        open_clinic_keys(CLINIC)
    return CLINIC


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
    with as_owner() as owner, owner.cursor() as cursor:
        cursor.execute(sql, values or None)
