"""The erasure drill: what is left of somebody for a thief who has an old dump and everything that exists after the epoch."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test.utils import override_settings
from django.utils import timezone

from audit import configured
from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.connections import as_role, reader
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.sequencer import Sequencer
from audit.services import record
from audit.signing import read_verifier
from audit.verification import Trust, Verification
from bench.drills import forks
from bench.drills.erasure_thief import Column, Loot, Thief
from bench.drills.owner import owner_of_tables, superuser
from bench.drills.tally import Scale, Tally
from clinics.models import Clinic
from config.start import refuse_to_start
from crypto import keyring, ledger
from crypto.core.scopes import Scope
from crypto.epoch import move_counter
from crypto.files import write_file
from crypto.hold import create_pair
from crypto.managers import sealed_fields
from crypto.models import CryptoEpoch, SealedModel
from exchange.demo.checkups import invent_checkups
from exchange.demo.house import health_manager_of, open_house, teams_in
from exchange.demo.lives import Home, Life, Settling
from exchange.demo.people import invent_people
from exchange.services import Reason, carry_out_ledger, erase_patient
from exchange.services.keys import every_clinic, keep_keys_of, only_run
from patients.choices import Sex
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card

PEOPLE = 200
SECONDS_TO_SEAL = 60
RESTORED = "zhizhi_drill_restored"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of whom the drill knows what the database must not tell."""

    patient: Patient
    phone: str

    @property
    def subject_id(self) -> UUID:
        return self.patient.subject_id


@dataclass(frozen=True, slots=True)
class Backup:
    """The dump of before the erasures, and the folder of files as it was then."""

    dump: Path
    files: Path


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    """Half of the people are erased after a dump was taken; then the epoch ends."""
    with TemporaryDirectory() as place, _own_keys(Path(place)):
        people = list(_invent(max(4, scale.of(PEOPLE))))
        erased = Random(seed).sample(people, len(people) // 2)  # a choice, not a secret
        spared = [person for person in people if person not in erased]
        backup = _back_up(Path(place))
        began = time.monotonic()
        for person in erased:
            by = system_actor("erasure", person.patient.clinic_id)
            erase_patient(person.patient, reason=Reason.REQUEST, by=by, at=timezone.now())
        seconds = time.monotonic() - began
        tally.say(f"{len(erased)} of {len(people)} erased, {seconds / len(erased) * 1000:.0f} ms each")
        _nothing_is_lost(tally, erased, spared)
        with _restored(backup) as database:
            _restored_database_erases_again(tally, database, erased, spared)
        with _restored(backup) as database:
            _thief_before_the_epoch(tally, database, backup, erased)
            _end_the_epoch(tally)
            _thief_after_the_epoch(tally, database, backup, erased, spared)
            _restored_database_stays_closed(tally, database, backup, erased)
        _log_verifies(tally)


# --- the people -----------------------------------------------------------------------------------------------------------


@contextmanager
def _own_keys(place: Path) -> Iterator[None]:
    """Keys, files, ledger and signing key of the drill's own."""
    keys, files = place / "keys", place / "files"
    for folder in (keys, files):
        folder.mkdir(mode=0o700)
    create_pair(place / "hold.private", keys)
    log_key = str(place / "sequencer.key")
    with override_settings(KEYS_DIR=keys, FILES_DIR=files, SEQUENCER_KEY_FILE=log_key, WITNESS_URL=""):
        CryptoEpoch.objects.update(key_store="", ledger_length=0, ledger_head="")
        move_counter()
        keyring.forget_everything()
        yield
    keyring.forget_everything()


def _invent(count: int) -> Iterator[Person]:
    """The demo's house and its people; every fourth has no report, and everybody has two files."""
    at = timezone.now()
    clinics = list(open_house().values())
    homes = [Home(clinic, team, health_manager_of(team)) for clinic in clinics for team in teams_in(clinic)]
    lives = [
        Life(number=number, person=person, reports=invent_checkups(person, number=number, until=at)[-1:])
        for number, person in enumerate(invent_people(count, today=at.date()))
    ]
    settling = Settling(lives=lives, homes=homes, shared_phones=frozenset(), at=at)
    for number, life in enumerate(lives):
        if number % 4:
            settling.settle(number)
            continue
        clinic = homes[number % len(homes)].clinic
        person = life.person
        known = NewIdentity(
            name=person.name, sex=Sex(person.sex), birth_date=person.born_on, phone=person.phone
        )
        with acting(_system(clinic.pk)):
            open_card(clinic=clinic, identity=known, by=_system(clinic.pk), at=at)
    for clinic in clinics:
        with acting(_system(clinic.pk)), access(Purpose.CARE, Kind.COMPUTED):
            for patient in Patient.objects.filter(clinic=clinic):
                for scope in (Scope.RECORD, Scope.CONSENTED):
                    file = write_file(clinic.pk, patient.pk, patient.subject_id, scope, [b"what was said"])
                    record("file.kept", object=file, subjects=[patient.subject_id])
                yield Person(patient, patient.identity.phone or "")


def _system(clinic_id: UUID | None) -> Actor:
    return system_actor("drill", clinic_id)


# --- backups --------------------------------------------------------------------------------------------------------------


def _back_up(place: Path) -> Backup:
    backup = Backup(place / "dump.sql", place / "old-files")
    _postgres("pg_dump", _address("DATABASE_BACKUP_URL"), "--file", str(backup.dump))
    shutil.copytree(settings.FILES_DIR, backup.files)
    return backup


@contextmanager
def _restored(backup: Backup) -> Iterator[str]:
    """The name of a database that holds the dump."""
    with owner_of_tables("postgres") as owner, owner.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {RESTORED}")
        cursor.execute(f"CREATE DATABASE {RESTORED} TEMPLATE template0")
    try:
        address = _address("DATABASE_OWNER_URL", database=RESTORED)
        _postgres(
            "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(backup.dump), "--dbname", address
        )
        yield RESTORED
    finally:  # its sessions were those of processes that have ended, and may end a moment later
        with superuser("postgres") as server, server.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")


def _postgres(program: str, address: str, *arguments: str) -> None:
    """A program of PostgreSQL's own; the password stands in its environment, not in the list of processes."""
    found = Path(os.environ["ZHIZHI_DATA"]) / "bin" / "pginstall" / "bin" / program
    url = urlsplit(address)
    environment = {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port),
        "PGUSER": url.username or "",
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": url.path[1:],
    }
    subprocess.run([str(found), *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)


def _address(variable: str, *, database: str = "") -> str:
    name = database or str(connection.settings_dict["NAME"])
    return urlsplit(os.environ[variable])._replace(scheme="postgresql", path=f"/{name}").geturl()


# --- what must hold ---------------------------------------------------------------------------------------------------------


def _nothing_is_lost(tally: Tally, erased: list[Person], spared: list[Person]) -> None:
    lines = ledger.read()
    tally.check(
        lines.length == len(erased) and not lines.torn, "one line of the ledger for each of the erased"
    )
    tally.check(carry_out_ledger() == 0, "nothing is left to be carried out")
    for person in spared:
        tally.check(_reads(person), f"{person.subject_id}: a neighbour's name opens in the application")


def _reads(person: Person) -> bool:
    clinic_id = person.patient.clinic_id
    with acting(_system(clinic_id)), access(Purpose.CARE, Kind.COMPUTED):
        return bool(Patient.objects.get(pk=person.patient.pk).identity.name)


_LEFT = """
SELECT k.subject_id::text, array_agg(DISTINCT CASE WHEN k.wrapped IS NULL THEN 'destroyed' WHEN kek.state = 'hold' THEN 'held' ELSE 'open' END),
       EXISTS (SELECT FROM patient_search_person p WHERE p.subject_id = k.subject_id)
FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id GROUP BY k.subject_id
"""


def _start_on(database: str) -> None:
    """What web does before its first request, in a process of its own."""
    variables = {
        **os.environ,
        "DATABASE_URL": _address("DATABASE_URL", database=database),
        "KEYS_DIR": str(settings.KEYS_DIR),
        "FILES_DIR": str(settings.FILES_DIR),
    }
    web = forks.start(variables, refuse_to_start)
    web.join()
    if web.exitcode:
        raise AssertionError(f"web does not start on {database}")


def _left_in(database: str) -> dict[str, tuple[set[str], bool]]:
    with owner_of_tables(database) as owner, owner.cursor() as cursor:
        cursor.execute(_LEFT)
        return {subject: (set(states), found) for subject, states, found in cursor.fetchall()}


def _restored_database_erases_again(
    tally: Tally, database: str, erased: list[Person], spared: list[Person]
) -> None:
    before = _left_in(database)
    _start_on(database)
    after = _left_in(database)
    for person in erased:
        states, found = after[str(person.subject_id)]
        tally.check(
            before[str(person.subject_id)] == ({"open"}, True), f"{person.subject_id}: was in the dump"
        )
        tally.check(
            "open" not in states and not found, f"{person.subject_id}: is erased again after a restore"
        )
    for person in spared:
        tally.check(after[str(person.subject_id)] == ({"open"}, True), f"{person.subject_id}: is restored")


def _thief_before_the_epoch(tally: Tally, database: str, backup: Backup, erased: list[Person]) -> None:
    """A control: the same thief a day too early opens all of it. So the drill does try."""
    with owner_of_tables(database) as dump:
        thief = Thief(Path(settings.KEYS_DIR), [dump])
        values, files = thief.values(dump, _columns()), thief.files(dump, backup.files)
        for person in erased:
            whole = values.whole(person.subject_id) and files.whole(person.subject_id)
            tally.check(whole, f"{person.subject_id}: before the end of the epoch the dump opens")


def _end_the_epoch(tally: Tally) -> None:
    later = timezone.now() + timedelta(days=settings.OLD_KEYS_DAYS + 1)
    files = {path.name for path in (Path(settings.KEYS_DIR) / "keks").glob("*.kek")}
    with only_run():
        for clinic in every_clinic():
            for _job in keep_keys_of(clinic, at=later, start=True):
                pass
    now = {path.name for path in (Path(settings.KEYS_DIR) / "keks").glob("*.kek")}
    tally.check(not files & now and len(now) == Clinic.objects.count(), "the old key files are gone")


def _thief_after_the_epoch(
    tally: Tally, database: str, backup: Backup, erased: list[Person], spared: list[Person]
) -> None:
    with owner_of_tables(database) as dump, owner_of_tables() as newest:
        thief = Thief(Path(settings.KEYS_DIR), [dump, newest])
        loot = {
            "value of the old dump": thief.values(dump, _columns()),
            "value of the newest tables": thief.values(newest, _columns()),
            "file of the old backup": thief.files(dump, backup.files),
            "file": thief.files(newest, Path(settings.FILES_DIR)),
        }
        for what, found in loot.items():
            for person in erased:
                tally.check(not found.opened[person.subject_id], f"{person.subject_id}: no {what} opens")
            for person in spared:
                tally.check(
                    found.whole(person.subject_id), f"{person.subject_id}: a neighbour's {what} opens"
                )
        for person in people_with_phone(erased):
            tally.check(
                person.subject_id not in thief.finds(person.phone), f"{person.subject_id}: no phone finds"
            )
        for person in people_with_phone(spared):
            tally.check(
                person.subject_id in thief.finds(person.phone), f"{person.subject_id}: a neighbour is found"
            )
        tally.say(
            f"tried by the thief: {sum(sum(found.there.values()) for found in loot.values())} values and files"
        )


def people_with_phone(people: list[Person]) -> list[Person]:
    return [person for person in people if person.phone]


def _restored_database_stays_closed(
    tally: Tally, database: str, backup: Backup, erased: list[Person]
) -> None:
    """The old dump restored after the epoch: the application starts on it, and erases what it brought back."""
    _start_on(database)
    with owner_of_tables(database) as restored:
        thief = Thief(Path(settings.KEYS_DIR), [restored])
        loot: Loot = thief.values(restored, _columns())
    left = _left_in(database)
    for person in erased:
        tally.check(not loot.opened[person.subject_id], f"{person.subject_id}: restored late, nothing opens")
        tally.check(
            not left[str(person.subject_id)][1], f"{person.subject_id}: restored late, nobody is found"
        )


def _columns() -> list[Column]:
    return [
        Column(model._meta.db_table, str(sealed.column), sealed.aad_name)
        for model in apps.get_models()
        if issubclass(model, SealedModel) and model._meta.managed
        for sealed in sealed_fields(model)
    ]


_UNSEALED = (
    "SELECT (SELECT count(*) FROM audit_event e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = e.uid))"
    " + (SELECT count(*) FROM audit_row_change r WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = r.uid))"
)


def _log_verifies(tally: Tally) -> None:
    """Sealed to the last entry, read again, and it says who was erased."""
    sealing: Any = as_role(configured.sequencer_url())
    try:
        sequencer = Sequencer(sealing, configured.log_signer())
        deadline = time.monotonic() + SECONDS_TO_SEAL
        waiting = 1
        while waiting and time.monotonic() < deadline:
            sequencer.turn()
            with sealing, sealing.cursor() as cursor:
                cursor.execute(_UNSEALED)
                waiting = cursor.fetchone()[0]
    finally:
        sealing.close()
    tally.check(not waiting, "every entry of the log has its place")
    reading = reader()
    try:
        reports = list(
            Verification(reading, Trust(read_verifier(configured.log_public_file()), None, (), True)).run()
        )
    finally:
        reading.close()
    problems = [str(problem) for report in reports for problem in report.problems]
    tally.check(bool(reports) and not problems, f"the log verifies: {json.dumps(problems[:3])}")
    with owner_of_tables() as owner, owner.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_event WHERE action = 'patient.erased'")
        said = cursor.fetchone()
    tally.check(said == (ledger.read().length,), "the log names every erasure once")
