"""Every sealed value under the newest data key of its subject and scope; every value opens at every moment meanwhile.

The functions work in the caller's transaction, a page at a time; `exchange.services.keys` puts them in order.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.apps import apps
from django.db import connection, models

from crypto import keyring
from crypto.core import wire
from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite, new_key
from crypto.core.wrap import subject_key_aad
from crypto.errors import KeyRestricted, KeysMissing, SealBroken
from crypto.fields import SealedField
from crypto.jobs import PAGE, advance, next_keys
from crypto.models import Kek, KekState, KeyJob
from crypto.providers import Clear, provider
from crypto.seals import Sealed
from crypto.services import new_key_id

logger = logging.getLogger(__name__)

OLD_VERSIONS: Final = "subject_key.old"
FIRST_ROW: Final = UUID(int=0)
HEADERS: Final = 5000  # read in one go where nothing is opened
HEAD: Final = (
    wire.OVERHEAD_BYTES + wire.BLOCK_BYTES
)  # the shortest sealed value; longer ones are read so far and no further
BYTES: Final = 8 * 1024 * 1024  # sealed again in one page at most


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One sealed field of one model, and its table."""

    model: type[models.Model]
    field: SealedField[Any, Any]

    @property
    def label(self) -> str:
        """ "patients.patient.identity": how jobs and events name it."""
        return f"{self.model._meta.label_lower}.{self.field.name}"

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def column(self) -> str:
        return self.field.column or self.field.attname

    def names(self) -> dict[str, str]:
        """Table and column, quoted for SQL."""
        quote = connection.ops.quote_name
        return {"table": quote(self.table), "column": quote(self.column)}

    def may_change(self) -> bool:
        """Whether this role may update the column; what it may only add to keeps the seals it was written with."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT has_column_privilege(current_user, %s, %s, 'UPDATE')",
                [self.names()["table"], self.column],
            )
            return bool(cursor.fetchone()[0])


@lru_cache(maxsize=1)
def sealed_columns() -> tuple[SealedColumn, ...]:
    """Every sealed field of every model that has a table of its own, in the order of the staircase."""
    return tuple(
        SealedColumn(model, field)
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        for field in model._meta.local_concrete_fields
        if isinstance(field, SealedField)
    )


def column_of(label: str) -> SealedColumn | None:
    """None when the model or the field has gone since the job was opened."""
    return next((column for column in sealed_columns() if column.label == label), None)


# --- new versions of data keys ----------------------------------------------------------------------------------------------


class VersionsPage(NamedTuple):
    """What one page did: how many keys it read, for how many it made a new version, and how many somebody else held."""

    read: int
    made: int
    left: int


def new_versions_page(job: KeyJob, *, limit: int = PAGE) -> VersionsPage:
    """Give the next subjects a new version of each data key whose suite is not that of the active KEK; an empty page is the end.

    The newest version seals from the moment the counter moves; the one before it goes on opening. A key that somebody holds is being
    erased or put under a legal hold: it is left for the next walk. Raises KeysMissing.
    """
    kek = Kek.objects.filter(clinic_id=job.clinic_id, state=KekState.ACTIVE).order_by("-pk").first()
    if kek is None:
        raise KeysMissing(f"clinic {job.clinic_id} has no active key")
    usable = _usable_keks(job.clinic_id)
    other_suite = f"AND k.suite <> {int(kek.suite)}"
    found, position = next_keys(job, "subject_key", "k.id", usable, where=other_suite, limit=limit)
    if not found:
        return VersionsPage(0, 0, 0)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [[row[0] for row in found]])
        locked = cursor.fetchall()
        versions = _highest_versions(row[0] for row in locked)
        rows = [row for row in locked if versions[row[0], row[1]] == row[2]]
        if rows:
            cursor.execute(_INSERT_VERSIONS, _next_versions(job.clinic_id, rows, kek))
    advance(job, position=position, done=len(found))
    return VersionsPage(len(found), len(rows), len(found) - len(locked))


_LOCK = """
SELECT subject_id, scope, version FROM subject_key WHERE id = ANY (%s) AND wrapped IS NOT NULL FOR UPDATE SKIP LOCKED
"""
_INSERT_VERSIONS = """
INSERT INTO subject_key (clinic_id, suite, kek_id, id, subject_id, scope, version, wrapped)
SELECT %s, %s, %s, * FROM unnest(%s::bigint[], %s::uuid[], %s::smallint[], %s::smallint[], %s::bytea[])
"""


def _usable_keks(clinic_id: UUID) -> list[int]:
    """The KEKs whose keys the application can open: those under a legal hold are none of its business."""
    keks = Kek.objects.filter(clinic_id=clinic_id, state__in=[KekState.ACTIVE, KekState.DECRYPT])
    return list(keks.values_list("pk", flat=True))


def _highest_versions(subjects: Iterable[UUID]) -> dict[tuple[UUID, int], int]:
    """The highest version of each subject's keys, living or not, by scope."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subject_id, scope, max(version) FROM subject_key WHERE subject_id = ANY (%s) GROUP BY 1, 2",
            [list(set(subjects))],
        )
        return {(subject_id, scope): version for subject_id, scope, version in cursor.fetchall()}


def _next_versions(clinic_id: UUID, rows: Sequence[Any], kek: Kek) -> list[Any]:
    suite = Suite(kek.suite)
    subjects = [row[0] for row in rows]
    scopes = [row[1] for row in rows]
    versions = [row[2] + 1 for row in rows]
    keys = [
        Clear(
            kek.provider_ref,
            suite,
            new_key(suite),
            subject_key_aad(
                clinic_id=clinic_id,
                subject_id=subject_id,
                scope=Scope(scope),
                version=version,
                suite=suite,
                kek_id=kek.pk,
            ),
        )
        for subject_id, scope, version in zip(subjects, scopes, versions, strict=True)
    ]
    ids = [new_key_id() for _row in rows]
    return [clinic_id, suite.value, kek.pk, ids, subjects, scopes, versions, provider().wrap(keys)]


# --- values -------------------------------------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What a walk sees of a value without opening it. `key_id` None: these bytes are no sealed value."""

    row_id: UUID
    subject_id: UUID
    key_id: int | None
    size: int


class ResealedPage(NamedTuple):
    """What one page did: how many headers it read, how many values it sealed again, how many it left, and how many do not open."""

    read: int
    changed: int
    left: int
    damaged: int


NOTHING: Final = ResealedPage(0, 0, 0, 0)


def headers(column: SealedColumn, clinic_id: UUID, *, after: UUID, limit: int = HEADERS) -> list[Header]:
    """Headers of the clinic's next values, in the order of their rows' ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            _HEADERS.format(**column.names()),
            [HEAD, clinic_id, after, limit],
        )
        return [Header(row[0], row[1], _key_id(bytes(row[2])), row[3]) for row in cursor.fetchall()]


_HEADERS = """
SELECT id, subject_id, substring({column} FROM 1 FOR %s), octet_length({column}) FROM {table}
WHERE clinic_id = %s AND id > %s AND {column} IS NOT NULL ORDER BY id LIMIT %s
"""
_COUNT = "SELECT count(*) FROM {table} WHERE clinic_id = %s AND {column} IS NOT NULL"
_BY_SUITE = """
SELECT get_byte({column}, 3), count(*) FROM {table} WHERE clinic_id = %s AND octet_length({column}) > 12 GROUP BY 1
"""


def _key_id(head: bytes) -> int | None:
    try:
        return wire.key_id_of(head)
    except Broken:
        return None


def count_values(column: SealedColumn, clinic_id: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(**column.names()), [clinic_id])
        return int(cursor.fetchone()[0])


def values_by_suite(column: SealedColumn, clinic_id: UUID) -> dict[Suite, int]:
    """How many values of the column are sealed in which suite, as their headers say."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_SUITE.format(**column.names()), [clinic_id])
        known = {int(suite) for suite in Suite}
        return {Suite(suite): count for suite, count in cursor.fetchall() if suite in known}


def reseal_page(job: KeyJob, column: SealedColumn, *, limit: int = PAGE) -> ResealedPage:
    """Open the job's next values of older keys, seal them under the newest, swap them in where nobody changed them; move the job.

    Every process must seal under the newest keys by now. A value that somebody changes or holds meanwhile is left for the next walk:
    nobody waits and no write is lost. One that does not open stays as it is. An empty page is the end of the table.
    """
    after = UUID(job.position) if job.position else FIRST_ROW
    seen = headers(column, job.clinic_id, after=after, limit=limit)
    newest = _newest_keys({header.subject_id for header in seen}, column.field.scope)
    old = [
        header
        for header in seen
        if header.key_id is not None and newest.get(header.subject_id, header.key_id) != header.key_id
    ]
    page = _as_much_as_fits(old)
    if len(page) < len(old):  # the page ends with its last old value; what was read beyond it is read again
        last = page[-1].row_id
        seen = [header for header in seen if header.row_id <= last]
    if not seen:
        return NOTHING
    swaps, damaged = _seal_again(column, page, newest)
    changed = _swap(column, swaps)
    advance(job, position=str(seen[-1].row_id), done=len(seen))
    return ResealedPage(len(seen), changed, len(page) - changed - damaged, damaged)


def _as_much_as_fits(page: Sequence[Header]) -> Sequence[Header]:
    """The first values that stay under BYTES together, and at least one."""
    totals = accumulate(header.size for header in page)
    return page[: max(1, sum(total <= BYTES for total in totals))]


def _newest_keys(subjects: Collection[UUID], scope: Scope) -> dict[UUID, int]:
    """Each subject's key that seals new values; a subject that was erased or lies under a hold has none."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [list(subjects), scope.value])
        return dict(cursor.fetchall())


_NEWEST = """
SELECT DISTINCT ON (k.subject_id) k.subject_id, k.id FROM subject_key k JOIN crypto_kek w ON w.id = k.kek_id
WHERE k.subject_id = ANY (%s) AND k.scope = %s AND k.wrapped IS NOT NULL AND w.state IN ('active', 'decrypt')
ORDER BY k.subject_id, k.version DESC
"""


class Swap(NamedTuple):
    row_id: UUID
    old: bytes
    new: bytes


def _seal_again(
    column: SealedColumn, page: Sequence[Header], newest: dict[UUID, int]
) -> tuple[list[Swap], int]:
    """The values of the page, sealed again, and how many of them do not open."""
    if not page:
        return [], 0
    field, swaps, damaged = column.field, [], 0
    rows = column.model._base_manager.filter(pk__in=[header.row_id for header in page]).only(
        "subject_id", "sealed_by_clinic", field.name
    )
    instances = list(rows)
    keyring.seal_under({newest[row.subject_id] for row in instances})  # type: ignore[attr-defined]  # of a sealed model
    for row in instances:
        held = row.__dict__[field.attname]
        if not isinstance(held, Sealed):  # emptied since its header was read
            continue
        try:
            sealed = field.seal(field.open(held, row), row)
        except (SealBroken, KeyRestricted) as error:
            logger.warning("%s of row %s is not sealed again: %s", column.label, row.pk, type(error).__name__)
            damaged += 1
            continue
        if wire.key_id_of(sealed.raw) == newest.get(row.subject_id):  # type: ignore[attr-defined]  # of a sealed model
            swaps.append(Swap(row.pk, held.raw, sealed.raw))
    return swaps, damaged


def _swap(column: SealedColumn, swaps: Sequence[Swap]) -> int:
    """Compare and swap; rows that somebody else holds are left out, so this can neither wait nor be part of a deadlock."""
    if not swaps:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _SWAP.format(**column.names()),
            [[swap.row_id for swap in swaps], [swap.old for swap in swaps], [swap.new for swap in swaps]],
        )
        return int(cursor.rowcount)


_SWAP = """
WITH new AS (SELECT * FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[]) AS n (id, old, new)),
free AS (
  SELECT t.id, new.new FROM {table} t JOIN new ON new.id = t.id WHERE t.{column} = new.old FOR UPDATE OF t SKIP LOCKED
)
UPDATE {table} t SET {column} = free.new FROM free WHERE t.id = free.id
"""


# --- the end of an old version --------------------------------------------------------------------------------------------------


def keys_of_older_suites(clinic_id: UUID) -> int:
    """How many living data keys are not of the active KEK's suite: they wait for their values, or seal what is only added to."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_OLDER_SUITES, [clinic_id, clinic_id])
        return int(cursor.fetchone()[0])


_OF_OLDER_SUITES = """
SELECT count(*) FROM subject_key WHERE clinic_id = %s AND wrapped IS NOT NULL
AND suite <> (SELECT suite FROM crypto_kek WHERE clinic_id = %s AND state = 'active' ORDER BY id DESC LIMIT 1)
"""


def living_keys(clinic_id: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LIVING, [clinic_id])
        return int(cursor.fetchone()[0])


_LIVING = "SELECT count(*) FROM subject_key WHERE clinic_id = %s AND wrapped IS NOT NULL"


def destroy_unused_page(job: KeyJob, used: Collection[int], *, limit: int = PAGE) -> tuple[int, int]:
    """Look at the next living keys, and destroy those that have a newer one and seal no value; how many of each.

    `used` are the keys that values name, from two walks with a wait for older transactions between them.
    """
    usable = _usable_keks(job.clinic_id)
    rows, position = next_keys(
        job, "subject_key", "k.id, k.subject_id, k.scope, k.version", usable, limit=limit
    )
    if not rows:
        return 0, 0
    with connection.cursor() as cursor:
        cursor.execute(_LIVING_VERSIONS, [list({row[1] for row in rows}), usable])
        newest = {(subject_id, scope): version for subject_id, scope, version in cursor.fetchall()}
        unused = [
            key_id
            for key_id, subject_id, scope, version in rows
            if version < newest.get((subject_id, scope), version) and key_id not in used
        ]
        cursor.execute(_DESTROY, [unused])
        destroyed = int(cursor.rowcount)
    advance(job, position=position, done=len(rows))
    return len(rows), destroyed


_LIVING_VERSIONS = """
SELECT subject_id, scope, max(version) FROM subject_key
WHERE subject_id = ANY (%s) AND kek_id = ANY (%s) AND wrapped IS NOT NULL GROUP BY 1, 2
"""
_DESTROY = """
WITH free AS (SELECT id FROM subject_key WHERE id = ANY (%s) AND wrapped IS NOT NULL FOR UPDATE SKIP LOCKED)
UPDATE subject_key k SET wrapped = NULL, destroyed_at = now() FROM free WHERE k.id = free.id
"""
