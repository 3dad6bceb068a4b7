"""Whether what is sealed can be opened: every value names a key of its own subject, every file has its bytes. Opens nothing.

Checks of soundness read a page at a time in the caller's transaction and say where the next page begins. Each app has those of its
own tables in a module of this name; `manage.py fsck` walks them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from crypto.core.scopes import Scope
from crypto.files import has_bytes
from crypto.models import SealedFile
from crypto.resealing import Header, SealedColumn, headers, sealed_columns

PAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that is not as it must be. Ids and words of ours, never a value."""

    table: str
    row: str
    why: str

    def __str__(self) -> str:
        return f"{self.table} {self.row}: {self.why}"


@dataclass(frozen=True, slots=True)
class Page:
    """How many rows were read, what was found about them, and after which row to go on; None at the end."""

    read: int
    findings: list[Finding]
    after: UUID | None = None


Check = Callable[[UUID, UUID], Page]
"""From a clinic and the row after which to begin."""


def checks() -> Iterator[Check]:
    for column in sealed_columns():
        yield _values_of(column)
    yield _files


def _values_of(column: SealedColumn) -> Check:
    def values(clinic_id: UUID, after: UUID) -> Page:
        seen = headers(column, clinic_id, after=after, limit=PAGE)
        keys = _keys({header.key_id for header in seen if header.key_id is not None})
        wrong = ((header, _flaw(header, keys, column.field.scope)) for header in seen)
        found = [
            Finding(column.table, str(header.row_id), f"{column.column} {why}")
            for header, why in wrong
            if why
        ]
        return Page(len(seen), found, seen[-1].row_id if len(seen) == PAGE else None)

    return values


def _flaw(header: Header, keys: dict[int, tuple[UUID, int]], scope: Scope) -> str:
    if header.key_id is None:
        return "is no sealed value"
    if header.key_id not in keys:
        return "is sealed under a key that is not there"
    return (
        ""
        if keys[header.key_id] == (header.subject_id, scope)
        else "is sealed under the key of somebody or something else"
    )


def _keys(ids: set[int]) -> dict[int, tuple[UUID, int]]:
    """Whose each key is and for which scope; a destroyed one is there and opens nothing, as it should."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, subject_id, scope FROM subject_key WHERE id = ANY (%s)", [list(ids)])
        return {key_id: (subject_id, scope) for key_id, subject_id, scope in cursor.fetchall()}


def _files(clinic_id: UUID, after: UUID) -> Page:
    kept: Any = SealedFile.objects.filter(clinic_id=clinic_id, pk__gt=after, destroyed_at=None).order_by("pk")
    files = list(kept[:PAGE])
    found = [
        Finding("sealed_file", str(file.pk), "its bytes are not where they were put")
        for file in files
        if not has_bytes(file)
    ]
    return Page(len(files), found, files[-1].pk if len(files) == PAGE else None)
