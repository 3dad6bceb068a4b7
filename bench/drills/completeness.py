"""Everything that was done is on the log, and nothing else: robots act by every way there is and keep a journal of their own.

A robot writes a line into a file before its deed and one after it. The log is then joined to the journal by row and time, never by
a number of ours: each deed that was done is found once, what was taken back is not found, and no row change or look is found that no
robot tells of. Robots that act beside the application (its own role, the owner) are found as well, and the judge finds exactly theirs.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import attribution
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from audit.removal import delete_rows
from audit.services import record
from audit.wrote import wrote
from bench.drills import forks
from bench.drills.owner import owner_of_tables
from bench.drills.tally import Scale, Tally
from clinics.models import CareTeam, Chain, Clinic, User
from clinics.queries import roles_at_work, staff_actor
from clinics.roles import Role
from clinics.services import give_role, join_team, open_clinic
from clinics.tokens import make_token, scopes_open_to
from config.celery import app as celery
from config.dbroles.owner import as_owner
from consent.models import ConfirmationCode
from consent.tasks import forget_codes
from crypto.ids import uuid7
from patients.choices import CareRole, Sex
from patients.identity import NewIdentity
from patients.models import Card, CareRelationship, Patient
from patients.services import open_card

DEEDS: Final = 5_000
PEOPLE: Final = 12
SECONDS_FOR_A_WORKER: Final = 120
QUEUE: Final = "completeness"
Row = tuple[str, str, str]  # table, operation, key


@dataclass(slots=True)
class Deed:
    """What a robot is about to do: rows it will write, subjects it will look at, and whether an event answers for it."""

    rows: list[Row] = field(default_factory=list)
    looks_at: list[UUID] = field(default_factory=list)
    is_said: bool = True


Robot = Iterator[Deed]  # tells its deed, does it, and may tell it again with keys that only the database knew


@dataclass(frozen=True, slots=True)
class House:
    clinic: Clinic
    nurse: User
    actor: Actor
    patients: list[Patient]
    groups: list[Group]
    browser: Client
    administrator: Client
    machine: Client
    dice: random.Random


class _TakenBack(Exception):
    """A robot changes its mind before the commit."""


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    dice = random.Random(seed)
    house = _furnish(dice)
    with TemporaryDirectory() as place, _worker():
        journal, began = Path(place) / "journal", _moment()
        deeds = scale.of(DEEDS)
        for number in range(deeds):
            _act(journal, number, _choose(number, deeds, dice), house)
        _compare(tally, journal, began)


# --- the robots -------------------------------------------------------------------------------------------------------


def save(house: House) -> Robot:
    card = house.dice.choice(list(_cards(house)))
    yield Deed([("patients_card", "U", str(card.pk))])
    with acting(house.actor):
        card.form_token = uuid4()
        card.save(update_fields=["form_token"])
        record("card.touched", object=card)


def save_audited(house: House) -> Robot:
    with acting(house.actor):
        care = house.dice.choice(list(CareRelationship.objects.order_by("pk")))
    yield Deed([("patients_carerelationship", "U", str(care.pk))])
    with acting(house.actor):
        care.valid_until = timezone.now() + timedelta(days=house.dice.randrange(30, 9000))
        care.save(update_fields=["valid_until"])


def update(house: House) -> Robot:
    cards = house.dice.sample(list(_cards(house)), 3)
    yield Deed([("patients_card", "U", str(card.pk)) for card in cards])
    with acting(house.actor):
        count = Card.objects.filter(pk__in=[card.pk for card in cards]).update(opened_at=timezone.now())
        record("cards.touched", object=("patients.card", ""), count=count)


def bulk(house: House) -> Robot:
    cares = [_care(house, patient) for patient in house.dice.sample(house.patients, 3)]
    yield Deed([("patients_carerelationship", "I", str(care.pk)) for care in cares])
    with acting(house.actor):
        CareRelationship.objects.bulk_create(cares)
        record("care.begun", object=("patients.carerelationship", ""), count=len(cares))


def bulk_delete(house: House) -> Robot:
    with acting(house.actor):
        covering = CareRelationship.objects.filter(role=CareRole.COVERING).order_by("pk")
        some = list(covering.values_list("pk", flat=True)[: house.dice.randint(1, 4)])
    yield Deed([("patients_carerelationship", "D", str(key)) for key in some])
    with acting(house.actor):
        rows = CareRelationship.objects.filter(pk__in=some)
        delete_rows("care.removed", rows, about=house.clinic.pk)


def raw_sql(house: House) -> Robot:
    cards = house.dice.sample(list(_cards(house)), 2)
    yield Deed([("patients_card", "U", str(card.pk)) for card in cards])
    with acting(house.actor), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE patients_card SET opened_at = clock_timestamp() WHERE id = ANY (%s)",
            [[card.pk for card in cards]],
        )
        record("cards.moved", object=("drill:cards", ""), wrote=wrote(Card, count=cursor.rowcount))


def many_to_many(house: House) -> Robot:
    through, group = User.groups.through, house.dice.choice(house.groups)
    links = through.objects.filter(user_id=house.nurse.pk)
    here = {link.group_id: str(link.pk) for link in links}
    if len(here) == len(house.groups):
        yield Deed([("clinics_user_groups", "D", key) for key in here.values()])
        with acting(house.actor):
            house.nurse.groups.clear()
    elif group.pk in here:
        yield Deed([("clinics_user_groups", "D", here[group.pk])])
        with acting(house.actor):
            house.nurse.groups.remove(group)
    else:
        yield Deed()
        with acting(house.actor):
            house.nurse.groups.add(group)
        yield Deed([("clinics_user_groups", "I", str(links.get(group=group).pk))])


def admin(house: House) -> Robot:
    yield Deed([("clinics_user", "U", str(house.nurse.pk))])
    role = house.nurse.staff_roles.get()
    form = {
        "username": house.nurse.username, "display_name": f"演练{house.dice.randrange(10**9)}", "kind": "staff", "is_active": "on",
        "staff_roles-TOTAL_FORMS": "1", "staff_roles-INITIAL_FORMS": "1", "staff_roles-0-id": str(role.pk),
        "staff_roles-0-user": str(house.nurse.pk), "staff_roles-0-clinic": str(role.clinic_id), "staff_roles-0-role": role.role,
        "groups": [str(group.pk) for group in house.nurse.groups.all()],
    }  # fmt: skip
    answer = house.administrator.post(f"/admin/clinics/user/{house.nurse.pk}/change/", form)
    if answer.status_code != 302:
        raise AssertionError(f"the admin answers {answer.status_code}")


def page(house: House) -> Robot:
    patient = house.dice.choice(house.patients)
    yield Deed(looks_at=[patient.subject_id])
    _expect_page(house.browser.get(reverse("desk:chart", args=[patient.pk])))


def api(house: House) -> Robot:
    patient = house.dice.choice(house.patients)
    yield Deed(looks_at=[patient.subject_id])
    _expect_page(house.machine.get(reverse("api:patient", args=[patient.pk])))


def task(house: House) -> Robot:
    patient, long_ago = house.dice.choice(house.patients), timezone.now() - timedelta(days=3)
    code = ConfirmationCode(
        id=uuid7(), clinic=house.clinic, patient=patient, code_mac=b"", sent_at=long_ago, expires_at=long_ago
    )
    yield Deed([("consent_code", "I", str(code.pk)), ("consent_code", "D", str(code.pk))])
    with acting(house.actor):
        code.save(force_insert=True)
        record("consent.code_sent", object=code)
    celery.send_task(forget_codes.name, queue=_queue())
    deadline = time.monotonic() + SECONDS_FOR_A_WORKER
    while _is_there(house, code):
        if time.monotonic() > deadline:
            raise AssertionError("the worker did not come")
        time.sleep(0.05)


def shell(house: House) -> Robot:
    card = house.dice.choice(list(_cards(house)))
    yield Deed([("patients_card", "U", str(card.pk))], is_said=False)
    typed = (
        "from django.db import connection, transaction\n"
        "with transaction.atomic(), connection.cursor() as cursor:\n"
        f"    cursor.execute(\"SELECT set_config('zhizhi.clinics', '{{{house.clinic.pk}}}', true)\")\n"
        f"    cursor.execute(\"UPDATE patients_card SET opened_at = clock_timestamp() WHERE id = '{card.pk}'\")\n"
    )
    said = forks.manage(_environment(), "shell", "-v", "0", "-c", typed)
    if said.returncode:
        raise AssertionError(f"the shell ended with {said.returncode}: {said.stderr}")


def beside(house: House) -> Robot:
    """The application's role without the application: no unit of work, no actor, no event."""
    card = house.dice.choice(list(_cards(house)))
    yield Deed([("patients_card", "U", str(card.pk))], is_said=False)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, true)", [f"{{{house.clinic.pk}}}"])
        Card.objects.filter(pk=card.pk).update(opened_at=timezone.now())


def owner(house: House) -> Robot:
    card = house.dice.choice(list(_cards(house)))
    yield Deed([("patients_card", "U", str(card.pk))], is_said=False)
    with owner_of_tables() as database, database.cursor() as cursor:
        cursor.execute("UPDATE patients_card SET opened_at = clock_timestamp() WHERE id = %s", [card.pk])


def taken_back(house: House) -> Robot:
    card = house.dice.choice(list(_cards(house)))
    yield Deed([("patients_card", "U", str(card.pk))])
    with acting(house.actor):
        Card.objects.filter(pk=card.pk).update(opened_at=timezone.now())
        record("card.touched", object=card)
        raise _TakenBack


OFTEN: Final[tuple[Callable[[House], Robot], ...]] = (
    save, save_audited, update, bulk, bulk_delete, raw_sql, many_to_many, page, api, beside, owner, taken_back, admin,
)  # fmt: skip
SELDOM: Final[tuple[Callable[[House], Robot], ...]] = (shell, task)  # a process each time
SELDOM_IS_ONE_IN: Final = 100


def _choose(number: int, deeds: int, dice: random.Random) -> Callable[[House], Robot]:
    """Each robot has its turn at the beginning; then chance decides."""
    everyone = OFTEN + SELDOM
    if number < len(everyone):
        return everyone[number]
    return dice.choice(SELDOM if dice.randrange(SELDOM_IS_ONE_IN) == 0 else OFTEN)


# --- the journal ------------------------------------------------------------------------------------------------------


def _act(journal: Path, number: int, robot: Callable[[House], Robot], house: House) -> None:
    steps = robot(house)
    deed, outcome = next(steps), "done"
    _note(journal, number, "before", robot.__name__, deed)
    try:
        deed = next(steps, deed)
    except _TakenBack:
        outcome = "taken back"
    with suppress(StopIteration):
        next(steps)
    _note(journal, number, outcome, robot.__name__, deed)


def _note(journal: Path, number: int, when: str, robot: str, deed: Deed) -> None:
    line = {
        "number": number,
        "when": when,
        "at": _moment().isoformat(),
        "robot": robot,
        "rows": deed.rows,
        "looks": [str(subject) for subject in deed.looks_at],
        "said": deed.is_said,
    }
    with journal.open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()


def _moment() -> datetime:
    """As the database's clock has it: the log is written by that one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


# --- the comparison ---------------------------------------------------------------------------------------------------


def _compare(tally: Tally, journal: Path, began: datetime) -> None:
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    before = {line["number"]: line for line in lines if line["when"] == "before"}
    after = {line["number"]: line for line in lines if line["when"] != "before"}
    rows, looks = _logged_rows(began), _logged_looks(began)
    silent: Counter[Row] = Counter()
    for number, line in sorted(after.items()):
        span = datetime.fromisoformat(before[number]["at"]), datetime.fromisoformat(line["at"])
        done = line["when"] == "done"
        what = f"deed {number}, {line['robot']}"
        for row in map(tuple, line["rows"]):
            tally.check(_take(rows, row, span) == done, f"{what}: {row} {'missing' if done else 'invented'}")
            silent[row] += done and not line["said"]
        for subject in line["looks"]:
            tally.check(_take(looks, subject, span), f"{what}: the look at a patient is missing")
    for key in sorted({*rows, *looks}, key=str):
        for at in rows.get(key, []) + looks.get(key, []):
            tally.check(False, f"invented: {key} at {at}")
    tally.check(_unanswered(began) == +silent, "the judge finds other changes than those nobody answers for")
    told = Counter(line["robot"] for line in after.values())
    tally.say(f"{len(after)} deeds: " + ", ".join(f"{count} {name}" for name, count in sorted(told.items())))


def _take(found: dict[Any, list[datetime]], key: Any, span: tuple[datetime, datetime]) -> bool:
    """Whether the log has this within the span; it is crossed out, so that it answers for one deed alone."""
    for at in found.get(key, []):
        if span[0] <= at <= span[1]:
            found[key].remove(at)
            return True
    return False


TABLES: Final = (
    "patients_card",
    "patients_carerelationship",
    "clinics_user",
    "clinics_user_groups",
    "consent_code",
)


def _logged_rows(began: datetime) -> dict[Any, list[datetime]]:
    found: dict[Any, list[datetime]] = {}
    with owner_of_tables() as database, database.cursor() as cursor:
        cursor.execute(
            "SELECT timestamp, tbl, op, canon FROM audit_row_change WHERE timestamp > %s AND tbl = ANY (%s)",
            [began, list(TABLES)],
        )
        for at, table, op, canon in cursor:
            for row in json.loads(bytes(canon))["rows"]:
                found.setdefault((table, op, row["pk"]), []).append(at)
    return found


def _logged_looks(began: datetime) -> dict[Any, list[datetime]]:
    found: dict[Any, list[datetime]] = {}
    with owner_of_tables() as database, database.cursor() as cursor:
        cursor.execute(
            "SELECT canon FROM audit_event WHERE timestamp > %s AND action = %s AND kind = 'viewed'",
            [began, AuditEvent.Action.ACCESS],
        )
        for (canon,) in cursor:
            entry = json.loads(bytes(canon))
            for subject in entry["subjects"]:
                found.setdefault(subject, []).append(datetime.fromisoformat(entry["at"]))
    return found


def _unanswered(began: datetime) -> Counter[Row]:
    """The rows of the changes the judge would ring for."""
    with owner_of_tables() as database, database.cursor() as cursor:
        cursor.execute("SELECT uid, op FROM audit_row_change WHERE timestamp > %s", [began])
        ops = {UUID(str(uid)): op for uid, op in cursor}
    with as_owner():
        changes = [change for change in attribution.unattributed(0, 2**62) if change.uid in ops]
    return Counter(
        (c.place.table, ops[c.uid], key) for c in changes if c.place.table in TABLES for key in c.keys
    )


# --- the house --------------------------------------------------------------------------------------------------------


def _furnish(dice: random.Random) -> House:
    chain = Chain.objects.create(name="演练")
    clinic = open_clinic(chain=chain, code="drill", name="演练诊所", short_name="演练", phone="010-5550 0100")
    by = system_actor("drill", clinic.pk)
    with acting(by):
        nurse = User.objects.create_user("drill-nurse", display_name="演练")
        record("account.opened", object=nurse)
        give_role(nurse, clinic.pk, Role.NURSE)
        team = CareTeam.objects.create(clinic=clinic, name="一组")
        record("team.opened", object=team)
        join_team(nurse, team)
        Authenticator.objects.create(user=nurse, type=Authenticator.Type.TOTP, data={"secret": "x"})
    patients = []
    for _ in range(PEOPLE):
        with acting(by):
            identity = NewIdentity(name="演练者", sex=Sex.FEMALE)
            patients.append(open_card(clinic=clinic, identity=identity, by=by, at=timezone.now(), team=team))
    administrator = User.objects.create_superuser("drill-administrator", "a-long-password-2026")
    return House(
        clinic,
        nurse,
        staff_actor(nurse, clinic.pk, roles_at_work(nurse)),
        patients,
        [Group.objects.create(name=f"drill {number}") for number in range(3)],
        _signed_in(nurse),
        _signed_in(administrator),
        _machine(nurse, clinic),
        dice,
    )


def _signed_in(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return browser


def _machine(nurse: User, clinic: Clinic) -> Client:
    with acting(system_actor("drill", clinic.pk)):
        made = make_token(
            uuid4(), nurse, clinic, label="演练", scopes=scopes_open_to(nurse, clinic), days=1, by=nurse, at=timezone.now()
        )  # fmt: skip
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


def _cards(house: House) -> list[Card]:
    with acting(house.actor):
        return list(Card.objects.order_by("pk"))


def _care(house: House, patient: Patient) -> CareRelationship:
    at = timezone.now()
    return CareRelationship(
        clinic=house.clinic, patient=patient, staff=house.nurse, role=CareRole.COVERING,
        valid_from=at, valid_until=at + timedelta(days=house.dice.randrange(1, 9000)),
    )  # fmt: skip


def _is_there(house: House, code: ConfirmationCode) -> bool:
    with acting(house.actor):
        return ConfirmationCode.objects.filter(pk=code.pk).exists()


def _expect_page(answer: Any) -> None:
    if answer.status_code != 200:
        raise AssertionError(f"the page answers {answer.status_code}")


# --- the worker -------------------------------------------------------------------------------------------------------


def _queue() -> str:
    return f"{QUEUE}-{connection.settings_dict['NAME']}"


def _environment() -> dict[str, str]:
    """For processes of the product, on the database in hand."""
    database = urlsplit(os.environ["DATABASE_URL"])
    return {
        **os.environ,
        "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
    }


@contextmanager
def _worker() -> Iterator[None]:
    """A real worker process on a queue of this drill alone."""
    process = forks.start(_environment(), forks.worker, "-P", "solo", "-Q", _queue())
    try:
        yield
    finally:
        process.terminate()
        process.join()
        with celery.connection_or_acquire() as link:
            link.default_channel.queue_delete(_queue())
