"""Whether every key that opens nothing any more ended as it should: the erasure ledger, an upload or a newer key says why."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max

from crypto import ledger
from crypto.core.ledger import Erasure
from crypto.errors import LedgerRefused
from crypto.models import IndexKey, Kek, KekState
from crypto.providers import provider
from crypto.rotation import HOLD_PROVIDER, keys_under
from crypto.soundness import PAGE, Check, Finding, Page


def checks() -> Iterator[Check]:
    yield _data_keys
    yield _clinic_keys


class Ended(NamedTuple):
    """A data key that is destroyed or held. `explained`: it was destroyed for a newer version, or with the upload it sealed."""

    key_id: int
    subject_id: UUID
    scope: int
    destroyed: bool
    explained: bool


def _data_keys(clinic_id: UUID, after: UUID) -> Page:
    subjects = [row[0] for row in _rows(_SUBJECTS, clinic_id, after, PAGE)]
    try:
        lines = ledger.read().erasures
    except LedgerRefused as error:
        return Page(0, [Finding("subject_key", ledger.LEDGER, str(error))])
    ends = [Ended(*row) for row in _rows(_ENDED, clinic_id, subjects)]
    of_ledger = _told_by(lines, {end.subject_id for end in ends})
    found = [
        Finding("subject_key", str(end.key_id), _WHY[end.destroyed])
        for end in ends
        if not end.explained and (end.subject_id, end.scope, end.destroyed) not in of_ledger
        and (end.key_id, end.destroyed) not in of_ledger
    ]  # fmt: skip
    return Page(len(ends), found, subjects[-1] if len(subjects) == PAGE else None)


_WHY: Final = {
    True: "is destroyed, and no erasure, no upload and no newer key says why",
    False: "is under the legal hold, and no erasure says why",
}
_OVER = "FROM subject_key k JOIN crypto_kek w ON w.id = k.kek_id WHERE k.clinic_id = %s AND (k.wrapped IS NULL OR w.state = 'hold')"
_SUBJECTS = f"SELECT DISTINCT k.subject_id {_OVER} AND k.subject_id > %s ORDER BY 1 LIMIT %s"
_ENDED = f"""
SELECT k.id, k.subject_id, k.scope, k.wrapped IS NULL, k.wrapped IS NULL AND (
  k.destroy_ref IS NULL AND EXISTS (SELECT FROM subject_key n
    WHERE n.subject_id = k.subject_id AND n.scope = k.scope AND n.version > k.version)
  OR EXISTS (SELECT FROM exchange_importbatch b WHERE b.id = k.destroy_ref AND b.subject_id = k.subject_id AND b.content IS NULL))
{_OVER} AND k.subject_id = ANY (%s)
"""  # noqa: S608  # words of ours


def _told_by(lines: tuple[Erasure, ...], subjects: set[UUID]) -> set[tuple[Any, ...]]:
    """What the ledger destroyed (True) and held (False): by the key, and by subject and scope."""
    told: set[tuple[Any, ...]] = set()
    for line in lines:
        told.update((key_id, True) for key_id in line.key_ids)
        told.update((key_id, False) for key_id in line.held_key_ids)
        for subject_id in subjects.intersection(line.subject_ids):
            told.update((subject_id, scope.value, True) for scope in line.destroyed)
            told.update((subject_id, scope.value, False) for scope in line.restricted)
    return told


def _clinic_keys(clinic_id: UUID, after: UUID) -> Page:
    """The clinic's key-encryption keys and its newest index secret; few enough for one page."""
    keks = list(Kek.objects.filter(clinic_id=clinic_id))
    found = [Finding("crypto_kek", str(kek.pk), why) for kek in keks if (why := _flaw(kek))]
    indexes = IndexKey.objects.filter(clinic_id=clinic_id)
    newest = indexes.aggregate(newest=Max("version"))["newest"]
    found += [
        Finding("index_key", str(key.pk), "is destroyed, and no newer one is there")
        for key in indexes.filter(version=newest).exclude(destroyed_at=None)
    ]
    return Page(len(keks), found)


def _flaw(kek: Kek) -> str:
    if kek.state == KekState.HOLD and kek.provider != HOLD_PROVIDER:
        return "is no key of the legal hold, and its record says so"
    if kek.state == KekState.DESTROYED and provider().exists(kek.provider_ref):
        return "is destroyed in its record, and there all the same"
    if kek.state == KekState.DESTROYED and keys_under(kek):
        return "is destroyed, and keys hang on it"
    return ""


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
