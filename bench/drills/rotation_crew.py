"""The processes of the rotation drill: who reads, who writes, and who changes the keys. Each is killed or stops when it is told to."""

import io
import json
import random
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from bench.drills.rotation_people import identity_of, number_of, service_number
from clinics.models import Clinic
from config.settings.base import TRANSACTION_LIMITS
from crypto.indexes import Index
from patients.identity import NewIdentity
from patients.models import Patient
from patients.search_tokens import people_with
from patients.services import open_card

WRITERS = 2
OWNED_BY_WRITERS = 50  # of so many numbers each writer owns one
PAGE = 20
# people read what they opened, and who changes the keys gets a share of the machine
SECONDS_BETWEEN_TURNS = 0.4
NEW_ONE_IN = 4  # of so many deeds of a writer one opens a card


@dataclass(slots=True)
class Report:
    """What a process did, and what did not hold. `phones` is a writer's own copy of what it wrote, by patient."""

    values: int = 0
    found: int = 0
    written: int = 0
    opened: int = 0
    failures: list[str] = field(default_factory=list)
    phones: dict[str, str] = field(default_factory=dict)


def owner_of(number: int) -> int | None:
    """The writer that alone changes this person, or None: nobody does."""
    rest = number % OWNED_BY_WRITERS
    return rest if rest < WRITERS else None


@dataclass(frozen=True, slots=True)
class Orders:
    """What every process is told: where the database is, whom there are, and where to report. The file `stop` ends the work."""

    database: str
    clinic_code: str
    people: int
    seed: int
    folder: Path

    def begin(self) -> Clinic:
        """In the drill's database, under the limits that hold for every transaction of the application."""
        connection.settings_dict["NAME"] = self.database
        connection.settings_dict["OPTIONS"]["options"] = TRANSACTION_LIMITS
        return Clinic.objects.get(code=self.clinic_code)

    def until_stopped(self) -> Iterator[None]:
        while not (self.folder / "stop").exists():
            yield

    def hand_in(self, name: str, report: Report) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(asdict(report)))


def rotate(orders: Orders, *arguments: str) -> None:
    """What somebody at a terminal would type; it is killed in the middle."""
    orders.begin()
    out = io.StringIO()
    call_command("rotate_keys", "--clinic", orders.clinic_code, *arguments, stdout=out)


def read(orders: Orders, name: str) -> None:
    """Read people whom nobody changes, and look for them, and compare with what they are called."""
    _work(orders, name, _Reader(orders, name).turn)


def write(orders: Orders, name: str, number: int) -> None:
    """Change people whom nobody else changes, open cards, and read both back."""
    writer = _Writer(orders, name, number)
    _work(orders, name, writer.turn)


def _work(orders: Orders, name: str, turn: Callable[[Clinic, Report], None]) -> None:
    clinic, report = orders.begin(), Report()
    for _turn in orders.until_stopped():
        try:
            turn(clinic, report)
        except Exception as error:  # whatever it is, it is what the drill looks for
            place = traceback.extract_tb(error.__traceback__)[-1]
            report.failures.append(
                f"{name}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            )
            connection.close()
        time.sleep(SECONDS_BETWEEN_TURNS)
    orders.hand_in(name, report)


class _Reader:
    def __init__(self, orders: Orders, name: str) -> None:
        self._orders = orders
        self._chance = random.Random(f"{orders.seed} {name}")  # whom to look at, not secrets
        self._name = name

    def turn(self, clinic: Clinic, report: Report) -> None:
        numbers = [n for n in self._chance.sample(range(self._orders.people), PAGE) if owner_of(n) is None]
        wanted = [service_number(number) for number in numbers]
        with acting(system_actor("drill", clinic.pk)), access(Purpose.SECURITY, Kind.MATCHED):
            patients = list(Patient.objects.filter(clinic=clinic, service_number__in=wanted))
            if len(patients) != len(numbers):
                report.failures.append(f"{self._name}: people are missing")
            for patient in patients:
                known = identity_of(number_of(patient), seed=self._orders.seed)
                if (patient.identity.name, patient.identity.phone) != (known["name"], known["phone"]):
                    report.failures.append(f"{self._name}: patient {patient.pk} is called otherwise")
                report.values += 1
            self._look_for(clinic, patients[0], report)

    def _look_for(self, clinic: Clinic, patient: Patient, report: Report) -> None:
        known = identity_of(number_of(patient), seed=self._orders.seed)
        name, phone = str(known["name"]), str(known["phone"])
        by_name = people_with(clinic.pk, Index.NAME_BG, name, every=True)
        by_phone = people_with(clinic.pk, Index.PHONE_EQ, phone)
        if patient.pk not in by_name or patient.pk not in by_phone:
            report.failures.append(f"{self._name}: patient {patient.pk} is not found")
        report.found += 2


class _Writer:
    def __init__(self, orders: Orders, name: str, number: int) -> None:
        self._orders = orders
        self._chance = random.Random(f"{orders.seed} {name}")  # whom to change, not secrets
        self._name = name
        self._number = number
        self._owned = [n for n in range(orders.people) if owner_of(n) == number]
        self._phones: dict[int, str] = {}
        self._deeds = 0

    def turn(self, clinic: Clinic, report: Report) -> None:
        self._deeds += 1
        if self._deeds % NEW_ONE_IN == 0:
            self._open(clinic, report)
        else:
            self._change(clinic, report)

    def _phone(self) -> str:
        return f"+8615{self._number}{self._chance.randrange(10**8):08d}"

    def _change(self, clinic: Clinic, report: Report) -> None:
        number = self._chance.choice(self._owned)
        known = identity_of(number, seed=self._orders.seed)
        phone = self._phone()
        with acting(system_actor("drill", clinic.pk)), access(Purpose.SECURITY, Kind.MATCHED):
            patient = Patient.objects.get(clinic=clinic, service_number=service_number(number))
            before = self._phones.get(number, known["phone"])
            if (patient.identity.name, patient.identity.phone) != (known["name"], before):
                report.failures.append(f"{self._name}: patient {patient.pk} is not as it was written")
            patient.identity.replace(phone=phone)
            patient.save()
        self._phones[number] = phone
        report.phones[str(patient.pk)] = phone
        report.values += 1
        report.written += 1

    def _open(self, clinic: Clinic, report: Report) -> None:
        phone = self._phone()
        actor = system_actor("drill", clinic.pk)
        like = identity_of(self._orders.people + self._chance.randrange(10**6), seed=self._orders.seed)
        identity = NewIdentity(name=str(like["name"]), phone=phone)
        with acting(actor):
            patient = open_card(clinic=clinic, identity=identity, by=actor, at=now())
        report.phones[str(patient.pk)] = phone
        report.opened += 1
        with acting(actor):
            if patient.pk not in people_with(clinic.pk, Index.PHONE_EQ, phone):
                report.failures.append(f"{self._name}: patient {patient.pk} is not found")
            report.found += 1
