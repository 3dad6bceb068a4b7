"""A clinic of up to a million invented people, sealed and with their tokens, beside the same people in plain text.

Rows are made by the product's own core (`crypto.core`, `patients.search_tokens.tokens_of`) and loaded by COPY; the tokens' key is
built after the load, as a rebuild would. Only the table's owner can do this: no path of the application writes so.
"""

import io
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from typing import Any, ClassVar, Final
from uuid import UUID, uuid4

from django.apps.registry import Apps
from django.db import connection, models

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.models import CareTeam, Chain, Clinic, User
from clinics.queries import roles_at_work, staff_actor
from clinics.roles import Role
from clinics.services import give_role, join_team, open_clinic
from config.dbroles.owner import as_owner
from crypto import keyring
from crypto.core import values, wire
from crypto.core.scopes import Scope
from crypto.core.suites import aead, new_key
from crypto.core.wire import Binding
from crypto.core.wrap import subject_key_aad
from crypto.ids import uuid7
from crypto.models import SubjectKey
from crypto.providers import Clear, provider
from exchange.demo.people import SURNAMES
from patients.models import Patient, PatientSearch, PatientSearchPerson
from patients.search_tokens import tokens_of

SEED: Final = 20261121
PAGE: Final = 20_000  # people between two COPYs, and between two lines of progress
FIRST_OPENED: Final = datetime(2016, 1, 1, tzinfo=UTC)

Say = Callable[[str], None]


class PlainPatient(models.Model):
    """The plaintext copy: what is sealed in Patient stands here in clear, with the best index for each question."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    subject_id = models.UUIDField()
    sealed_by_clinic = models.UUIDField()
    clinic_id = models.UUIDField()
    service_number = models.CharField(max_length=12)
    sex = models.CharField(max_length=7)
    birth_year = models.PositiveSmallIntegerField(null=True)
    phone_owner = models.CharField(max_length=6)
    name = models.TextField()
    phone = models.TextField()
    id_number = models.TextField()
    created_at = models.DateTimeField()
    restricted_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "bench"
        db_table = "bench_patient"
        apps: Any = Apps()

    def __str__(self) -> str:
        return self.service_number


PLAIN_INDEXES: Final = {
    "bench_patient_newest": "CREATE INDEX bench_patient_newest ON bench_patient (clinic_id, created_at DESC, id DESC)",
    "bench_patient_phone": "CREATE INDEX bench_patient_phone ON bench_patient (clinic_id, phone)",
    "bench_patient_name": "CREATE INDEX bench_patient_name ON bench_patient (clinic_id, name text_pattern_ops)",
    "bench_patient_trgm": "CREATE INDEX bench_patient_trgm ON bench_patient USING gin (name gin_trgm_ops)",
}
TOKENS_KEY: Final = "patient_search_pkey"


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    phone: str
    id_number: str

    def parts(self) -> dict[str, str | None]:
        return {"name": self.name, "phone": self.phone, "id_number": self.id_number}


def people(number: int) -> Iterator[Person]:
    """The same invented people for the same number. Names are drawn as names are: few surnames, many given names, rare and common."""
    drawn = random.Random(SEED)
    characters = [
        bytes((row, cell)).decode("gb2312") for row in range(0xB0, 0xD7) for cell in range(0xA1, 0xFF)
    ]
    drawn.shuffle(characters)
    given = list(accumulate(1 / (rank + 8) for rank in range(len(characters))))
    family = list(accumulate(1 / (rank + 3) for rank in range(len(SURNAMES))))
    for _ in range(number):
        surname = drawn.choices(SURNAMES, cum_weights=family)[0]
        length = drawn.choices((1, 2, 3), cum_weights=(18, 98, 100))[0]
        yield Person(
            surname + "".join(drawn.choices(characters, cum_weights=given, k=length)),
            f"+861{drawn.randrange(3 * 10**9, 10**10)}",
            f"990101{drawn.randrange(10**12):012d}",
        )


# --- tables -------------------------------------------------------------------------------------------------------------


def create_tables() -> None:
    """As the owner, where they are missing."""
    if PlainPatient._meta.db_table in connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        editor.create_model(PlainPatient)
        editor.execute("SELECT zhizhi_clinic_only('bench_patient')")


def clinic_of(people_in_it: int, say: Say) -> Clinic:
    """The clinic with so many people: found again, or opened and filled."""
    code = f"of-{people_in_it}"
    clinic = Clinic.objects.filter(code=code).first()
    if clinic is None:
        chain, _made = Chain.objects.get_or_create(name="云溪健康")
        clinic = open_clinic(chain=chain, code=code, name=code, short_name="云溪健康", phone="010-5550 0100")
    with acting(system_actor("bench", clinic.pk)):
        there = PatientSearchPerson.objects.filter(clinic=clinic).count()
    if there == people_in_it:
        return clinic
    if there:
        raise SystemExit(
            f"The clinic of {people_in_it} has {there}: an earlier run was cut short. Remove .zhizhi/bench."
        )
    _fill(clinic.pk, people_in_it, say)
    return clinic


def _fill(clinic_id: UUID, number: int, say: Say) -> None:
    began = time.monotonic()
    with as_owner():
        create_tables()
        with _bare_tables():
            loader = _Loader(clinic_id)
            for done in loader.load(people(number)):
                per_second = done / (time.monotonic() - began)
                left = (number - done) / per_second
                say(
                    f"search: {done:,} of {number:,} people sealed, {per_second:,.0f} a second, {left:.0f} s left"
                )
    keyring.forget_everything()


def desk_of(clinic: Clinic, say: Say) -> Actor:
    """Somebody at the desk, in a care team that cares for everybody in the clinic."""
    user, made = User.objects.get_or_create(username=f"desk-{clinic.code}", defaults={"display_name": "林晓"})
    if made:
        say("search: a care team for everybody …")
        with acting(system_actor("bench", clinic.pk)):
            give_role(user, clinic.pk, Role.DOCTOR)
            team = CareTeam.objects.create(clinic=clinic, name="1组")
            join_team(user, team)
        with as_owner(), connection.cursor() as cursor:
            cursor.execute(CARED_FOR, [team.pk, clinic.pk])
            cursor.execute("VACUUM ANALYZE patient_access")
    with acting(system_actor("bench", clinic.pk)):
        return staff_actor(user, clinic.pk, roles_at_work(user))


# What the trigger of a care relationship would write.
CARED_FOR: Final = """
INSERT INTO patient_access (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
SELECT clinic_id, %s, created_at, id, 1, id, created_at, 'infinity' FROM patients_patient WHERE clinic_id = %s
"""


# --- loading --------------------------------------------------------------------------------------------------------------


class _Loader:
    """Turns people into rows of five tables, `PAGE` at a time, and copies them in. In one transaction per page."""

    TABLES: ClassVar[tuple[type[models.Model], ...]] = (
        SubjectKey,
        Patient,
        PatientSearchPerson,
        PatientSearch,
        PlainPatient,
    )
    COLUMNS: ClassVar[dict[type[models.Model], str]] = {
        SubjectKey: "id, subject_id, clinic_id, scope, version, suite, kek_id, wrapped",
        Patient: "id, subject_id, sealed_by_clinic, clinic_id, service_number, sex, phone_owner, identity, created_at",
        PatientSearchPerson: "search_id, clinic_id, subject_id, patient_id",
        PatientSearch: "clinic_id, index, key_ver, token, search_id",
        PlainPatient: "id, subject_id, sealed_by_clinic, clinic_id, service_number, sex, phone_owner, name, phone, id_number,"
        " created_at",
    }

    def __init__(self, clinic_id: UUID) -> None:
        keyring.begin_unit(None)
        self.clinic_id = clinic_id
        self.kek = keyring.active_kek(clinic_id)
        self.lines: dict[type[models.Model], list[str]] = {}
        self.opened = 0

    def load(self, everybody: Iterator[Person]) -> Iterator[int]:
        """Answers, after each page, how many people are loaded."""
        done = 0
        while page := list(islice(everybody, PAGE)):
            self.lines = {table: [] for table in self.TABLES}
            keys = [(uuid7(), new_key(self.kek.suite), secrets.randbelow(2**62) + 1) for _ in page]
            for person, (subject_id, key, key_id), wrapped in zip(
                page, keys, self._wrapped(keys), strict=True
            ):
                self._add(person, subject_id, key, key_id, wrapped)
            with connection.cursor() as cursor:
                for table, lines in self.lines.items():
                    text = io.StringIO("".join(lines))
                    cursor.copy_expert(
                        f"COPY {table._meta.db_table} ({self.COLUMNS[table]}) FROM STDIN", text
                    )
            done += len(page)
            yield done

    def _wrapped(self, keys: list[tuple[UUID, bytes, int]]) -> list[bytes]:
        kek = self.kek
        return provider().wrap(
            [
                Clear(kek.reference, kek.suite, key, self._aad_of_key(subject_id))
                for subject_id, key, _ in keys
            ]
        )

    def _aad_of_key(self, subject_id: UUID) -> bytes:
        return subject_key_aad(
            clinic_id=self.clinic_id,
            subject_id=subject_id,
            scope=Scope.IDENTITY,
            version=1,
            suite=self.kek.suite,
            kek_id=self.kek.id,
        )

    def _add(self, person: Person, subject_id: UUID, key: bytes, key_id: int, wrapped: bytes) -> None:
        clinic, suite = self.clinic_id, self.kek.suite
        binding = Binding(suite, key_id, clinic_id=clinic, name="patient.identity", subject_id=subject_id)
        sealed = wire.seal(aead(suite, key), binding, subject_id, values.from_json(person.parts()))
        search_id = uuid4()
        number = f"ZZ-{self.opened // 10_000:04d}-{self.opened % 10_000:04d}"
        created_at = (FIRST_OPENED + timedelta(minutes=self.opened)).isoformat()
        self.opened += 1
        lines = self.lines
        lines[SubjectKey].append(
            f"{key_id}\t{subject_id}\t{clinic}\t{Scope.IDENTITY.value}\t1\t{suite.value}\t{self.kek.id}\t\\\\x{wrapped.hex()}\n"
        )
        who = f"{subject_id}\t{subject_id}\t{clinic}\t{clinic}\t{number}\tunknown\tself"
        lines[Patient].append(f"{who}\t\\\\x{sealed.hex()}\t{created_at}\n")
        lines[PlainPatient].append(
            f"{who}\t{person.name}\t{person.phone}\t{person.id_number}\t{created_at}\n"
        )
        lines[PatientSearchPerson].append(f"{search_id}\t{clinic}\t{subject_id}\t{subject_id}\n")
        lines[PatientSearch] += [
            f"{clinic}\t{index.value}\t{version}\t{token}\t{search_id}\n"
            for index, version, token in tokens_of(clinic, person.parts())
        ]


@contextmanager
def _bare_tables() -> Iterator[None]:
    """Triggers off, and no index on what is loaded in bulk; all as before afterwards, however the load ends."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'patient_search'::regclass AND contype IN ('p', 'f') ORDER BY contype DESC"
        )
        constraints = cursor.fetchall()
        cursor.execute("ALTER TABLE patients_patient DISABLE TRIGGER USER")
        for index in PLAIN_INDEXES:
            cursor.execute(f"DROP INDEX IF EXISTS {index}")
        for name, _definition in reversed(constraints):
            cursor.execute(f'ALTER TABLE patient_search DROP CONSTRAINT "{name}"')
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for name, definition in constraints:
                cursor.execute(f'ALTER TABLE patient_search ADD CONSTRAINT "{name}" {definition}')
            for statement in PLAIN_INDEXES.values():
                cursor.execute(statement)
            cursor.execute("ALTER TABLE patients_patient ENABLE TRIGGER USER")
            for table in _Loader.TABLES:
                cursor.execute(f"VACUUM ANALYZE {table._meta.db_table}")
