"""Damage done in the real database: whoever owns the tables does it, and the application reads."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.utils import timezone
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import connection as Connection

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from bench.drills.canary_paths import report
from bench.drills.canary_words import hatch
from bench.drills.owner import owner_of_tables
from bench.drills.tally import Tally
from clinics.models import Clinic
from consent.choices import GivenThrough, Method, StartedBy
from consent.services import current_notice, record_consent
from crypto import keyring
from crypto.core import wire
from crypto.core.chunks import CHUNK_BYTES, sealed_length
from crypto.core.scopes import Scope
from crypto.core.suites import Suite
from crypto.errors import SealBroken
from crypto.fields import SealedParts
from crypto.files import read_chunks, write_file
from crypto.managers import sealed_fields
from crypto.models import Kek, SealedFile, SealedModel
from crypto.providers import provider
from crypto.services import EPOCH
from exchange.demo.checkups import invent_checkups
from exchange.demo.house import health_manager_of, open_house, teams_in
from exchange.demo.lives import Home, Life, Settling
from exchange.demo.people import invent_people
from exchange.services import try_file
from followups.choices import Outcome
from followups.models import PENDING, FollowUp
from followups.services import complete_follow_up
from patients.models import Patient

ROWS_OF_A_FIELD = 40
CONTROL_EVERY = 10
FILES_AMONG = 20  # for so many cases on rows, one more on files


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One sealed value in the database: where it stands, its bytes, and what it says."""

    model: type[SealedModel]
    column: str
    pk: UUID
    clinic_id: UUID
    subject_id: UUID
    raw: bytes
    said: Any

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def key_id(self) -> int:
        return wire.key_id_of(self.raw)


def run(cases: int, tally: Tally, chance: Random, *, people: int) -> None:
    """`cases` attempts on rows of every sealed model of the product, in two clinics of one suite each."""
    invent(people)
    cells = list(_cells(chance))
    with owner_of_tables() as owner:
        damage = Damage(owner, cells, chance)
        for number in range(cases):
            name, attack = KINDS[number % len(KINDS)]
            cell = chance.choice(cells)
            with attack(damage, cell):
                tally.check(refused(cell), f"{cell.table}.{cell.column}: {name} (case {number})")
            if number % CONTROL_EVERY == 0:
                tally.check(reads(cell), f"{cell.table}.{cell.column}: whole again after {name}")
        damage_files(cases // FILES_AMONG, tally, chance, owner)
    keyring.forget_everything()
    tally.check(all(reads(cell) for cell in cells), "undamaged rows read as themselves")
    fields = sorted({f"{cell.table}.{cell.column}" for cell in cells})
    suites = sorted({Suite(cell.raw[3]).name for cell in cells})
    tally.check(len(suites) == len(Suite), f"both suites took part: {suites}")
    tally.say(f"in the database: {cases} cases on {len(cells)} values of {', '.join(fields)}")


# --- the people ---------------------------------------------------------------------------------------------------------


def invent(count: int) -> None:
    """The demo's house with its people; the second clinic seals with SM4."""
    at = timezone.now()
    clinics = list(open_house().values())
    _seal_with(clinics[1], Suite.SM4_GCM)
    lives = [
        Life(number=number, person=person, reports=invent_checkups(person, number=number, until=at)[-1:])
        for number, person in enumerate(invent_people(count, today=at.date()))
    ]
    homes = [Home(clinic, team, health_manager_of(team)) for clinic in clinics for team in teams_in(clinic)]
    settling = Settling(lives=lives, homes=homes, shared_phones=frozenset(), at=at)
    for number in range(count):
        settling.settle(number)
    for clinic in clinics:
        _write_notes(clinic)


def _write_notes(clinic: Clinic) -> None:
    """What the demo's people leave empty: a witness, a note, a file nobody has decided about."""
    by, at = system_actor("drill", clinic.pk), timezone.now()
    with acting(by, clinic.pk):
        for patient in Patient.objects.all()[:3]:
            record_consent(
                patient,
                Purpose.RISK,
                granted=True,
                notice=current_notice(clinic, Purpose.RISK, "zh-hans", at),
                method=Method.VERBAL_WITNESSED,
                given_through=GivenThrough.DESK,
                started_by=StartedBy.PERSON,
                by=by,
                at=at,
                idem_key=f"drill:{patient.pk}",
                evidence="证人林小雨",
            )
        for follow_up in FollowUp.objects.filter(state__in=PENDING)[:3]:
            complete_follow_up(follow_up.pk, outcome=Outcome.NOT_REACHED, by=by, at=at, note="占线")
        person = hatch(Random(0), people=1, others=1).people[0]
        try_file(report(person), clinic=clinic, by=by, at=at)


def _seal_with(clinic: Clinic, suite: Suite) -> None:
    """From now on the clinic's new people have keys of this suite."""
    with acting(system_actor("drill", clinic.pk), clinic.pk):
        Kek.objects.create(
            clinic_id=clinic.pk,
            suite=suite,
            provider=provider().name,
            provider_ref=provider().generate(suite, clinic_id=clinic.pk),
            not_after=timezone.now() + EPOCH,
        )
    keyring.forget_everything()


def _cells(chance: Random) -> Iterator[Cell]:
    """Some values of every sealed field of every model that has rows, read whole."""
    for clinic_id in list(Clinic.objects.values_list("pk", flat=True)):
        with acting(system_actor("drill", clinic_id), clinic_id), access(Purpose.CARE, Kind.COMPUTED):
            for model in apps.get_models():
                if not issubclass(model, SealedModel):
                    continue
                for field in sealed_fields(model):
                    rows = list(
                        model._base_manager.filter(**{f"{field.attname}__isnull": False})[
                            : ROWS_OF_A_FIELD * 4
                        ]
                    )
                    for row in chance.sample(rows, min(len(rows), ROWS_OF_A_FIELD)):
                        yield Cell(
                            model, field.attname, row.pk, clinic_id, row.subject_id,
                            row.__dict__[field.attname].raw, _said(row, field.attname),
                        )  # fmt: skip


def _said(row: SealedModel, column: str) -> Any:
    value, field = getattr(row, column), row._meta.get_field(column)
    if isinstance(field, SealedParts):
        return {part: value.read(part) for part in field.parts}
    return value


# --- the reader ---------------------------------------------------------------------------------------------------------


def read(cell: Cell) -> Any:
    """What the application reads, with nothing kept from before. Raises SealBroken."""
    keyring.forget_everything()
    actor = system_actor("drill", cell.clinic_id)
    with acting(actor, cell.clinic_id), access(Purpose.CARE, Kind.COMPUTED):
        return _said(cell.model._base_manager.get(pk=cell.pk), cell.column)


def reads(cell: Cell) -> bool:
    return bool(read(cell) == cell.said)


def refused(cell: Cell) -> bool:
    """Whether the one typed error came, and nothing else."""
    try:
        read(cell)
    except SealBroken:
        return True
    except Exception as error:  # any other error would reach a page as a crash
        print(f"    {type(error).__name__} instead of SealBroken", flush=True)
    return False


# --- the owner ----------------------------------------------------------------------------------------------------------


class Damage:
    """What the owner of the tables can do. Each deed is undone at the end of its context."""

    def __init__(self, owner: Connection, cells: Sequence[Cell], chance: Random) -> None:
        self.owner = owner
        self.cells = cells
        self.chance = chance

    def other(self, differs: Callable[[Cell], bool]) -> Cell:
        return self.chance.choice([cell for cell in self.cells if differs(cell)])

    @contextmanager
    def put(self, cell: Cell, raw: bytes) -> Iterator[None]:
        """Other bytes in the cell, past the triggers of tables that only grow."""
        self._past_triggers(cell.table, cell.column, cell.pk, raw)
        try:
            yield
        finally:
            self._past_triggers(cell.table, cell.column, cell.pk, cell.raw)

    @contextmanager
    def row(self, cell: Cell, column: str, value: UUID) -> Iterator[None]:
        """Another subject or clinic in the row, past the trigger that refuses it."""
        try:
            self._past_triggers(cell.table, column, cell.pk, value.hex)
        except UniqueViolation:  # that subject has such a row: one whom nobody knows
            with self.owner.cursor() as cursor:
                cursor.execute("ROLLBACK")
            self._past_triggers(cell.table, column, cell.pk, f"{self.chance.getrandbits(128):032x}")
        try:
            yield
        finally:
            before = {"subject_id": cell.subject_id, "sealed_by_clinic": cell.clinic_id}[column]
            self._past_triggers(cell.table, column, cell.pk, before.hex)

    @contextmanager
    def key(self, cell: Cell, change: str, *values: Any) -> Iterator[None]:
        """Other columns in the record of the cell's key."""
        with self.owner.cursor() as cursor:
            cursor.execute(
                "SELECT scope, version, suite, kek_id, wrapped, destroyed_at FROM subject_key WHERE id = %s",
                [cell.key_id],
            )
            before = cursor.fetchone()
        self._one(f"UPDATE subject_key SET {change} WHERE id = %s", [*values, cell.key_id])
        try:
            yield
        finally:
            self._one(
                "UPDATE subject_key SET (scope, version, suite, kek_id, wrapped, destroyed_at) = (%s, %s, %s, %s, %s, %s)"
                " WHERE id = %s",
                [*before, cell.key_id],
            )

    def wrapped_of(self, cell: Cell) -> bytes:
        with self.owner.cursor() as cursor:
            cursor.execute("SELECT wrapped FROM subject_key WHERE id = %s", [cell.key_id])
            return bytes(cursor.fetchone()[0])

    def _one(self, statement: str, values: list[Any]) -> None:
        with self.owner.cursor() as cursor:
            cursor.execute(statement, values)
            if cursor.rowcount != 1:
                raise AssertionError("the damage did not reach one row")

    def _past_triggers(self, table: str, column: str, pk: UUID, value: bytes | str) -> None:
        with self.owner.cursor() as cursor:
            cursor.execute(
                f"BEGIN; ALTER TABLE {table} DISABLE TRIGGER USER;"
                f" UPDATE {table} SET {column} = %s WHERE id = %s; ALTER TABLE {table} ENABLE TRIGGER USER; COMMIT",
                [value, pk.hex],
            )


# --- what is done -------------------------------------------------------------------------------------------------------

Attack = Callable[[Damage, Cell], Any]


def _flip(damage: Damage, raw: bytes) -> bytes:
    changed = bytearray(raw)
    changed[damage.chance.randrange(len(changed))] ^= 1 << damage.chance.randrange(8)
    return bytes(changed)


def flipped(damage: Damage, cell: Cell) -> Any:
    return damage.put(cell, _flip(damage, cell.raw))


def truncated(damage: Damage, cell: Cell) -> Any:
    return damage.put(cell, cell.raw[: damage.chance.randrange(len(cell.raw))])


def extended(damage: Damage, cell: Cell) -> Any:
    return damage.put(cell, cell.raw + damage.chance.randbytes(32))


def never_sealed(damage: Damage, cell: Cell) -> Any:
    return damage.put(cell, damage.chance.choice(["王小芳".encode(), b"", b"\0" * 72, cell.raw[::-1]]))


def from_another_row(damage: Damage, cell: Cell) -> Any:
    other = damage.other(
        lambda one: (one.model, one.column) == (cell.model, cell.column) and one.pk != cell.pk
    )
    return damage.put(cell, other.raw)


def from_another_field(damage: Damage, cell: Cell) -> Any:
    other = damage.other(lambda one: (one.table, one.column) != (cell.table, cell.column))
    return damage.put(cell, other.raw)


def from_another_person(damage: Damage, cell: Cell) -> Any:
    other = damage.other(lambda one: one.subject_id != cell.subject_id and one.clinic_id == cell.clinic_id)
    return damage.put(cell, other.raw)


def from_another_clinic(damage: Damage, cell: Cell) -> Any:
    return damage.put(cell, damage.other(lambda one: one.clinic_id != cell.clinic_id).raw)


def under_another_key(damage: Damage, cell: Cell) -> Any:
    other = damage.other(lambda one: one.key_id != cell.key_id)
    return damage.put(cell, other.raw[: wire.HEADER.size] + cell.raw[wire.HEADER.size :])


def another_subject_in_the_row(damage: Damage, cell: Cell) -> Any:
    other = damage.other(lambda one: one.subject_id != cell.subject_id and one.clinic_id == cell.clinic_id)
    return damage.row(cell, "subject_id", other.subject_id)


def another_sealing_clinic_in_the_row(damage: Damage, cell: Cell) -> Any:
    return damage.row(
        cell, "sealed_by_clinic", damage.other(lambda one: one.clinic_id != cell.clinic_id).clinic_id
    )


def wrapped_key_damaged(damage: Damage, cell: Cell) -> Any:
    wrapped = damage.wrapped_of(cell)
    changed = damage.chance.choice([_flip(damage, wrapped), wrapped[:-1], wrapped[:5], wrapped + b"\0", b""])
    return damage.key(cell, "wrapped = %s", changed)


def wrapped_key_of_another(damage: Damage, cell: Cell) -> Any:
    """Of another scope of the same person, another person or another clinic, with the number of its KEK."""
    other = damage.other(lambda one: one.key_id != cell.key_id)
    return damage.key(
        cell,
        "(wrapped, kek_id) = (SELECT wrapped, kek_id FROM subject_key o WHERE o.id = %s)",
        other.key_id,
    )


def another_kek(damage: Damage, cell: Cell) -> Any:
    other = damage.other(lambda one: one.clinic_id != cell.clinic_id)
    return damage.key(cell, "kek_id = (SELECT kek_id FROM subject_key o WHERE o.id = %s)", other.key_id)


def another_version(damage: Damage, cell: Cell) -> Any:
    return damage.key(cell, "version = version + 1")


def another_suite(damage: Damage, cell: Cell) -> Any:
    return damage.key(cell, "suite = 3 - suite")


def key_destroyed(damage: Damage, cell: Cell) -> Any:
    """The value is one from before: its key was destroyed since."""
    return damage.key(cell, "wrapped = NULL, destroyed_at = now()")


KINDS: Sequence[tuple[str, Attack]] = (
    ("a flipped bit", flipped),
    ("cut short", truncated),
    ("made longer", extended),
    ("never sealed", never_sealed),
    ("from another row", from_another_row),
    ("from another field", from_another_field),
    ("from another person", from_another_person),
    ("from another clinic", from_another_clinic),
    ("under another key", under_another_key),
    ("another subject in the row", another_subject_in_the_row),
    ("another sealing clinic in the row", another_sealing_clinic_in_the_row),
    ("its wrapped key damaged", wrapped_key_damaged),
    ("the wrapped key of another", wrapped_key_of_another),
    ("another key-encryption key", another_kek),
    ("another version", another_version),
    ("another suite", another_suite),
    ("put back after its key was destroyed", key_destroyed),
)


# --- sealed files ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredFile:
    file: SealedFile
    said: bytes

    @property
    def path(self) -> Path:
        return Path(settings.FILES_DIR) / self.file.place

    def read(self) -> bytes:
        keyring.forget_everything()
        clinic_id = self.file.clinic_id
        with acting(system_actor("drill", clinic_id), clinic_id), access(Purpose.CARE, Kind.COMPUTED):
            return b"".join(read_chunks(SealedFile.objects.get(pk=self.file.pk), "drill.file"))


def damage_files(cases: int, tally: Tally, chance: Random, owner: Connection) -> None:
    """On the disk and in their records, of two people of each clinic."""
    files = list(_written(chance))
    for number in range(cases):
        stored = chance.choice(files)
        other = chance.choice([one for one in files if one.file.pk != stored.file.pk])
        name, damage = FILE_KINDS[number % len(FILE_KINDS)]
        before = stored.path.read_bytes()
        _record(owner, stored.file, **damage(stored, other, chance))
        try:
            stored.read()
            tally.check(False, f"a file: {name} (case {number})")
        except SealBroken:
            tally.check(True, "")
        stored.path.write_bytes(before)
        _record(
            owner, stored.file, size=stored.file.size, wrapped=stored.file.wrapped, place=stored.file.place
        )
    tally.check(all(stored.read() == stored.said for stored in files), "undamaged files read as themselves")


def _written(chance: Random) -> Iterator[StoredFile]:
    for clinic_id in list(Clinic.objects.values_list("pk", flat=True)):
        for size in (700, 2 * CHUNK_BYTES + 9):
            said = chance.randbytes(size)
            with acting(system_actor("drill", clinic_id), clinic_id):
                patient = Patient.objects.all()[:2][int(size > CHUNK_BYTES)]
                file = write_file(clinic_id, patient.pk, patient.subject_id, Scope.RECORD, [said])
                record("file.kept", object=file, subjects=[patient.subject_id])
            yield StoredFile(file, said)


def _record(owner: Connection, file: SealedFile, **columns: Any) -> None:
    with owner.cursor() as cursor:
        for column, value in columns.items():
            cursor.execute(f"UPDATE sealed_file SET {column} = %s WHERE id = %s", [value, file.pk.hex])


def _bit_on_disk(stored: StoredFile, other: StoredFile, chance: Random) -> dict[str, Any]:
    raw = bytearray(stored.path.read_bytes())
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    stored.path.write_bytes(bytes(raw))
    return {}


def _cut_on_disk(stored: StoredFile, other: StoredFile, chance: Random) -> dict[str, Any]:
    raw = stored.path.read_bytes()
    stored.path.write_bytes(raw[: chance.randrange(len(raw))])
    return {}


def _cut_with_its_record(stored: StoredFile, other: StoredFile, chance: Random) -> dict[str, Any]:
    size = chance.randrange(stored.file.size)
    stored.path.write_bytes(stored.path.read_bytes()[: sealed_length(size)])
    return {"size": size}


def _anothers_bytes(stored: StoredFile, other: StoredFile, chance: Random) -> dict[str, Any]:
    stored.path.write_bytes(other.path.read_bytes())
    return {"size": other.file.size, "wrapped": chance.choice([stored.file.wrapped, other.file.wrapped])}


def _anothers_wrap(stored: StoredFile, other: StoredFile, chance: Random) -> dict[str, Any]:
    return {"wrapped": other.file.wrapped}


def _elsewhere(stored: StoredFile, other: StoredFile, chance: Random) -> dict[str, Any]:
    return {"place": chance.choice(["../root.key", "/etc/passwd", "00/..", f"{stored.file.place}/../x", ""])}


FILE_KINDS: Sequence[tuple[str, Callable[[StoredFile, StoredFile, Random], dict[str, Any]]]] = (
    ("a bit on the disk", _bit_on_disk),
    ("cut on the disk", _cut_on_disk),
    ("cut together with its record", _cut_with_its_record),
    ("another's bytes", _anothers_bytes),
    ("another's wrapped key", _anothers_wrap),
    ("a place outside the folder", _elsewhere),
)
