"""A copy of the tables of wrapped keys: with it a dump opens whose own wraps hang on key-encryption keys that are gone.

A gzip file of JSON lines: what it is and whose, then a line per row, at last how many rows there were. It holds no key in clear.
"""

import gzip
import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import connection

from crypto.keyfiles import sync_folder

FORMAT: Final = "zhizhi key tables/1"
ROWS: Final = 5000  # read in one transaction
NAME: Final = re.compile(r"key-tables-(\d{8}T\d{6})Z\.jsonl\.gz")
DRAFT: Final = ".part"


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """`key` orders the rows, and `first` stands before every one; `columns` maps each column to how its text is read again."""

    name: str
    key: str
    first: Any
    columns: dict[str, Callable[[Any], Any]]


_WRAPPED: Final[dict[str, Callable[[Any], Any]]] = {
    "wrapped": b64decode,
    "destroyed_at": datetime.fromisoformat,
}
_DATES: Final[dict[str, Callable[[Any], Any]]] = {
    "created_at": datetime.fromisoformat,
    "not_after": datetime.fromisoformat,
}
# The records of KEKs come last: every row before has its KEK among them, however long the copying took.
TABLES: Final = (
    CopiedTable(
        "subject_key",
        "id",
        0,
        {
            "id": int,
            "subject_id": UUID,
            "clinic_id": UUID,
            "scope": int,
            "version": int,
            "suite": int,
            "kek_id": int,
            **_WRAPPED,
            "destroy_ref": UUID,
        },
    ),
    CopiedTable(
        "sealed_file",
        "id",
        UUID(int=0),
        {"id": UUID, "subject_id": UUID, "clinic_id": UUID, "kek_id": int, **_WRAPPED, "suite": int},
    ),
    CopiedTable(
        "index_key", "id", 0, {"id": int, "clinic_id": UUID, "version": int, "kek_id": int, **_WRAPPED}
    ),
    CopiedTable(
        "crypto_kek",
        "id",
        0,
        {
            "id": int,
            "clinic_id": UUID,
            "suite": int,
            "provider": str,
            "provider_ref": str,
            "state": str,
            **_DATES,
        },
    ),
    CopiedTable("crypto_epoch", "id", 0, {"id": int, "counter": int, "key_store": str}),
)


class CopyRefused(Exception):
    """The file is not a whole copy of key tables. The text says why."""


# --- writing ----------------------------------------------------------------------------------------------------------


def rows_after(table: CopiedTable, key: Any) -> list[dict[str, Any]]:
    """The next rows of the clinics in hand."""
    columns = ", ".join(table.columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM {table.name} WHERE {table.key} > %s ORDER BY {table.key} LIMIT %s",  # noqa: S608
            [key, ROWS],
        )
        return [dict(zip(table.columns, row, strict=True)) for row in cursor.fetchall()]


def write_copy(
    folder: Path,
    rows: Iterable[tuple[CopiedTable, Sequence[dict[str, Any]]]],
    *,
    key_store: str,
    at: datetime,
) -> Path:
    """A new file of mode 0600, whole and on the disk before it has its name. Raises OSError, and leaves nothing behind then."""
    path = folder / f"key-tables-{at.astimezone(UTC):%Y%m%dT%H%M%S}Z.jsonl.gz"
    draft = path.with_name(f".{path.name}{DRAFT}")
    count = 0
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
                packed.write(_line({"format": FORMAT, "key_store": key_store, "at": at.isoformat()}))
                for table, page in rows:
                    count += len(page)
                    packed.writelines(_line({"table": table.name, **row}) for row in page)
                packed.write(_line({"end": count}))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return path


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, default=_text, separators=(",", ":")).encode() + b"\n"


def _text(value: Any) -> str:
    return b64encode(value).decode() if isinstance(value, bytes | memoryview) else _plain(value)


def _plain(value: UUID | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def copies_in(folder: Path) -> list[tuple[date, Path]]:
    """The copies of a folder, each with its day (UTC), oldest first."""
    found = [(match[1], path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    return [
        (datetime.strptime(day[:8], "%Y%m%d").replace(tzinfo=UTC).date(), path) for day, path in sorted(found)
    ]


def remove_old_copies(folder: Path, *, before: date) -> None:
    """Remove copies of earlier days, but never the newest one; and what a copying left that was killed."""
    for day, path in copies_in(folder)[:-1]:
        if day < before:
            path.unlink()
    for draft in folder.glob(f".key-tables-*{DRAFT}"):
        draft.unlink()


# --- reading ----------------------------------------------------------------------------------------------------------


def read_copy(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The head, as ("", …), and then each row with the name of its table. Raises CopyRefused, also at the end of a cut file."""
    tables = {table.name: table for table in TABLES}
    count = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            head = json.loads(next(lines, "{}"))
            if not isinstance(head, dict) or head.get("format") != FORMAT:
                raise CopyRefused("this is not a copy of key tables")
            yield "", head
            for line in lines:
                entry = json.loads(line)
                if "end" in entry:
                    if entry["end"] != count:
                        raise CopyRefused("rows are missing")
                    return
                table = tables[entry.pop("table")]
                count += 1
                yield table.name, {name: _read(read, entry[name]) for name, read in table.columns.items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CopyRefused(f"it is damaged ({type(error).__name__})") from error
    raise CopyRefused("its end is missing")


def _read(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)
