"""A thief: an old dump, the newest tables, the root key and every key file that is left. Uses `crypto.core` and nothing else."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg2.extensions import connection as Connection

from crypto.core import chunks, wire
from crypto.core.chunks import Chunks
from crypto.core.scopes import Scope
from crypto.core.suites import Aead, Broken, KeyedHash, Suite, aead, derive
from crypto.core.tokens import Index, terms, token
from crypto.core.wrap import file_key_aad, index_key_aad, kek_file_aad, subject_key_aad, unwrap


@dataclass(frozen=True, slots=True)
class Column:
    """A column of sealed values, and the name its values are bound to."""

    table: str
    column: str
    name: str


@dataclass(slots=True)
class Loot:
    """What opened, and all there was, by subject."""

    opened: Counter[UUID] = field(default_factory=Counter)
    there: Counter[UUID] = field(default_factory=Counter)

    def whole(self, subject_id: UUID) -> bool:
        return 0 < self.there[subject_id] == self.opened[subject_id]


class Thief:
    """`dumps` are connections to every copy of the database that was stolen; keys of one open values of the other."""

    def __init__(self, keys: Path, dumps: Sequence[Connection]) -> None:
        self._dumps = dumps
        self._keks = list(_keks(keys))
        self._data_keys: dict[int, tuple[Suite, bytes]] = {}
        self._file_keys: dict[UUID, bytes] = {}
        self._secrets: dict[tuple[UUID, int], tuple[Suite, bytes]] = {}
        for dump in dumps:
            self._unwrap_all(dump)

    def values(self, dump: Connection, columns: Sequence[Column]) -> Loot:
        """Try every sealed value of a dump."""
        loot = Loot()
        for column in columns:
            rows = _read(
                dump,
                f"SELECT id, subject_id, sealed_by_clinic, {column.column} FROM {column.table}"
                f" WHERE {column.column} IS NOT NULL",
            )
            for row_id, subject_id, clinic_id, raw in rows:
                loot.there[subject_id] += 1
                loot.opened[subject_id] += self._opens(bytes(raw), column.name, row_id, subject_id, clinic_id)
        return loot

    def files(self, dump: Connection, folder: Path) -> Loot:
        """Try every sealed file a dump tells of, in a copy of the folder of files."""
        loot = Loot()
        rows = _read(dump, "SELECT id, subject_id, sealed_by_clinic, suite, place FROM sealed_file")
        for file_id, subject_id, clinic_id, suite, place in rows:
            loot.there[subject_id] += 1
            path, key = folder / place, self._file_keys.get(file_id)
            if key is None or not path.exists():
                continue
            content = path.read_bytes()
            header, sealed = content[: chunks.HEADER.size], content[chunks.HEADER.size :]
            opener = Chunks(
                aead(Suite(suite), key),
                header,
                suite=Suite(suite),
                file_id=file_id,
                clinic_id=clinic_id,
                subject_id=subject_id,
            )
            loot.opened[subject_id] += _held(lambda: opener.open(0, sealed, final=True))  # noqa: B023
        return loot

    def finds(self, phone: str) -> set[UUID]:
        """Whose phone this is, by every index secret that opens and the tokens of every dump."""
        found: set[UUID] = set()
        for (clinic_id, version), (suite, secret) in self._secrets.items():
            keyed = KeyedHash(suite, derive(suite, secret, Index.PHONE_EQ.label))
            tokens = [token(keyed, Index.PHONE_EQ, term) for term in terms(Index.PHONE_EQ, phone)]
            for dump in self._dumps:
                rows = _read(
                    dump,
                    "SELECT p.subject_id FROM patient_search s JOIN patient_search_person p USING (search_id)"
                    " WHERE s.clinic_id = %s AND s.key_ver = %s AND s.index = %s AND s.token = ANY (%s)",
                    [clinic_id, version, int(Index.PHONE_EQ), tokens],
                )
                found |= {row[0] for row in rows}
        return found

    def _opens(self, raw: bytes, name: str, row_id: UUID, subject_id: UUID, clinic_id: UUID) -> bool:
        key_id = wire.key_id_of(raw)
        if key_id not in self._data_keys:
            return False
        suite, key = self._data_keys[key_id]
        binding = wire.Binding(suite, key_id, clinic_id=clinic_id, name=name, subject_id=subject_id)
        return _held(lambda: wire.unseal(aead(suite, key), binding, row_id, raw))

    def _unwrap_all(self, dump: Connection) -> None:
        columns = "id, subject_id, clinic_id, scope, version, suite, kek_id, wrapped"
        for row in _read(dump, f"SELECT {columns} FROM subject_key WHERE wrapped IS NOT NULL"):
            key_id, subject_id, clinic_id, scope, version, suite, kek_id, wrapped = row
            aad = subject_key_aad(
                clinic_id=clinic_id, subject_id=subject_id, scope=Scope(scope), version=version, suite=Suite(suite), kek_id=kek_id
            )  # fmt: skip
            if key := self._unwrapped(wrapped, aad):
                self._data_keys[key_id] = Suite(suite), key
        columns = "id, subject_id, clinic_id, suite, kek_id, wrapped"
        for row in _read(dump, f"SELECT {columns} FROM sealed_file WHERE wrapped IS NOT NULL"):
            file_id, subject_id, clinic_id, suite, kek_id, wrapped = row
            aad = file_key_aad(
                clinic_id=clinic_id, subject_id=subject_id, file_id=file_id, suite=Suite(suite), kek_id=kek_id
            )
            if key := self._unwrapped(wrapped, aad):
                self._file_keys[file_id] = key
        for clinic_id, version, kek_id, suite, wrapped in _read(
            dump,
            "SELECT i.clinic_id, i.version, i.kek_id, k.suite, i.wrapped FROM index_key i JOIN crypto_kek k ON k.id = i.kek_id"
            " WHERE i.wrapped IS NOT NULL",
        ):
            aad = index_key_aad(clinic_id=clinic_id, version=version, suite=Suite(suite), kek_id=kek_id)
            if key := self._unwrapped(wrapped, aad):
                self._secrets[clinic_id, version] = Suite(suite), key

    def _unwrapped(self, wrapped: Any, aad: bytes) -> bytes | None:
        """By whichever key-encryption key opens it: the thief does not care which it should be."""
        for kek in self._keks:
            try:
                return unwrap(kek, bytes(wrapped), aad)
            except Broken:
                continue
        return None


def _keks(folder: Path) -> Iterator[Aead]:
    root = aead(Suite.AES_256_GCM, (folder / "root.key").read_bytes())
    for path in sorted((folder / "keks").glob("*.kek")):
        content = path.read_bytes()
        suite = Suite(content[0])
        yield aead(suite, unwrap(root, content[1:], kek_file_aad(path.stem, suite)))


def _held(opening: Callable[[], bytes]) -> bool:
    try:
        opening()
    except Broken:
        return False
    return True


def _read(dump: Connection, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with dump.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
