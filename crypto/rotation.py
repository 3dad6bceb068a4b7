"""A new epoch of a clinic's keys: a new key-encryption key, every data key wrapped under it, the old one destroyed.

The functions that change something work in the caller's transaction, a page at a time; `exchange.services.keys` puts them in order.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max

from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite
from crypto.core.wrap import file_key_aad, subject_key_aad
from crypto.epoch import move_counter
from crypto.errors import KeysMissing
from crypto.jobs import PAGE, advance, next_keys, open_job
from crypto.models import IndexKey, JobKind, Kek, KekState, KeyJob, SubjectKey
from crypto.providers import Rewrap, Wrapped, provider
from crypto.scope import note_broken
from crypto.services import check_key_store, create_index_key, create_kek, lock_keys_of

logger = logging.getLogger(__name__)

NEW_TOKENS: Final = "patient_search"
OLD_TOKENS: Final = "patient_search.old"
NEW_VERSIONS: Final = "subject_key"
HOLD_PROVIDER: Final = "hold"  # keys under a legal hold; no epoch begins or ends them


# --- epochs -----------------------------------------------------------------------------------------------------------


def start_epoch(clinic_id: UUID, *, at: datetime, suite: Suite | None = None, people: int = 0) -> Kek:
    """The clinic's next KEK and index secret, and the jobs that bring everything under them. In one transaction.

    `suite` None keeps the clinic's; another one also gives every subject new data keys, and moves their values. `people` is how many
    have search tokens. From the commit on nobody begins to wrap keys under the old KEK. Raises KeysMissing when the clinic's keys were
    never opened.
    """
    lock_keys_of(clinic_id)
    check_key_store()
    old = Kek.objects.filter(clinic_id=clinic_id, state=KekState.ACTIVE).order_by("-pk").first()
    if old is None:
        raise KeysMissing(f"clinic {clinic_id} has no active key: open its keys first")
    changes_suite = suite is not None and suite != old.suite
    Kek.objects.filter(clinic_id=clinic_id, state=KekState.ACTIVE).update(state=KekState.DECRYPT)
    kek = create_kek(clinic_id, suite or Suite(old.suite), at=at)
    latest = IndexKey.objects.filter(clinic_id=clinic_id).aggregate(latest=Max("version"))["latest"]
    create_index_key(kek, version=(latest or 0) + 1)
    for table in WRAPPED:
        open_job(clinic_id, JobKind.REWRAP, table.name, total=left_to_rewrap(clinic_id, table))
    open_job(clinic_id, JobKind.INDEX, NEW_TOKENS, total=people)
    if changes_suite:
        keys = SubjectKey.objects.filter(clinic_id=clinic_id, destroyed_at=None)
        open_job(clinic_id, JobKind.RESEAL, NEW_VERSIONS, total=keys.count())
    move_counter()
    return kek


def epoch_is_over(clinic_id: UUID, *, at: datetime) -> bool:
    """Whether the clinic's KEK has served its time. A clinic whose keys were never opened has no epoch."""
    keks = Kek.objects.filter(clinic_id=clinic_id, state=KekState.ACTIVE).order_by("-pk")
    end = keks.values_list("not_after", flat=True).first()
    return end is not None and end <= at


def retire_old_index_keys(clinic_id: UUID) -> int:
    """Destroy every index secret but the newest, once its tokens are complete; says how many. Moves the counter."""
    living = IndexKey.objects.filter(clinic_id=clinic_id, destroyed_at=None)
    newest = living.aggregate(newest=Max("version"))["newest"]
    with connection.cursor() as cursor:
        cursor.execute(_RETIRE_INDEX_KEYS, [clinic_id, newest])
        retired = int(cursor.rowcount)
    move_counter()
    return retired


_RETIRE_INDEX_KEYS = """
UPDATE index_key SET wrapped = NULL, destroyed_at = now() WHERE clinic_id = %s AND version < %s AND destroyed_at IS NULL
"""


def newest_index_version(clinic_id: UUID) -> int:
    """Raises KeysMissing."""
    living = IndexKey.objects.filter(clinic_id=clinic_id, destroyed_at=None)
    newest: int | None = living.aggregate(newest=Max("version"))["newest"]
    if newest is None:
        raise KeysMissing(f"clinic {clinic_id} has no index key")
    return newest


# --- wrapping again ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WrappedTable:
    """A table of wrapped keys. `bound` are the columns a wrap is bound to beside clinic and KEK; `aad` makes the binding of them."""

    name: str
    label: str
    id_type: str
    bound: str
    aad: Callable[..., bytes]


def _subject_key_aad(
    key_id: int, subject_id: UUID, scope: int, version: int, suite: int, *, clinic_id: UUID, kek_id: int
) -> bytes:
    return subject_key_aad(
        clinic_id=clinic_id,
        subject_id=subject_id,
        scope=Scope(scope),
        version=version,
        suite=Suite(suite),
        kek_id=kek_id,
    )


def _file_key_aad(file_id: UUID, subject_id: UUID, suite: int, *, clinic_id: UUID, kek_id: int) -> bytes:
    return file_key_aad(
        clinic_id=clinic_id, subject_id=subject_id, file_id=file_id, suite=Suite(suite), kek_id=kek_id
    )


# Index secrets are not wrapped again: an epoch gives each clinic a new one, and the old one dies when its tokens are rebuilt.
WRAPPED: Final = (
    WrappedTable(
        "subject_key",
        "crypto.subjectkey",
        "bigint",
        "k.subject_id, k.scope, k.version, k.suite",
        _subject_key_aad,
    ),
    WrappedTable("sealed_file", "crypto.sealedfile", "uuid", "k.subject_id, k.suite", _file_key_aad),
)


class Page(NamedTuple):
    """What one page did: how many rows it read, how many it changed, and how many are damaged and stay as they are."""

    read: int
    changed: int
    damaged: int


def left_to_rewrap(clinic_id: UUID, table: WrappedTable) -> int:
    """How many living keys still hang on a KEK that only opens."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {table.name} WHERE kek_id = ANY (%s) AND wrapped IS NOT NULL",  # noqa: S608
            [list(_opening_only(clinic_id))],
        )
        return int(cursor.fetchone()[0])


def rewrap_page(job: KeyJob, table: WrappedTable, *, limit: int = PAGE) -> Page:
    """Wrap the next keys of the job's clinic under its active KEK, and move the job; an empty page is the end of the table.

    A key that is changed or locked by somebody else meanwhile stays as it is and is left for the next walk; nobody waits for
    anybody. Raises KeysMissing.
    """
    olds = _opening_only(job.clinic_id)
    active = _active(job.clinic_id)
    rows, position = next_keys(
        job, table.name, f"k.id, k.kek_id, k.wrapped, {table.bound}", olds, limit=limit
    )
    if not rows:
        return Page(0, 0, 0)
    items = [_again(job.clinic_id, row, table, olds[row[1]], active) for row in rows]
    wrapped = _rewrap([row[0] for row in rows], items, table)
    for row, again in zip(rows, wrapped, strict=True):
        if again is None:  # it keeps the old KEK alive, and with it what was erased since: somebody must know
            note_broken(job.clinic_id, row[3], table.name, row[0])
    with connection.cursor() as cursor:
        cursor.execute(_SWAP.format(table=table.name, id_type=table.id_type), _swap(rows, wrapped, active))
        changed = cursor.rowcount
    advance(job, position=position, done=changed)
    return Page(len(rows), changed, wrapped.count(None))


def _opening_only(clinic_id: UUID) -> dict[int, Kek]:
    return {kek.pk: kek for kek in Kek.objects.filter(clinic_id=clinic_id, state=KekState.DECRYPT)}


def _active(clinic_id: UUID) -> Kek:
    kek = Kek.objects.filter(clinic_id=clinic_id, state=KekState.ACTIVE).order_by("-pk").first()
    if kek is None:
        raise KeysMissing(f"clinic {clinic_id} has no active key")
    return kek


def _again(clinic_id: UUID, row: Sequence[Any], table: WrappedTable, old: Kek, active: Kek) -> Rewrap:
    key_id, _kek_id, wrapped, *bound = row
    aad = partial(table.aad, key_id, *bound, clinic_id=clinic_id)
    before = Wrapped(old.provider_ref, Suite(old.suite), bytes(wrapped), aad(kek_id=old.pk))
    return Rewrap(before, active.provider_ref, Suite(active.suite), aad(kek_id=active.pk))


def _rewrap(ids: list[Any], items: list[Rewrap], table: WrappedTable) -> list[bytes | None]:
    """One call for the page; when a key of it is damaged, one call each, and None for the damaged."""
    try:
        return list(provider().rewrap(items))
    except Broken:
        pass
    wrapped: list[bytes | None] = []
    for key_id, item in zip(ids, items, strict=True):
        try:
            wrapped += provider().rewrap([item])
        except Broken:
            logger.error(
                "%s %s does not open under its key-encryption key: its record was changed", table.name, key_id
            )
            wrapped.append(None)
    return wrapped


# Compare and swap; rows that somebody else holds are left out, so this can neither wait nor be part of a deadlock.
_SWAP = """
WITH new AS (SELECT * FROM unnest(%s::{id_type}[], %s::bytea[], %s::bytea[]) AS n (id, old, new)),
free AS (
  SELECT k.id, new.new FROM {table} k JOIN new ON new.id = k.id
  WHERE k.wrapped = new.old AND k.kek_id <> %s FOR UPDATE OF k SKIP LOCKED
)
UPDATE {table} k SET kek_id = %s, wrapped = free.new FROM free WHERE k.id = free.id
"""


def _swap(rows: list[Any], wrapped: list[bytes | None], active: Kek) -> list[Any]:
    swapped = [
        (row[0], bytes(row[2]), new) for row, new in zip(rows, wrapped, strict=True) if new is not None
    ]
    columns = [[part[place] for part in swapped] for place in range(3)]
    return [[str(key_id) for key_id in columns[0]], columns[1], columns[2], active.pk, active.pk]


# --- the end of a KEK ----------------------------------------------------------------------------------------------------


def keks_to_destroy(clinic_id: UUID, *, at: datetime, kept: timedelta) -> list[Kek]:
    """KEKs whose successor has been in use for `kept`. Whether keys still hang on one is asked when it is destroyed."""
    keks = list(Kek.objects.filter(clinic_id=clinic_id).exclude(provider=HOLD_PROVIDER).order_by("pk"))
    return [
        kek
        for kek, successor in pairwise(keks)
        if kek.state == KekState.DECRYPT and successor.created_at + kept <= at
    ]


def keys_under(kek: Kek) -> int:
    """How many living keys this KEK wraps, among the clinics in hand."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS_UNDER, [kek.pk] * 3)
        return int(cursor.fetchone()[0])


_KEYS_UNDER = """
SELECT (SELECT count(*) FROM subject_key WHERE kek_id = %s AND wrapped IS NOT NULL)
     + (SELECT count(*) FROM sealed_file WHERE kek_id = %s AND wrapped IS NOT NULL)
     + (SELECT count(*) FROM index_key WHERE kek_id = %s AND wrapped IS NOT NULL)
"""


def destroy_kek(kek_id: int) -> bool:
    """Destroy a KEK in the provider, read back, then say so in its record; False, and nothing happens, while keys hang on it.

    In one transaction that sees every clinic and locks the KEK's record, so that no key can come under it. Killed in between, the
    record still says `decrypt` and the next run does it again: a record says `destroyed` only of what is gone. Raises KeysMissing
    when the provider cannot destroy it.
    """
    kek = Kek.objects.select_for_update().get(pk=kek_id)
    if kek.state != KekState.DECRYPT or kek.provider != provider().name or keys_under(kek):
        return False
    provider().destroy(kek.provider_ref)
    if provider().exists(kek.provider_ref):
        raise KeysMissing(f"key-encryption key {kek_id} was destroyed and is still there")
    kek.state = KekState.DESTROYED
    kek.save(update_fields=["state"])
    move_counter()  # other processes may hold it ready for use
    return True
