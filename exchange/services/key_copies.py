"""The daily copy of the key tables, and what it puts back after a restore."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.services import record
from audit.wrote import wrote_keys
from clinics.models import Clinic
from crypto import key_restore, key_tables, ledger
from crypto.epoch import move_counter
from crypto.jobs import PAGE
from crypto.key_tables import CopiedTable, CopyRefused
from crypto.models import CryptoEpoch, Kek, SubjectKey
from crypto.providers import provider
from crypto.rotation import WRAPPED
from exchange.errors import KeyCopyRefused
from patients.models import PatientSearchPerson

DAYS_KEPT: Final = 7  # an older one opens nothing that a newer one does not


def back_up_key_tables(*, at: datetime) -> Path:
    """Copy the key tables of every clinic into KEY_TABLES_DIR; older copies go. Raises OSError, LogUnavailable."""
    with acting(_system()):
        record("keys.copied", object=("crypto.copy", at.date().isoformat()))
    folder = Path(settings.KEY_TABLES_DIR)
    path = key_tables.write_copy(folder, _every_row(), key_store=provider().fingerprint(), at=at)
    key_tables.remove_old_copies(folder, before=(at - timedelta(days=DAYS_KEPT)).date())
    return path


def is_backed_up(*, at: datetime) -> bool:
    """Whether there is a copy of today (UTC)."""
    copies = key_tables.copies_in(Path(settings.KEY_TABLES_DIR))
    return bool(copies) and copies[-1][0] >= at.date()


def _system() -> Actor:
    return system_actor("keys", None)


def _clinics() -> list[UUID]:
    return [clinic.pk for clinic in Clinic.objects.order_by("code")]


def _every_row() -> Iterator[tuple[CopiedTable, list[dict[str, Any]]]]:
    """In pages of a transaction each: a row that changes meanwhile is copied as it was before or after."""
    clinics = _clinics()
    for table in key_tables.TABLES:
        key = table.first
        while key is not None:
            with acting(_system(), *clinics):
                rows = key_tables.rows_after(table, key)
            yield table, rows
            key = rows[-1][table.key] if rows else None


# --- restoring --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Restored:
    """What a copy did to the keys of this database. `closed` still open nowhere: the copy is as old as the dump, or older."""

    wrapped: int = 0
    destroyed: int = 0
    closed: int = 0
    indexes: int = 0


def restore_key_tables(path: Path) -> Restored:
    """Put newer wraps from a copy where this database's own open nothing any more. Doing it twice changes nothing more.

    Inside `only_run`, before the application takes requests; `rotate_keys` then builds search tokens where they are lost. A key that
    was destroyed stays destroyed. Raises KeyCopyRefused for a damaged file and for one of another installation, LedgerRefused.
    """
    try:
        return _restore(path)
    except CopyRefused as refused:
        raise KeyCopyRefused(str(refused)) from refused


def _restore(path: Path) -> Restored:
    keks, indexes = _read_through(path)
    clinics = _clinics()
    erasures = {erasure.reference for erasure in ledger.read().erasures}
    restored = Restored()
    with acting(_system(), *clinics):
        if back := key_restore.put_back_keks(keks, clinics):
            record("keys.restored", object=("crypto.kek", ""), count=len(back), wrote=wrote_keys(Kek, back))
        gone = key_restore.keks_gone(clinics)
    for table in WRAPPED:
        for rows in _pages(path, table.name):
            with acting(_system(), *clinics):
                page = key_restore.put_back_keys(table, rows, gone, erasures)
                if changed := page.wrapped + len(page.destroyed):
                    destroyed = wrote_keys(SubjectKey, page.destroyed)
                    record("keys.restored", object=(table.label, ""), count=changed, wrote=destroyed)
            restored.wrapped += page.wrapped
            restored.destroyed += len(page.destroyed)
            restored.closed += page.closed
    for clinic_id in clinics:
        with acting(system_actor("keys", clinic_id)):
            people = PatientSearchPerson.objects.filter(clinic_id=clinic_id).count()
            if ended := key_restore.end_lost_index_keys(clinic_id, indexes[clinic_id], gone):
                record("keys.destroyed", object=("crypto.indexkey", ""), count=ended)
            added = key_restore.put_back_index_keys(clinic_id, indexes[clinic_id], gone)
            if ended or added:
                key_restore.build_tokens_anew(clinic_id, people=people)
                restored.indexes += 1
            move_counter()
    return restored


def _read_through(path: Path) -> tuple[list[dict[str, Any]], dict[UUID, list[dict[str, Any]]]]:
    """The KEKs and the index secrets of a copy that is whole and ours: nothing is written before its end was read."""
    keks: list[dict[str, Any]] = []
    indexes: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    ours = {
        provider().fingerprint(),
        *CryptoEpoch.objects.exclude(key_store="").values_list("key_store", flat=True),
    }
    for table, row in key_tables.read_copy(path):
        if not table and {row.get("key_store")} != ours:
            raise CopyRefused("it belongs to another installation")
        if table == "crypto_kek":
            keks.append(row)
        elif table == "index_key":
            indexes[row["clinic_id"]].append(row)
    return keks, indexes


def _pages(path: Path, wanted: str) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for table, row in key_tables.read_copy(path):
        if table == wanted:
            rows.append(row)
        if len(rows) == PAGE:
            yield rows
            rows = []
    if rows:
        yield rows
