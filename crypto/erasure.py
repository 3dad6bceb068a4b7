"""Destroying keys, and putting them under the legal hold. Whoever asks for it, and in which order, stands above.

Everything here runs in the caller's transaction and concerns the clinics in hand; doing it twice changes nothing more.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from crypto import hold, keyring
from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite
from crypto.core.wrap import file_key_aad, subject_key_aad
from crypto.errors import KeysMissing, SealBroken
from crypto.files import remove_bytes as remove_file_bytes
from crypto.models import Kek, KekState, SealedFile
from crypto.providers import Clear, Wrapped, provider

HOLD = "hold"  # the provider of a record whose key is nowhere here
NO_END = datetime(9999, 12, 31, tzinfo=UTC)


# --- destroying ---------------------------------------------------------------------------------------------------------

_DESTROY_KEYS = """
UPDATE subject_key SET wrapped = NULL, destroyed_at = %s, destroy_ref = %s
WHERE destroyed_at IS NULL AND subject_id = ANY (%s) AND scope = ANY (%s) RETURNING id
"""
_DESTROY_LISTED = """
UPDATE subject_key SET wrapped = NULL, destroyed_at = %s, destroy_ref = %s
WHERE destroyed_at IS NULL AND id = ANY (%s) RETURNING id
"""
_DESTROY_FILES = """
UPDATE sealed_file SET wrapped = NULL, destroyed_at = %s
WHERE destroyed_at IS NULL AND subject_id = ANY (%s) AND scope = ANY (%s) RETURNING id
"""


def destroy_subject_keys(
    subject_ids: Collection[UUID], scopes: Collection[Scope], *, at: datetime, reference: UUID
) -> list[int]:
    """Destroy every version of these scopes' data keys, held ones too. Answers the ids of those that were alive."""
    _lock_keys(subject_ids)
    return [row[0] for row in _run(_DESTROY_KEYS, [at, reference, _ids(subject_ids), _numbers(scopes)])]


def _lock_keys(subject_ids: Collection[UUID]) -> None:
    """A change of suite makes new versions of keys nobody holds: after this one has ended, the next statement sees them all."""
    _run("SELECT id FROM subject_key WHERE subject_id = ANY (%s) ORDER BY id FOR UPDATE", [_ids(subject_ids)])


def destroy_listed_keys(key_ids: Collection[int], *, at: datetime, reference: UUID) -> list[int]:
    """Destroy data keys by their numbers, as a line of the ledger gives them. Answers the ids of those that were alive."""
    return [row[0] for row in _run(_DESTROY_LISTED, [at, reference, list(key_ids)])]


def destroy_file_keys(
    subject_ids: Collection[UUID], scopes: Collection[Scope], *, at: datetime
) -> list[UUID]:
    """Destroy the keys of these subjects' files. Their bytes are removed by `remove_bytes` once this is committed."""
    return [row[0] for row in _run(_DESTROY_FILES, [at, _ids(subject_ids), _numbers(scopes)])]


def destroyed_files(subject_ids: Collection[UUID]) -> list[SealedFile]:
    """Files of these subjects whose key was destroyed, earlier ones too: a crash may have left their bytes."""
    return list(SealedFile.objects.filter(subject_id__in=_ids(subject_ids), destroyed_at__isnull=False))


def remove_bytes(files: Iterable[SealedFile]) -> None:
    """Take the bytes away: nothing opens them any more. A file that is gone already is no error. Raises FilesUnavailable."""
    for file in files:
        remove_file_bytes(file)


def living_keys(key_ids: Collection[int]) -> set[int]:
    """Which of these data keys are not destroyed, as after a restore."""
    if not key_ids:
        return set()
    rows = _run("SELECT id FROM subject_key WHERE destroyed_at IS NULL AND id = ANY (%s)", [list(key_ids)])
    return {row[0] for row in rows}


def usable_keys(key_ids: Collection[int]) -> set[int]:
    """Which of these data keys are neither destroyed nor held."""
    rows = _run(
        "SELECT k.id FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id"
        " WHERE k.destroyed_at IS NULL AND kek.state <> 'hold' AND k.id = ANY (%s)",
        [list(key_ids)],
    )
    return {row[0] for row in rows}


def has_keys(subject_ids: Collection[UUID], scopes: Collection[Scope]) -> bool:
    """Whether a key of these scopes, of data or of a file, is not destroyed."""
    values = [_ids(subject_ids), _numbers(scopes)]
    return bool(_run(_HAS_KEYS, [*values, *values])[0][0])


def has_usable_keys(subject_ids: Collection[UUID]) -> bool:
    """Whether there is a key the application can still use: neither destroyed nor held."""
    return bool(_run(_HAS_USABLE_KEYS, [_ids(subject_ids), _ids(subject_ids)])[0][0])


def whole_subjects(subject_ids: Collection[UUID]) -> set[UUID]:
    """Those of whom the application can still use every key there ever was: none is destroyed, none held."""
    return {row[0] for row in _run(_WHOLE, [_ids(subject_ids)])}


_WHOLE = """
SELECT k.subject_id FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id WHERE k.subject_id = ANY (%s)
GROUP BY k.subject_id HAVING bool_and(k.destroyed_at IS NULL AND kek.state <> 'hold')
"""
_HAS_KEYS = """
SELECT EXISTS (SELECT FROM subject_key WHERE destroyed_at IS NULL AND subject_id = ANY (%s) AND scope = ANY (%s))
    OR EXISTS (SELECT FROM sealed_file WHERE destroyed_at IS NULL AND subject_id = ANY (%s) AND scope = ANY (%s))
"""
_HAS_USABLE_KEYS = """
SELECT EXISTS (SELECT FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id
                WHERE k.destroyed_at IS NULL AND kek.state <> 'hold' AND k.subject_id = ANY (%s))
    OR EXISTS (SELECT FROM sealed_file f JOIN crypto_kek kek ON kek.id = f.kek_id
                WHERE f.destroyed_at IS NULL AND kek.state <> 'hold' AND f.subject_id = ANY (%s))
"""


# --- the legal hold -------------------------------------------------------------------------------------------------------

_KEYS_TO_HOLD = """
SELECT k.id, k.clinic_id, k.subject_id, k.scope, k.version, k.suite, k.kek_id, k.wrapped, kek.suite, kek.provider_ref
FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id
WHERE k.destroyed_at IS NULL AND (kek.state = 'hold') = %s AND k.subject_id = ANY (%s) AND k.scope = ANY (%s)
ORDER BY k.id FOR UPDATE OF k
"""
_FILES_TO_HOLD = """
SELECT f.id, f.clinic_id, f.subject_id, f.scope, 0, f.suite, f.kek_id, f.wrapped, kek.suite, kek.provider_ref
FROM sealed_file f JOIN crypto_kek kek ON kek.id = f.kek_id
WHERE f.destroyed_at IS NULL AND (kek.state = 'hold') = %s AND f.subject_id = ANY (%s) AND f.scope = ANY (%s)
ORDER BY f.id FOR UPDATE OF f
"""
_PUT_KEY = "UPDATE subject_key SET kek_id = %s, wrapped = %s WHERE id = %s"
_PUT_FILE = "UPDATE sealed_file SET kek_id = %s, wrapped = %s WHERE id = %s"


class Hold(NamedTuple):
    """The record under which a clinic's keys are put away, and the public key they are wrapped to."""

    kek_id: int
    public: bytes


def hold_of(clinic_id: UUID) -> Hold:
    """Made on first use, one for each clinic and pair. Raises HoldMissing, KeysMissing."""
    public = hold.read_public()
    kek, _made = Kek.objects.get_or_create(
        provider_ref=f"hold-{sha256(public).hexdigest()[:16]}-{clinic_id.hex}",
        defaults={
            "clinic_id": clinic_id,
            "suite": hold.SUITE,
            "provider": HOLD,
            "state": KekState.HOLD,
            "not_after": NO_END,
        },
    )
    return Hold(kek.pk, public)


@dataclass(frozen=True, slots=True)
class _Row:
    """A wrapped key of a subject or a file, as its table holds it."""

    id: Any
    clinic_id: UUID
    subject_id: UUID
    scope: Scope
    version: int
    suite: Suite
    kek_id: int
    wrapped: bytes
    kek_suite: Suite
    reference: str

    def key_aad(self, kek_id: int) -> bytes:
        return subject_key_aad(
            clinic_id=self.clinic_id,
            subject_id=self.subject_id,
            scope=self.scope,
            version=self.version,
            suite=self.suite,
            kek_id=kek_id,
        )

    def file_aad(self, kek_id: int) -> bytes:
        return file_key_aad(
            clinic_id=self.clinic_id,
            subject_id=self.subject_id,
            file_id=self.id,
            suite=self.suite,
            kek_id=kek_id,
        )


Binding = Callable[[_Row, int], bytes]
_KINDS: tuple[tuple[str, str, Binding], ...] = (
    (_KEYS_TO_HOLD, _PUT_KEY, _Row.key_aad),
    (_FILES_TO_HOLD, _PUT_FILE, _Row.file_aad),
)


@dataclass(frozen=True, slots=True)
class Held:
    """What was put under the hold. `lost` counts keys whose KEK is gone: nobody can open them here, nor put them away."""

    key_ids: tuple[int, ...]
    file_ids: tuple[UUID, ...]
    lost: int = 0


def hold_keys(
    clinic_id: UUID, subject_ids: Collection[UUID], scopes: Collection[Scope], *, lost_is_fine: bool = False
) -> Held:
    """Wrap these scopes' keys, of data and of files, to the hold's public key. From then on nothing here opens them.

    Raises HoldMissing, KeysMissing, SealBroken. `lost_is_fine`: a key that does not open any more, as in a dump older than
    its key-encryption key, is left as it is instead.
    """
    place = hold_of(clinic_id)
    _lock_keys(subject_ids)
    held: list[list[Any]] = []
    lost = 0
    for select, put, binding in _KINDS:
        rows = _rows(select, False, subject_ids, scopes)
        held.append([])
        for row in rows:
            try:
                key = _unwrapped([row], binding)[0]
            except (KeysMissing, SealBroken) as error:
                away = isinstance(error, KeysMissing) and provider().exists(row.reference)
                if away or not lost_is_fine:
                    raise
                lost += 1
                continue
            wrapped = hold.put_away(place.public, key, binding(row, place.kek_id))
            _execute(put, [place.kek_id, wrapped, row.id])
            held[-1].append(row.id)
    return Held(tuple(held[0]), tuple(held[1]), lost)


def release_keys(
    clinic_id: UUID, subject_ids: Collection[UUID], scopes: Collection[Scope], *, private: bytes
) -> Held:
    """Wrap held keys back under the clinic's key-encryption key. Raises SealBroken when `private` is not the hold's."""
    kek = keyring.active_kek(clinic_id)
    released: list[list[Any]] = []
    for select, put, binding in _KINDS:
        rows = _rows(select, True, subject_ids, scopes)
        keys = [hold.open_held(private, row.wrapped, binding(row, row.kek_id)) for row in rows]
        wrapped = provider().wrap(
            [
                Clear(kek.reference, kek.suite, key, binding(row, kek.id))
                for row, key in zip(rows, keys, strict=True)
            ]
        )
        for row, sealed in zip(rows, wrapped, strict=True):
            _execute(put, [kek.id, sealed, row.id])
        released.append([row.id for row in rows])
    return Held(tuple(released[0]), tuple(released[1]))


def _rows(select: str, held: bool, subject_ids: Collection[UUID], scopes: Collection[Scope]) -> list[_Row]:
    return [
        _Row(
            row[0],
            row[1],
            row[2],
            Scope(row[3]),
            row[4],
            Suite(row[5]),
            row[6],
            bytes(row[7]),
            Suite(row[8]),
            row[9],
        )
        for row in _run(select, [held, _ids(subject_ids), _numbers(scopes)])
    ]


def _unwrapped(rows: Sequence[_Row], binding: Binding) -> list[bytes]:
    items = [Wrapped(row.reference, row.kek_suite, row.wrapped, binding(row, row.kek_id)) for row in rows]
    try:
        return provider().unwrap(items)
    except Broken as error:
        raise SealBroken("a wrapped key does not open: its record was changed") from error


def _ids(subject_ids: Collection[UUID]) -> list[UUID]:
    return sorted(set(subject_ids))


def _numbers(scopes: Collection[Scope]) -> list[int]:
    return sorted(int(scope) for scope in scopes)


def _run(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
