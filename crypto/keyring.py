"""Data keys and index secrets of this process: loaded in batches, kept for a minute, dropped when the epoch moves.

Every unit of work begins with `begin_unit(counter)`. A unit keeps the caches of the counter it read, so a transaction that
began before an erasure cannot leave the erased key to those that begin after it.
"""

from collections import deque
from collections.abc import Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from crypto.core.scopes import Scope
from crypto.core.suites import Aead, Broken, KeyedHash, Suite, aead, derive
from crypto.core.tokens import Index
from crypto.core.wire import LARGEST_KEY_ID, Binding, key_id_of
from crypto.core.wrap import index_key_aad, subject_key_aad
from crypto.errors import KeyDestroyed, KeyRestricted, KeysMissing, NoSuchKey, SealBroken
from crypto.kept import Kept
from crypto.providers import Wrapped, provider
from crypto.scope import note_broken

SECONDS_KEPT = 60.0
KEYS_KEPT = 10_000
PENDING_KEPT = 10_000
MARK = "mark"  # no index has this label
_SUITES = frozenset(int(suite) for suite in Suite)


@dataclass(slots=True, eq=False)
class DataKey:
    """The key of one subject and scope, ready for use. `cipher` is None when the key was destroyed, is held, or is broken."""

    id: int
    subject_id: UUID
    scope: Scope
    suite: Suite
    cipher: Aead | None
    secret: bytes = field(repr=False)
    held: bool = False
    broken: bool = False
    _commitments: KeyedHash | None = field(default=None, repr=False)
    _bindings: dict[str, Binding] = field(default_factory=dict, repr=False)

    def binding(self, clinic_id: UUID, name: str) -> Binding:
        """What values of the field `name`, sealed by this clinic under this key, are bound to. The latest clinic is at hand."""
        binding = self._bindings.get(name)
        if binding is None or binding.clinic != clinic_id.int:
            binding = Binding(self.suite, self.id, clinic_id=clinic_id, name=name, subject_id=self.subject_id)
            self._bindings[name] = binding
        return binding

    @property
    def commitments(self) -> KeyedHash:
        """The keyed hash of audit commitments; it dies with the data key."""
        if self._commitments is None:
            self._commitments = KeyedHash(self.suite, derive(self.suite, self.secret, "audit-commit"))
        return self._commitments


@dataclass(frozen=True, slots=True)
class IndexSecret:
    """One version of a clinic's blind-index secret."""

    version: int
    suite: Suite
    secret: bytes = field(repr=False)
    _hashes: dict[str, KeyedHash] = field(default_factory=dict, repr=False)

    def hash_for(self, index: Index) -> KeyedHash:
        """The keyed hash of one index, under a key of its own."""
        return self._hash_of(index.label)

    def mark_of(self, subject_id: UUID) -> bytes:
        """16 bytes that stand for a subject and say nothing of them without the secret."""
        return self._hash_of(MARK).digest(subject_id.bytes)[:16]

    def _hash_of(self, use: str) -> KeyedHash:
        hashed = self._hashes.get(use)
        if hashed is None:
            hashed = self._hashes[use] = KeyedHash(self.suite, derive(self.suite, self.secret, use))
        return hashed


class ActiveKek(NamedTuple):
    """The KEK that wraps a clinic's new keys."""

    id: int
    suite: Suite
    reference: str


class Caches:
    """What the process keeps while the epoch's counter stays the same."""

    def __init__(self, counter: int | None) -> None:
        self.counter = counter
        self.keys: Kept[int, DataKey] = Kept(KEYS_KEPT, SECONDS_KEPT)
        self.sealing: Kept[tuple[UUID, Scope], DataKey] = Kept(KEYS_KEPT, SECONDS_KEPT)
        self.active_keks: Kept[UUID, ActiveKek] = Kept(KEYS_KEPT, SECONDS_KEPT)
        self.index_secrets: Kept[UUID, tuple[IndexSecret, ...]] = Kept(KEYS_KEPT, SECONDS_KEPT)
        # of a clinic, kept by the floor above
        self.marks: Kept[UUID, frozenset[bytes]] = Kept(KEYS_KEPT, SECONDS_KEPT)

    def drop_expired(self) -> None:
        for kept in (self.keys, self.sealing, self.active_keks, self.index_secrets, self.marks):
            kept.drop_expired()


class Unit:
    """What one unit of work knows: keys it will need, and keys it made and has not committed."""

    def __init__(self, caches: Caches) -> None:
        self.caches = caches
        self.pending: deque[bytes] = deque(maxlen=PENDING_KEPT)
        self.expect = self.pending.append
        """Called with the id of the key of each value that is read; the first opening loads all expected keys at once."""
        self.fresh: dict[tuple[UUID, Scope], DataKey] = {}
        self.broken: dict[int, DataKey] = {}

    def remember(self, key: DataKey) -> None:
        """Keep a key that was loaded; a broken one for this unit alone, so that its repair shows at once."""
        if key.broken:
            self.broken[key.id] = key
        else:
            self.caches.keys.put(key.id, key)

    def expected(self) -> list[int]:
        """The ids of the keys that were expected and not asked for since; what no key can have is left out."""
        ids = [int.from_bytes(key_id, "big") for key_id in dict.fromkeys(self.pending)]
        self.pending.clear()
        return [key_id for key_id in ids if key_id <= LARGEST_KEY_ID]


_caches = Caches(None)
_unit: ContextVar[Unit | None] = ContextVar("crypto_unit", default=None)


def unit() -> Unit:
    current = _unit.get()
    if current is None:
        current = Unit(_caches)
        _unit.set(current)
    return current


def begin_unit(counter: int | None) -> None:
    """Start a unit of work under the epoch's counter: caches of another counter are left behind, KEKs among them."""
    global _caches
    if counter is None or counter != _caches.counter:
        _caches = Caches(counter)
        _forget_keks()
    else:
        _caches.drop_expired()
    _unit.set(Unit(_caches))


def forget_everything() -> None:
    """Empty the caches of this process."""
    global _caches
    _caches = Caches(None)
    _forget_keks()
    _unit.set(None)


def _forget_keks() -> None:
    try:
        provider().forget()
    except KeysMissing:  # no store is named: then nothing of it is kept, and pages without sealed data go on
        return


# --- data keys ------------------------------------------------------------------------------------------------------

_COLUMNS = """
SELECT k.id, k.subject_id, k.clinic_id, k.scope, k.version, k.suite, k.kek_id, k.wrapped, k.created_at < now(),
       kek.suite, kek.provider_ref, kek.state = 'hold' AND k.wrapped IS NOT NULL
FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id
"""
_BY_ID = _COLUMNS + "WHERE k.id = ANY (%s)"
_BY_SUBJECT = _COLUMNS + "WHERE k.subject_id = ANY (%s) AND k.destroyed_at IS NULL ORDER BY k.version"


def key_of_value(raw: bytes) -> DataKey:
    """The data key that sealed these bytes. Raises Broken when they are no sealed value, and as `key_of` does.

    A key that is at hand is found by its number alone: whoever opens the value compares the whole header with the key's.
    """
    key = (_unit.get() or unit()).caches.keys.get(int.from_bytes(raw[4:12], "big"))
    return key if key is not None and key.cipher is not None else key_of(key_id_of(raw))


def key_of(key_id: int) -> DataKey:
    """The data key of this id. Raises KeyDestroyed, KeyRestricted, and SealBroken when there is none in the clinics in hand."""
    current = unit()
    key = current.broken.get(key_id) or current.caches.keys.get(key_id)
    if key is None:
        loaded = _load_expected(key_id, current)
        for found in loaded.values():
            current.remember(found)
        key = loaded.get(key_id)
    if key is None:
        raise NoSuchKey(f"no data key {key_id}")
    if key.held:
        raise KeyRestricted(f"data key {key_id} is held")
    if key.broken:
        raise SealBroken(f"data key {key_id} does not open: its record was changed")
    if key.cipher is None:
        raise KeyDestroyed(f"data key {key_id} was destroyed")
    return key


def _load_expected(key_id: int, current: Unit) -> dict[int, DataKey]:
    """This key and all that are expected, in one query; when a key-encryption key of the others is away, this key alone."""
    wanted = [k for k in dict.fromkeys((key_id, *current.expected())) if current.caches.keys.get(k) is None]
    try:
        return {key.id: key for key, _committed in _load(_BY_ID, wanted)}
    except KeysMissing:
        return {key.id: key for key, _committed in _load(_BY_ID, [key_id])}


def sealing_key(subject_id: UUID, scope: Scope) -> DataKey:
    """The key that seals new values. Raises KeyRestricted, and KeysMissing when the subject has none in this scope."""
    key = _known_sealing_key(subject_id, scope)
    if key is None:
        load_sealing_keys((subject_id,))
        key = _known_sealing_key(subject_id, scope)
    if key is None:
        raise KeysMissing(f"subject {subject_id} has no key of scope {scope.name}")
    if key.held:
        raise KeyRestricted(f"data key {key.id} is held")
    if key.broken:
        raise SealBroken(f"data key {key.id} does not open: its record was changed")
    return key


def _known_sealing_key(subject_id: UUID, scope: Scope) -> DataKey | None:
    current = unit()
    return current.fresh.get((subject_id, scope)) or current.caches.sealing.get((subject_id, scope))


def load_sealing_keys(subject_ids: Iterable[UUID]) -> None:
    """Load every scope's newest key of these subjects in one query, except those that are known."""
    wanted = [
        s for s in dict.fromkeys(subject_ids) if all(_known_sealing_key(s, scope) is None for scope in Scope)
    ]
    current = unit()
    for key, committed in _load(_BY_SUBJECT, wanted):
        keep(key, committed=committed, in_unit=current)


def seal_under(key_ids: Collection[int]) -> None:
    """Load these keys, in one query, as those under which this unit of work seals: the newest of their subjects and scopes."""
    current = unit()
    for key, _committed in _load(_BY_ID, key_ids):
        keep(key, committed=False, in_unit=current)


def keep(key: DataKey, *, committed: bool, in_unit: Unit) -> None:
    """Remember a key. One this transaction made is kept for the unit alone: it may yet be rolled back."""
    in_unit.remember(key)
    if committed and not key.broken:
        in_unit.caches.sealing.put((key.subject_id, key.scope), key)
    else:
        in_unit.fresh[key.subject_id, key.scope] = key


def _load(query: str, wanted: Collection[int] | Collection[UUID]) -> list[tuple[DataKey, bool]]:
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(query, [list(wanted)])
        rows = cursor.fetchall()
    secrets = iter(_unwrap([_wrapped_key(row) for row in rows if _opens(row)]))
    found = [(_data_key(row, next(secrets) if _opens(row) else None), bool(row[8])) for row in rows]
    for (key, _committed), row in zip(found, rows, strict=True):
        if key.broken:
            note_broken(row[2], key.subject_id, "subject_key", key.id)
    return found


def _opens(row: tuple[Any, ...]) -> bool:
    """Whether this key was neither destroyed nor put under a legal hold, and its record names a suite there is."""
    return row[7] is not None and not row[11] and row[5] in _SUITES


def _wrapped_key(row: tuple[Any, ...]) -> Wrapped:
    (
        _id,
        subject_id,
        clinic_id,
        scope,
        version,
        suite,
        kek_id,
        wrapped,
        _committed,
        kek_suite,
        reference,
        _held,
    ) = row
    aad = subject_key_aad(
        clinic_id=clinic_id,
        subject_id=subject_id,
        scope=Scope(scope),
        version=version,
        suite=Suite(suite),
        kek_id=kek_id,
    )
    return Wrapped(reference, Suite(kek_suite), bytes(wrapped), aad)


def _data_key(row: tuple[Any, ...], secret: bytes | None) -> DataKey:
    suite = Suite(row[5]) if row[5] in _SUITES else Suite.AES_256_GCM  # without a cipher it is never asked
    cipher = None if secret is None else aead(suite, secret)
    broken = secret is None and row[7] is not None and not row[11]
    return DataKey(
        row[0], row[1], Scope(row[3]), suite, cipher, secret or b"", held=bool(row[11]), broken=broken
    )


def _unwrap(items: list[Wrapped]) -> list[bytes | None]:
    """None for a key that does not open: the damage of one is not the others'. Halving finds it in few calls."""
    try:
        return list(provider().unwrap(items)) if items else []
    except Broken:
        half = len(items) // 2
        return _unwrap(items[:half]) + _unwrap(items[half:]) if half else [None]


# --- keys of a clinic ----------------------------------------------------------------------------------------------------

_ACTIVE_KEK = """
SELECT id, suite, provider_ref, created_at < now() FROM crypto_kek
WHERE clinic_id = %s AND state = 'active' ORDER BY id DESC LIMIT 1
"""


def active_kek(clinic_id: UUID) -> ActiveKek:
    """Raises KeysMissing when the clinic has none: its keys were never opened."""
    caches = unit().caches
    kek = caches.active_keks.get(clinic_id)
    if kek is None:
        with connection.cursor() as cursor:
            cursor.execute(_ACTIVE_KEK, [clinic_id])
            row = cursor.fetchone()
        if row is None:
            raise KeysMissing(f"clinic {clinic_id} has no active key: open its keys first")
        kek = ActiveKek(row[0], Suite(row[1]), row[2])
        if row[3]:
            caches.active_keks.put(clinic_id, kek)
    return kek


_INDEX_KEYS = """
SELECT k.version, k.kek_id, k.wrapped, k.created_at < now(), kek.suite, kek.provider_ref
FROM index_key k JOIN crypto_kek kek ON kek.id = k.kek_id
WHERE k.clinic_id = %s AND k.destroyed_at IS NULL ORDER BY k.version
"""


def index_secrets(clinic_id: UUID) -> tuple[IndexSecret, ...]:
    """Every living version of the clinic's index secret. Raises KeysMissing when there is none."""
    caches = unit().caches
    secrets = caches.index_secrets.get(clinic_id)
    if secrets is None:
        with connection.cursor() as cursor:
            cursor.execute(_INDEX_KEYS, [clinic_id])
            rows = cursor.fetchall()
        if not rows:
            raise KeysMissing(f"clinic {clinic_id} has no index key")
        secrets = _index_secrets(clinic_id, rows)
        if all(committed for *_, committed, _suite, _reference in rows):
            caches.index_secrets.put(clinic_id, secrets)
    return secrets


def _index_secrets(clinic_id: UUID, rows: list[tuple[Any, ...]]) -> tuple[IndexSecret, ...]:
    items = [
        Wrapped(
            reference,
            Suite(suite),
            bytes(wrapped),
            index_key_aad(clinic_id=clinic_id, version=version, suite=Suite(suite), kek_id=kek_id),
        )
        for version, kek_id, wrapped, _committed, suite, reference in rows
    ]
    found = []
    for row, item, secret in zip(rows, items, _unwrap(items), strict=True):
        if secret is None:
            note_broken(clinic_id, None, "index_key", row[0])
            raise SealBroken(
                f"index key {row[0]} of clinic {clinic_id} does not open: its record was changed"
            )
        found.append(IndexSecret(row[0], item.suite, secret))
    return tuple(found)
