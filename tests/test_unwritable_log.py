"""Every door while the log cannot be written: nothing sealed comes out, nothing is changed, and what would have been told is answered 503.

The doors of the API: tests/api/test_every_address.py. A new page, job or command is found by itself.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from inspect import signature
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command, get_commands
from django.db import DatabaseError, connection
from django.urls import resolve
from django.utils import timezone

from audit import events
from audit.acting import acting
from audit.actors import system_actor
from audit.models import Check
from audit.services import record
from clinics.models import User
from clinics.roles import Role
from clinics.services import give_role
from config.celery import app
from crypto.errors import ClinicError
from tests.clinics.test_admin_tables import EDITED, OURS
from tests.factories.followups import HIGH_LDL, file_results
from tests.factories.records import fixture
from tests.pressing import forms_on
from tests.test_every_page import House, addresses, house  # noqa: F401 (the fixture)
from tests.test_who_reaches_what import MEANT
from tests.walking import Walker

pytestmark = pytest.mark.django_db
SEALED = ("陈雅琴", "13900001234", "7.10")
# Pages that open nothing sealed, and forms that as they are filled here are refused, are about nobody or stay as they were.
UNTOLD: Final = {
    "get": (
        "account accounts alarm_limits ask_for assessments auth.group clinics.careteam clinics.chain "
        "clinics.clinic clinics.specialday clinics.staffabsence clinics.user code complaint complaints consents_file data devices emergencies "
        "emergency evidence hand_over history import integration integrations kept leave locked names_told new "
        "new_integration_token new_recipient new_token notice notice_file notices panels passkey_options passkeys "
        "permission permissions pin privacy proxies publish purpose purposes receipt receipt_file recipients "
        "review_glass seals session_state sign_in staff team teams tokens unlock_options version who_are_you"
    ),
    "post": (
        "alarm_limits check claim clinics_careteam_add clinics_specialday_add clinics_staffabsence_add "
        "clinics_user_add emergency end_pin evidence import kept language log_find new new_recipient passkey_sign_in passkeys pin "
        "publish reading search sign_out still_here unlock"
    ),
}


class Door(NamedTuple):
    """A page, how it is asked, and what it is sent."""

    name: str
    how: str
    address: str
    sends: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """The same form stands on many pages, each time with another token."""
        return self.address, str({**self.sends, "csrfmiddlewaretoken": ""})


@dataclass
class Disk:
    """What the log is written on: how often it was asked to take something, and whether it does."""

    insert: Callable[..., None]
    is_full: bool = False
    asked: int = 0

    def __call__(self, *entry: Any) -> None:
        self.asked += 1
        if self.is_full:
            raise DatabaseError("disk full")
        self.insert(*entry)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(events._insert)
    monkeypatch.setattr("audit.events._insert", disk)
    return disk


def rows(house: House) -> dict[str, Any]:  # noqa: F811
    """What stands in every table, but for sessions and when they were last seen, which is no deed."""
    found: dict[str, Any] = {}
    with acting(system_actor("test", house.clinic.pk)), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in ("django_session", "clinics_accountsession", "auditlog_logentry"):
                continue
            cursor.execute(
                f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} t"
            )
            found[table] = cursor.fetchone()
    return found


def give_every_office(house: House) -> None:  # noqa: F811
    """The doctor is whatever a page may ask for, so that no refusal stands in front of a door."""
    with acting(system_actor("test", house.clinic.pk)):
        for role in (Role.MANAGER, Role.PRIVACY_OFFICER, Role.ADMINISTRATOR):
            give_role(house.doctor, house.clinic.pk, role)
        User.objects.filter(pk=house.doctor.pk).update(is_staff=True, is_superuser=True)


@dataclass
class Walk:
    """A visit of every page of ours while the log takes what it is told: which tell nothing, and the doors to be tried without it."""

    disk: Disk
    house: House
    doors: dict[tuple[str, str], tuple[Walker, Door]] = field(default_factory=dict)
    untold: dict[str, set[str]] = field(default_factory=lambda: {"get": set(), "post": set()})

    def visit(self, visitor: Walker, name: str, address: str) -> None:
        asked, answer = self.disk.asked, visitor.get(address)
        if answer.status_code == 405:
            self.find(visitor, Door(name, "post", address, MEANT))
            return
        if self.disk.asked == asked:
            self.untold["get"].add(name)
            assert shown(answer) == [], name
        else:
            self.find(visitor, Door(name, "get", address, {}))
        page = answer.content.decode() if answer["Content-Type"].startswith("text/html") else ""
        for form in forms_on(page, address):
            self.find(visitor, Door(name_of(form.action), "post", form.action, form.sends))

    def find(self, visitor: Walker, door: Door) -> None:
        self.doors.setdefault(door.key, (visitor, door))


def name_of(address: str) -> str:
    return str(resolve(address.partition("?")[0]).url_name)


def shown(answer: Any) -> list[str]:
    text = (answer.getvalue() if answer.streaming else answer.content).decode(errors="replace")
    return [word for word in SEALED if word in text]


@pytest.fixture
def walk(house: House, disk: Disk) -> Walk:  # noqa: F811
    give_every_office(house)
    walk, desk, phone = Walk(disk, house), Walker(house.doctor), Walker(house.portal_user)
    for audience, visitor in (
        ("staff", desk),
        ("account", desk),
        ("patient", phone),
        ("portal_entry", Walker()),
    ):
        for name, address in addresses(house.ids, audience=audience):
            walk.visit(visitor, name, address)
    for label, (may_add, _may_change, _may_delete) in EDITED.items():  # in Django admin
        row = apps.get_model(label)._default_manager.first()
        page = f"/admin/{label.replace('.', '/')}/"
        walk.visit(desk, label, f"{page}add/" if may_add or row is None else f"{page}{row.pk}/change/")
    return walk


def test_no_page_opens_or_changes_anything_that_it_cannot_tell(walk: Walk, disk: Disk) -> None:
    before, disk.is_full = rows(walk.house), True
    for visitor, door in walk.doors.values():
        asked = disk.asked
        answer = getattr(visitor, door.how)(door.address, door.sends)
        assert shown(answer) == [], door
        if disk.asked == asked:
            walk.untold[door.how].add(door.name)
        else:
            assert answer.status_code == 503, door
    assert rows(walk.house) == before
    assert walk.untold == {how: {*names.split()} for how, names in UNTOLD.items()}
    assert mail.outbox == []


# --- jobs and commands ------------------------------------------------------------------------------------------------

BOOKS_OF_JOBS: Final = {  # how far a job has come is no deed
    "audit_alarm_watch",
    "audit_attribution",
    "audit_check",
    "crypto_epoch",
    "crypto_job",
    "exchange_evidencepack",
}
NOT_TRIED: Final = {  # make or read tables and files, open nothing sealed; release_hold needs the other half of a key
    "access_matrix", "audit_export", "audit_partitions", "audit_sequencer", "audit_timestamp", "audit_verify",
    "crypto_status", "data_catalogue", "fsck", "processing_register", "release_hold", "seed_demo",
}  # fmt: skip


def jobs() -> list[Any]:
    app.loader.import_default_modules()
    return [task for name, task in app.tasks.items() if not name.startswith("celery.")]


def commands(number: str, by: str, report: Path) -> dict[str, list[str]]:
    """Every command of ours that opens or changes something of a clinic, with what it is given."""
    words = ["--chain=云溪健康", "--name=城北", "--short-name=云溪", "--phone=010-5550 0300"]
    return {
        "open_clinic": ["north", *words],
        "import_report": [str(report), "--clinic=east", "--open-card"],
        "create_decoys": ["--clinic=east", "--count=1"],
        "erase_patient": [number, "--clinic=east", "--reason=request", f"--by={by}", "--yes"],
        "rotate_keys": ["--epoch"],
        "key_tables": ["backup"],
        "create_hold_key": [f"--private={report.parent / 'hold.private'}"],
        "reseal": [],
    }


def test_every_command_of_ours_is_tried_or_has_a_reason_why_not() -> None:
    ours = {name for name, where in get_commands().items() if str(where).partition(".")[0] in OURS}
    assert ours == NOT_TRIED | commands("", "", Path()).keys()


@pytest.mark.django_db(transaction=True)
def test_no_job_and_no_command_opens_or_changes_anything_that_it_cannot_tell(
    house: House,  # noqa: F811
    disk: Disk,
    tmp_path: Path,
) -> None:
    """Keys that nobody uses may be left; none is gone."""
    report = tmp_path / "report.json"
    report.write_bytes(fixture("checkup", on=timezone.localdate()))
    by, at = system_actor("test", house.clinic.pk), timezone.now()
    give_every_office(house)
    with acting(by):
        file_results(house.patient, by=by, at=at, ldl=HIGH_LDL)
        check = Check.objects.create(log_id=house.clinic.pk, asked_by=by.ref, started_at=at)
        record("check.asked", object=check)
    ids = {**house.ids, "clinic_id": house.clinic.pk, "log_id": house.clinic.pk, "check_id": check.pk}
    settings.KEY_TABLES_DIR = tmp_path / "copies"
    before, keys, disk.is_full = rows(house), key_files(), True

    for job in jobs():
        job.apply(args=[str(ids[one]) for one in signature(job.run).parameters], throw=False)
    assert disk.asked >= 2  # the loop opened a new result, and the check came to its end
    for name, given in commands(house.patient.service_number, house.doctor.username, report).items():
        asked = disk.asked
        with suppress(ClinicError, CommandError):
            call_command(name, *given, stdout=StringIO(), stderr=StringIO())
        assert disk.asked > asked or name == "reseal", name  # where nothing is sealed the old way

    after = rows(house)
    assert {table for table in after if after[table] != before[table]} <= BOOKS_OF_JOBS
    assert keys.items() <= key_files().items()
    assert mail.outbox == []
    assert [path.name for path in tmp_path.iterdir()] == [report.name]


def key_files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(settings.KEYS_DIR).rglob("*") if path.is_file()}
