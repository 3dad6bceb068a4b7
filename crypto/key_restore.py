"""Newer wraps from a copy of the key tables into a database that was restored from an older dump.

A copy is believed only where something else bears it out: a wrap is replaced only where its key-encryption key is gone, and only by
one that opens; a key becomes destroyed only when the erasure ledger knows of it, and a key-encryption key only when the provider has
it no more. What is destroyed here stays destroyed. The functions work in the caller's transaction.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max

from crypto.core.suites import Broken, Suite
from crypto.core.wrap import index_key_aad
from crypto.errors import KeysMissing
from crypto.jobs import open_job, restart
from crypto.key_tables import CopyRefused
from crypto.models import IndexKey, JobKind, Kek, KekState
from crypto.providers import Wrapped, provider
from crypto.rotation import NEW_TOKENS, WrappedTable
from crypto.services import create_index_key

Row = dict[str, Any]
AGES: Final = [KekState.ACTIVE, KekState.DECRYPT, KekState.DESTROYED]


class PutBack(NamedTuple):
    """How many keys of a page got a newer wrap, which became destroyed, and how many still open nowhere."""

    wrapped: int
    destroyed: list[int]
    closed: int


def put_back_keks(rows: Sequence[Row], clinics: Collection[UUID]) -> list[int]:
    """The records of key-encryption keys of these clinics, as the copy has them, where it is ahead; answers which.

    Raises CopyRefused.
    """
    known = {kek.pk: kek for kek in Kek.objects.filter(clinic_id__in=clinics)}
    wanted = [row for row in rows if row["clinic_id"] in clinics]
    for row in wanted:
        kek = known.get(row["id"])
        if kek is not None and kek.provider_ref != row["provider_ref"]:
            raise CopyRefused(f"this database has begun a key-encryption key {kek.pk} of its own")
    ahead = [row for row in wanted if _is_ahead(known.get(row["id"]), row)]
    for row in sorted(ahead, key=lambda row: row["state"] == KekState.ACTIVE):  # one active KEK at a time
        if row["id"] in known:
            Kek.objects.filter(pk=row["id"]).update(state=row["state"])
        else:
            Kek.objects.create(**row)
    with connection.cursor() as cursor:
        cursor.execute(_PAST_NUMBERS, [max((row["id"] for row in wanted), default=0)])
    return [row["id"] for row in ahead]


def _is_ahead(kek: Kek | None, row: Row) -> bool:
    if row["state"] == KekState.DESTROYED and provider().exists(row["provider_ref"]):
        return False
    if kek is None:
        return True
    return (
        kek.state in AGES
        and row["state"] in AGES
        and AGES.index(row["state"]) > AGES.index(KekState(kek.state))
    )


# The numbers of the copy's records must not be given again; `setval` is not this role's to call.
_PAST_NUMBERS = """
WITH seq AS (SELECT pg_get_serial_sequence('crypto_kek', 'id')::regclass AS name)
SELECT nextval(name) FROM seq, generate_series(coalesce(pg_sequence_last_value(name), 0) + 1, %s)
"""


def keks_gone(clinics: Collection[UUID]) -> set[int]:
    """The KEKs that open nothing any more: destroyed, or not in the provider."""
    return {
        kek.pk
        for kek in Kek.objects.filter(clinic_id__in=clinics).exclude(state=KekState.HOLD)
        if kek.state == KekState.DESTROYED or not provider().exists(kek.provider_ref)
    }


def put_back_keys(
    table: WrappedTable, rows: Sequence[Row], gone: Collection[int], erasures: Collection[UUID]
) -> PutBack:
    """Newer wraps of a page of data keys or file keys. `erasures` are the references of the lines of the erasure ledger."""
    with connection.cursor() as cursor:
        destroyed: list[int] = []
        for row in rows:
            if row.get("destroy_ref") in erasures:
                cursor.execute(_DESTROY_SUBJECT_KEY, [row["destroyed_at"], row["destroy_ref"], row["id"]])
                destroyed += [found[0] for found in cursor.fetchall()]
        cursor.execute(
            f"SELECT id FROM {table.name} WHERE id = ANY (%s::{table.id_type}[]) AND kek_id = ANY (%s) AND wrapped IS NOT NULL",  # noqa: S608
            [[str(row["id"]) for row in rows], list(gone)],
        )
        closed = {row[0] for row in cursor.fetchall()}
        opening = _those_that_open(table, [row for row in rows if row["id"] in closed and row["wrapped"]])
        cursor.execute(
            _PUT_BACK.format(table=table.name, id_type=table.id_type),
            [
                [str(row["id"]) for row in opening],
                [row["kek_id"] for row in opening],
                [row["wrapped"] for row in opening],
            ],
        )
    return PutBack(len(opening), destroyed, len(closed) - len(opening))


_DESTROY_SUBJECT_KEY = """
UPDATE subject_key SET wrapped = NULL, destroyed_at = %s, destroy_ref = %s WHERE id = %s AND wrapped IS NOT NULL
RETURNING id
"""
_PUT_BACK = """
UPDATE {table} k SET kek_id = n.kek_id, wrapped = n.wrapped
FROM unnest(%s::{id_type}[], %s::int[], %s::bytea[]) AS n (id, kek_id, wrapped) WHERE k.id = n.id AND k.wrapped IS NOT NULL
"""


def _those_that_open(table: WrappedTable, rows: Sequence[Row]) -> list[Row]:
    """Held ones are believed: the application cannot open them, whoever wrapped them."""
    keks = Kek.objects.in_bulk({row["kek_id"] for row in rows})
    return [
        row
        for row in rows
        if (kek := keks.get(row["kek_id"])) and (kek.state == KekState.HOLD or _opens(table, row, kek))
    ]


def _opens(table: WrappedTable, row: Row, kek: Kek) -> bool:
    bound = [row[column.strip().removeprefix("k.")] for column in table.bound.split(",")]
    aad = table.aad(row["id"], *bound, clinic_id=row["clinic_id"], kek_id=kek.pk)
    return _unwraps(kek, row["wrapped"], aad)


def _unwraps(kek: Kek, wrapped: bytes, aad: bytes) -> bool:
    try:
        provider().unwrap([Wrapped(kek.provider_ref, Suite(kek.suite), wrapped, aad)])
    except (Broken, KeysMissing):
        return False
    return True


def end_lost_index_keys(clinic_id: UUID, rows: Sequence[Row], gone: Collection[int]) -> int:
    """Destroy the index secrets that are lost, or destroyed in the copy; says how many."""
    retired = [row["version"] for row in rows if row["wrapped"] is None]
    with connection.cursor() as cursor:
        cursor.execute(_DESTROY_INDEX_KEYS, [clinic_id, retired, list(gone)])
        return int(cursor.rowcount)


_DESTROY_INDEX_KEYS = """
UPDATE index_key SET wrapped = NULL, destroyed_at = now()
WHERE clinic_id = %s AND (version = ANY (%s) OR kek_id = ANY (%s)) AND wrapped IS NOT NULL
"""


def put_back_index_keys(clinic_id: UUID, rows: Sequence[Row], gone: Collection[int]) -> int:
    """The clinic's index secrets that the copy has and the database lacks; says how many. Left without one, it gets a new one."""
    there = set(IndexKey.objects.filter(clinic_id=clinic_id).values_list("version", flat=True))
    added = 0
    for row in rows:
        kek = Kek.objects.filter(pk=row["kek_id"]).exclude(pk__in=gone).first()
        if row["wrapped"] is None or row["version"] in there or kek is None:
            continue
        aad = index_key_aad(
            clinic_id=clinic_id, version=row["version"], suite=Suite(kek.suite), kek_id=kek.pk
        )
        if _unwraps(kek, row["wrapped"], aad):
            IndexKey.objects.create(
                clinic_id=clinic_id, version=row["version"], kek=kek, wrapped=row["wrapped"]
            )
            added += 1
    if not IndexKey.objects.filter(clinic_id=clinic_id, destroyed_at=None).exists():
        _new_index_key(clinic_id)
    return added


def build_tokens_anew(clinic_id: UUID, *, people: int) -> None:
    """Open the job, or begin it again, that gives everybody search tokens of the newest index secret."""
    restart(open_job(clinic_id, JobKind.INDEX, NEW_TOKENS, total=people))


def _new_index_key(clinic_id: UUID) -> None:
    kek = Kek.objects.filter(clinic_id=clinic_id, state=KekState.ACTIVE).order_by("-pk").first()
    if kek is None:
        raise KeysMissing(f"clinic {clinic_id} has no active key")
    latest = IndexKey.objects.filter(clinic_id=clinic_id).aggregate(latest=Max("version"))["latest"]
    create_index_key(kek, version=(latest or 0) + 1)
