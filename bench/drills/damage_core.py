"""Damage done to bytes: `crypto.core` alone, with a table of keys and a reader as simple as an attacker's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from bench.drills.tally import Tally
from crypto.core import chunks, values, wire
from crypto.core.scopes import Scope
from crypto.core.suites import Aead, Broken, Suite, aead, new_key
from crypto.core.wrap import file_key_aad, index_key_aad, kek_file_aad, subject_key_aad, unwrap, wrap

Reading = Callable[[], Any]
NAMES = ("patient.identity", "observation.detail", "follow_up.note", "consent_event.evidence")
FILES = (0, 500, chunks.CHUNK_BYTES, 3 * chunks.CHUNK_BYTES + 77)  # bytes of the files of each subject
CLINICS, SUBJECTS, VERSIONS, ROWS = 2, 3, 2, 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: what its associated data say."""

    clinic_id: UUID
    name: str
    row_id: UUID
    subject_id: UUID


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A row of `subject_key`; `wrapped` None once it was destroyed."""

    id: int
    clinic_id: UUID
    subject_id: UUID
    scope: Scope
    version: int
    suite: Suite
    kek_id: int
    wrapped: bytes | None

    @property
    def aad(self) -> bytes:
        return subject_key_aad(
            clinic_id=self.clinic_id,
            subject_id=self.subject_id,
            scope=self.scope,
            version=self.version,
            suite=self.suite,
            kek_id=self.kek_id,
        )


@dataclass(frozen=True, slots=True)
class Value:
    """A sealed value in its place, with what it says and how it is read."""

    place: Place
    key_id: int
    said: Any
    decode: Callable[[bytes], Any]
    raw: bytes


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """A row of `index_key`."""

    clinic_id: UUID
    version: int
    suite: Suite
    kek_id: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class File:
    """A sealed file of some chunks, with the row of `sealed_file` that belongs to it."""

    id: UUID
    clinic_id: UUID
    subject_id: UUID
    suite: Suite
    kek_id: int
    wrapped: bytes
    said: bytes
    size: int
    sealed: bytes

    @property
    def aad(self) -> bytes:
        return file_key_aad(
            clinic_id=self.clinic_id,
            subject_id=self.subject_id,
            file_id=self.id,
            suite=self.suite,
            kek_id=self.kek_id,
        )


@dataclass(slots=True)
class House:
    """Keys of two clinics of one suite each, and values under them."""

    keks: dict[int, Aead] = field(default_factory=dict)
    keys: dict[int, KeyRecord] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    indexes: list[IndexRecord] = field(default_factory=list)
    files: list[File] = field(default_factory=list)

    def read(self, value: Value, keys: dict[int, KeyRecord] | None = None) -> Any:
        """What the value says in its place. Raises Broken, and whatever else would be a failure of the drill."""
        key_id = wire.key_id_of(value.raw)
        record = (self.keys if keys is None else keys).get(key_id)
        if record is None or record.wrapped is None or record.subject_id != value.place.subject_id:
            raise Broken("no living key of this subject")
        kek = self.keks.get(record.kek_id)
        if kek is None:
            raise Broken("its key-encryption key was destroyed")
        secret = unwrap(kek, record.wrapped, record.aad)
        cipher = aead(record.suite, secret)
        binding = wire.Binding(
            record.suite,
            key_id,
            clinic_id=value.place.clinic_id,
            name=value.place.name,
            subject_id=value.place.subject_id,
        )
        return value.decode(wire.unseal(cipher, binding, value.place.row_id, value.raw))

    def read_file(self, file: File) -> bytes:
        """The content of a file as its record describes it. Raises Broken."""
        if len(file.sealed) != chunks.sealed_length(file.size):
            raise Broken("another length than was written")
        cipher = aead(file.suite, unwrap(self.keks[file.kek_id], file.wrapped, file.aad))
        opener = chunks.Chunks(
            cipher,
            file.sealed[: chunks.HEADER.size],
            suite=file.suite,
            file_id=file.id,
            clinic_id=file.clinic_id,
            subject_id=file.subject_id,
        )
        return b"".join(
            opener.open(
                piece.number, file.sealed[piece.offset : piece.offset + piece.length], final=piece.final
            )
            for piece in chunks.pieces(file.size, 0, file.size)
        )


Attack = Callable[[House, Random], Reading]


def run(cases: int, tally: Tally, chance: Random) -> None:
    """`cases` attempts, shared out among the kinds of damage; each value is read whole before it is damaged."""
    house = build(chance)
    for number in range(cases):
        name, attack = KINDS[number % len(KINDS)]
        tally.check(refused(attack(house, chance)), f"{name} (case {number})")
    whole = [house.read(value) == value.said for value in house.values]
    tally.check(all(whole), "undamaged values open as themselves")
    whole = [house.read_file(file) == file.said for file in house.files]
    tally.check(all(whole), "undamaged files open as themselves")
    tally.say(
        f"on bytes: {cases} cases of {len(KINDS)} kinds, {len(house.values)} values and {len(house.files)} files, both suites"
    )


def refused(attempt: Reading) -> bool:
    """Whether the one typed error came: an answer of any kind, or another error, is a failure."""
    try:
        attempt()
    except Broken:
        return True
    except Exception as error:  # any other error would reach a page as a crash
        print(f"    {type(error).__name__} instead of Broken", flush=True)
    return False


# --- the house ----------------------------------------------------------------------------------------------------------


def build(chance: Random) -> House:
    house = House()
    for number in range(CLINICS):
        suite = list(Suite)[number % len(Suite)]
        clinic = UUID(int=chance.getrandbits(128))
        kek_ids = (2 * number + 1, 2 * number + 2)  # an older epoch's and this one's
        for kek_id in kek_ids:
            house.keks[kek_id] = aead(suite, new_key(suite))
        for version, kek_id in enumerate(kek_ids, start=1):
            aad = index_key_aad(clinic_id=clinic, version=version, suite=suite, kek_id=kek_id)
            wrapped = wrap(house.keks[kek_id], new_key(suite), aad)
            house.indexes.append(IndexRecord(clinic, version, suite, kek_id, wrapped))
        for _subject in range(SUBJECTS):
            subject = UUID(int=chance.getrandbits(128))
            _settle(house, chance, clinic, subject, suite, kek_ids)
            for size in FILES:
                house.files.append(_file(house, chance, clinic, subject, suite, kek_ids[1], size))
    return house


def _settle(
    house: House, chance: Random, clinic: UUID, subject: UUID, suite: Suite, kek_ids: tuple[int, int]
) -> None:
    rows = [UUID(int=chance.getrandbits(128)) for _ in range(ROWS)]
    for scope in Scope:
        for version in range(1, VERSIONS + 1):
            secret = new_key(suite)
            key = KeyRecord(
                chance.getrandbits(62) + 1, clinic, subject, scope, version, suite, kek_ids[version - 1], None
            )
            key = replace(key, wrapped=wrap(house.keks[key.kek_id], secret, key.aad))
            house.keys[key.id] = key
            for row in rows:
                for name in NAMES:
                    said, encoded, decode = invent(chance)
                    place = Place(clinic, name, row, subject)
                    binding = wire.Binding(suite, key.id, clinic_id=clinic, name=name, subject_id=subject)
                    raw = wire.seal(aead(suite, secret), binding, row, encoded)
                    house.values.append(Value(place, key.id, said, decode, raw))


def _file(
    house: House, chance: Random, clinic: UUID, subject: UUID, suite: Suite, kek_id: int, size: int
) -> File:
    file_id, key, said = UUID(int=chance.getrandbits(128)), new_key(suite), chance.randbytes(size)
    file = File(file_id, clinic, subject, suite, kek_id, b"", said, size, b"")
    sealer = chunks.Chunks(
        aead(suite, key),
        chunks.new_header(suite, file_id),
        suite=suite,
        file_id=file_id,
        clinic_id=clinic,
        subject_id=subject,
    )
    wrapped = wrap(house.keks[kek_id], key, file.aad)
    return replace(file, wrapped=wrapped, sealed=b"".join(sealer.seal_all([said])))


def invent(chance: Random) -> tuple[Any, bytes, Callable[[bytes], Any]]:
    """A value of any type, its typed bytes, and its reader; empty ones among them."""
    number = chance.randrange(-(10**9), 10**9)
    text = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(chance.randrange(40)))
    day = date(1920, 1, 1) + timedelta(days=chance.randrange(36_000))
    kinds: list[tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]] = [
        (text, values.from_text, values.to_text),
        (number, values.from_integer, values.to_integer),
        (Decimal(number).scaleb(-4), values.from_decimal, values.to_decimal),
        (day, values.from_date, values.to_date),
        (number % 2 == 0, values.from_boolean, values.to_boolean),
        ({"text": text, "of": [number, None, True]}, values.from_json, values.to_json),
        (chance.randbytes(chance.randrange(90)), values.from_bytes, values.to_bytes),
    ]
    said, encode, decode = chance.choice(kinds)
    return said, encode(said), decode


# --- what is done to it -------------------------------------------------------------------------------------------------


def _whole(house: House, chance: Random) -> Value:
    """A value that opens as itself before it is damaged: without this a refusal would prove nothing."""
    value = chance.choice(house.values)
    if house.read(value) != value.said:
        raise AssertionError("an undamaged value does not open as itself")
    return value


def _other(house: House, chance: Random, differs: Callable[[Value], bool]) -> Value:
    return chance.choice([value for value in house.values if differs(value)])


def _damaged(house: House, value: Value, raw: bytes) -> Reading:
    return lambda: house.read(replace(value, raw=raw))


def flipped(begin: int, end: int | None) -> Attack:
    """One bit between two places of the bytes; places count from the end when they are negative."""

    def attack(house: House, chance: Random) -> Reading:
        value = _whole(house, chance)
        raw = bytearray(value.raw)
        at = chance.choice(range(len(raw))[begin:end])
        raw[at] ^= 1 << chance.randrange(8)
        return _damaged(house, value, bytes(raw))

    return attack


def truncated(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    return _damaged(house, value, value.raw[: chance.randrange(len(value.raw))])


def beheaded(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    return _damaged(house, value, value.raw[chance.randrange(1, len(value.raw)) :])


def extended(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    extra = chance.randbytes(chance.choice([1, 16, 32, 64])) if chance.random() < 0.5 else bytes(32)
    at = chance.choice([0, wire.HEADER.size, len(value.raw) - 16, len(value.raw)])
    return _damaged(house, value, value.raw[:at] + extra + value.raw[at:])


def moved(part: str) -> Attack:
    """The bytes of a value read in a place that differs in one part alone."""

    def attack(house: House, chance: Random) -> Reading:
        value = _whole(house, chance)
        other = _other(house, chance, lambda one: getattr(one.place, part) != getattr(value.place, part))
        place = replace(value.place, **{part: getattr(other.place, part)})
        return lambda: house.read(replace(value, place=place))

    return attack


def exchanged(house: House, chance: Random) -> Reading:
    """Another place's bytes under the same key."""
    value = _whole(house, chance)
    other = _other(house, chance, lambda one: one.key_id == value.key_id and one.place != value.place)
    return _damaged(house, value, other.raw)


def spliced(house: House, chance: Random) -> Reading:
    """Header, nonce, ciphertext and tag of two values under one key, put together anew."""
    value = _whole(house, chance)
    other = _other(house, chance, lambda one: one.key_id == value.key_id and one.place != value.place)
    at = chance.choice([wire.HEADER.size, wire.HEADER.size + 12, -16])
    return _damaged(house, value, value.raw[:at] + other.raw[at:])


def under_another_key(house: House, chance: Random) -> Reading:
    """The header names another key of the same person: another scope or version."""
    value = _whole(house, chance)
    others = [
        key
        for key in house.keys.values()
        if key.subject_id == value.place.subject_id and key.id != value.key_id
    ]
    header = wire.HEADER.pack(wire.MAGIC, wire.VERSION, value.raw[3], chance.choice(others).id)
    return _damaged(house, value, header + value.raw[wire.HEADER.size :])


def under_a_strangers_key(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    other = _other(house, chance, lambda one: one.place.subject_id != value.place.subject_id)
    return _damaged(house, value, other.raw[: wire.HEADER.size] + value.raw[wire.HEADER.size :])


def under_no_key(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    key_id = chance.choice([0, chance.getrandbits(62), wire.LARGEST_KEY_ID, 2**64 - 1])
    header = wire.HEADER.pack(wire.MAGIC, wire.VERSION, value.raw[3], key_id)
    return _damaged(house, value, header + value.raw[wire.HEADER.size :])


def other_suite(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    suite = 3 - value.raw[3]
    return _damaged(house, value, value.raw[:3] + bytes((suite,)) + value.raw[4:])


def after_destruction(house: House, chance: Random) -> Reading:
    """An older value is put back after the key it was sealed under was destroyed."""
    value = _whole(house, chance)
    keys = {**house.keys, value.key_id: replace(house.keys[value.key_id], wrapped=None)}
    return lambda: house.read(value, keys)


def older_wrap(house: House, chance: Random) -> Reading:
    """An older wrap of the key is put back: under a KEK that was destroyed, and under the newer one's number."""
    value = _whole(house, chance)
    key = house.keys[value.key_id]
    other = next(kek_id for kek_id in house.keks if kek_id != key.kek_id)
    gone = replace(key, kek_id=max(house.keks) + 1)
    relabelled = replace(key, kek_id=other)
    changed = chance.choice([gone, relabelled])
    return lambda: house.read(value, {**house.keys, key.id: changed})


def wrapped_damaged(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    key = house.keys[value.key_id]
    wrapped = bytearray(key.wrapped or b"")
    wrapped[chance.randrange(len(wrapped))] ^= 1 << chance.randrange(8)
    kinds = [
        bytes(wrapped),
        bytes(wrapped[: chance.randrange(len(wrapped))]),
        bytes(key.wrapped or b"") + chance.randbytes(chance.choice([1, 16])),
    ]
    changed = replace(key, wrapped=chance.choice(kinds))
    return lambda: house.read(value, {**house.keys, key.id: changed})


def wrapped_exchanged(house: House, chance: Random) -> Reading:
    """The wrapped key of another scope, version, subject or clinic in this key's record."""
    value = _whole(house, chance)
    key = house.keys[value.key_id]
    other = chance.choice([one for one in house.keys.values() if one.id != key.id])
    changed = replace(key, wrapped=other.wrapped)
    if chance.random() < 0.3:  # with the number of the KEK that wrapped it
        changed = replace(changed, kek_id=other.kek_id)
    return lambda: house.read(value, {**house.keys, key.id: changed})


def record_changed(house: House, chance: Random) -> Reading:
    """One column of the key's record says something else."""
    value = _whole(house, chance)
    key = house.keys[value.key_id]
    other = _other(house, chance, lambda one: one.place.clinic_id != value.place.clinic_id)
    changes: list[dict[str, Any]] = [
        {"scope": next(scope for scope in Scope if scope != key.scope)},
        {"version": key.version + 1},
        {"clinic_id": other.place.clinic_id},
        {"subject_id": other.place.subject_id},
        {"kek_id": next(kek_id for kek_id in house.keks if kek_id != key.kek_id)},
    ]
    change = chance.choice(changes)
    changed = replace(key, **change)
    place = replace(value.place, subject_id=changed.subject_id)  # the row follows the key, and gains nothing
    return lambda: house.read(replace(value, place=place), {**house.keys, key.id: changed})


def suite_of_the_record(house: House, chance: Random) -> Reading:
    """The record of the key names the other suite, whose keys have another length."""
    value = _whole(house, chance)
    key = house.keys[value.key_id]
    changed = replace(key, suite=Suite(3 - key.suite))
    return lambda: house.read(value, {**house.keys, key.id: changed})


def index_secret_moved(house: House, chance: Random) -> Reading:
    """The secret of the search tokens in another version's or clinic's record."""
    record = chance.choice(house.indexes)
    other = chance.choice([one for one in house.indexes if one is not record])
    unwrap(house.keks[record.kek_id], record.wrapped, _index_aad(record))
    kek = house.keks[chance.choice([record.kek_id, other.kek_id])]
    wrapped = chance.choice([other.wrapped, record.wrapped])
    aad = _index_aad(other if wrapped is record.wrapped else record)
    return lambda: unwrap(kek, wrapped, aad)


def _index_aad(record: IndexRecord) -> bytes:
    return index_key_aad(
        clinic_id=record.clinic_id, version=record.version, suite=record.suite, kek_id=record.kek_id
    )


def key_as_another_kind(house: House, chance: Random) -> Reading:
    """A data key read as an index secret, as a key file, and the other way round."""
    value = _whole(house, chance)
    key = house.keys[value.key_id]
    index = chance.choice(house.indexes)
    kek = house.keks[key.kek_id]
    as_index = index_key_aad(clinic_id=key.clinic_id, version=key.version, suite=key.suite, kek_id=key.kek_id)
    attempts: list[tuple[Aead, bytes, bytes]] = [
        (kek, key.wrapped or b"", as_index),
        (kek, key.wrapped or b"", kek_file_aad(str(key.kek_id), key.suite)),
        (house.keks[index.kek_id], index.wrapped, key.aad),
    ]
    cipher, wrapped, aad = chance.choice(attempts)
    return lambda: unwrap(cipher, wrapped, aad)


READERS: tuple[Callable[[bytes], Any], ...] = (
    values.to_text,
    values.to_integer,
    values.to_decimal,
    values.to_date,
    values.to_boolean,
    values.to_json,
    values.to_bytes,
)


def read_as_another_type(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    reader = chance.choice([reader for reader in READERS if reader is not value.decode])
    return lambda: house.read(replace(value, decode=reader))


def nonsense_of_its_type(house: House, chance: Random) -> Reading:
    """The right type before bytes that are no such value: what a writer's mistake would leave."""
    nonsense = [
        (values.to_text, values.TEXT + b"\xff\xfe"),
        (values.to_integer, values.INTEGER + b"4.5"),
        (values.to_decimal, values.DECIMAL + b"four"),
        (values.to_decimal, values.DECIMAL + b"\xff"),
        (values.to_date, values.DATE + b"1960-02-30"),
        (values.to_json, values.JSON + b"{"),
        (values.to_json, values.JSON + b"\xff"),
    ]
    reader, encoded = chance.choice(nonsense)
    return lambda: reader(encoded)


def never_sealed(house: House, chance: Random) -> Reading:
    value = _whole(house, chance)
    plain = [
        "王小芳".encode(),
        b"",
        b"\0" * 72,
        chance.randbytes(72),
        value.raw.hex().encode(),
        value.raw[::-1],
    ]
    return _damaged(house, value, chance.choice(plain))


# --- files ----------------------------------------------------------------------------------------------------------------


def _some_file(house: House, chance: Random, *, at_least: int = 0) -> File:
    file = chance.choice([file for file in house.files if file.size >= at_least])
    if house.read_file(file) != file.said:
        raise AssertionError("an undamaged file does not open as itself")
    return file


def _chunk(number: int) -> slice:
    begin = chunks.HEADER.size + number * chunks.SEALED_CHUNK_BYTES
    return slice(begin, begin + chunks.SEALED_CHUNK_BYTES)


def file_flipped(house: House, chance: Random) -> Reading:
    file = _some_file(house, chance)
    sealed = bytearray(file.sealed)
    sealed[chance.randrange(len(sealed))] ^= 1 << chance.randrange(8)
    return lambda: house.read_file(replace(file, sealed=bytes(sealed)))


def file_cut(house: House, chance: Random) -> Reading:
    """Cut or made longer, with a record that says so too: whole chunks among the cuts."""
    file = _some_file(house, chance, at_least=2 * chunks.CHUNK_BYTES)
    size = chance.choice([0, 1, chunks.CHUNK_BYTES, 2 * chunks.CHUNK_BYTES, file.size - 1, file.size + 1])
    sealed = (file.sealed + bytes(1))[: chunks.sealed_length(size)]
    if chance.random() < 0.3:  # the record still says what was written
        size = file.size
    return lambda: house.read_file(replace(file, sealed=sealed, size=size))


def chunks_exchanged(house: House, chance: Random) -> Reading:
    """Two chunks in each other's place, or one of them twice."""
    file = _some_file(house, chance, at_least=3 * chunks.CHUNK_BYTES)
    one, other = chance.sample(range(3), 2)
    sealed = bytearray(file.sealed)
    sealed[_chunk(one)] = file.sealed[_chunk(other)]
    if chance.random() < 0.5:
        sealed[_chunk(other)] = file.sealed[_chunk(one)]
    return lambda: house.read_file(replace(file, sealed=bytes(sealed)))


def chunk_of_another_file(house: House, chance: Random) -> Reading:
    file, other = (_some_file(house, chance, at_least=3 * chunks.CHUNK_BYTES) for _ in range(2))
    place = _chunk(chance.randrange(3))
    if file is other:
        return chunks_exchanged(house, chance)
    sealed = bytearray(file.sealed)
    sealed[place] = other.sealed[place]
    if chance.random() < 0.5:
        sealed[: chunks.HEADER.size] = other.sealed[: chunks.HEADER.size]
    return lambda: house.read_file(replace(file, sealed=bytes(sealed)))


def file_under_another_record(house: House, chance: Random) -> Reading:
    """The bytes of one file, or its wrapped key, under the record of another."""
    file = _some_file(house, chance)
    other = chance.choice([one for one in house.files if one.size == file.size and one.id != file.id])
    changes: list[dict[str, Any]] = [
        {"sealed": other.sealed},
        {"wrapped": other.wrapped},
        {"sealed": other.sealed, "wrapped": other.wrapped},
        {"sealed": other.sealed, "wrapped": other.wrapped, "suite": other.suite, "kek_id": other.kek_id},
        {"id": other.id},
        {"subject_id": UUID(int=chance.getrandbits(128))},
        {"clinic_id": UUID(int=chance.getrandbits(128))},
        {"suite": Suite(3 - file.suite)},
    ]
    change = chance.choice(changes)
    return lambda: house.read_file(replace(file, **change))


KINDS: Sequence[tuple[str, Attack]] = (
    ("a bit of the header", flipped(0, 12)),
    ("a bit of the nonce", flipped(12, 24)),
    ("a bit of the ciphertext", flipped(24, -16)),
    ("a bit of the tag", flipped(-16, None)),
    ("cut short", truncated),
    ("its beginning cut off", beheaded),
    ("made longer", extended),
    ("moved to another row", moved("row_id")),
    ("moved to another field", moved("name")),
    ("moved to another person", moved("subject_id")),
    ("moved to another clinic", moved("clinic_id")),
    ("exchanged with another place", exchanged),
    ("put together of two", spliced),
    ("under another scope's or version's key", under_another_key),
    ("under a stranger's key", under_a_strangers_key),
    ("under a key that never was", under_no_key),
    ("under the other suite", other_suite),
    ("back after its key was destroyed", after_destruction),
    ("an older wrap of its key", older_wrap),
    ("its wrapped key damaged", wrapped_damaged),
    ("its wrapped key exchanged", wrapped_exchanged),
    ("its key's record changed", record_changed),
    ("its key's suite changed", suite_of_the_record),
    ("an index secret moved", index_secret_moved),
    ("a key read as another kind of key", key_as_another_kind),
    ("read as another type", read_as_another_type),
    ("nonsense of the right type", nonsense_of_its_type),
    ("bytes that were never sealed", never_sealed),
    ("a bit of a file", file_flipped),
    ("a file cut or made longer", file_cut),
    ("chunks of a file exchanged", chunks_exchanged),
    ("a chunk of another file", chunk_of_another_file),
    ("a file under another's record", file_under_another_record),
)
