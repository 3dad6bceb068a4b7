"""What django-auditlog 3.4.1 gets wrong, fault by fault: none of it reaches our log.

What it keeps of values, and its SELECT before every save: test_audited_models.py. An address from a header: below and tests/config/test_proxy.py.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Thread
from uuid import UUID

import pytest
from auditlog.context import disable_auditlog, set_actor  # noqa: TID251 (shown to be without effect)
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import ProgrammingError, connection, connections, models, transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.test import override_settings

from audit.acting import acting
from audit.actors import Actor
from audit.attribution import unattributed
from audit.models import AuditEvent
from audit.services import record
from clinics.models import User
from crypto.ids import uuid7
from tests.audit.reading import events, row_changes
from tests.factories.audit import CLINIC, SETUP, Probe, open_probe, staff_actor

ROOT = Path(__file__).resolve().parents[2]


def bare() -> Probe:
    return Probe(subject_id=uuid7(), sealed_by_clinic=CLINIC, clinic_id=CLINIC, colour="red")


# --- writes in bulk: the package sees none of them --------------------------------------------------------------------


def _insert() -> int:
    return len(Probe.objects.sealed_bulk_create([bare(), bare()]))


def _update_rows() -> int:
    rows = list(Probe.objects.all())
    for row in rows:
        row.colour = "blue"
    return Probe.objects.bulk_update(rows, ["colour"])


def _update() -> int:
    return Probe.objects.update(colour="green")


def _delete() -> int:
    return int(Probe.objects.all()._raw_delete(using="default"))


@pytest.mark.django_db(transaction=True)
def test_every_write_in_bulk_rings_unless_an_event_counts_it(open_clinic: UUID) -> None:
    nurse = staff_actor()
    for told in (False, True):
        for op, write in (("I", _insert), ("U", _update_rows), ("U", _update), ("D", _delete)):
            with acting(nurse):
                count = write()
                if told:
                    record("wall.painted", object=("audit_tests.probe", "all"), count=count)
                assert (count, row_changes()[-1]["op"]) == (2, op)
    with acting(nurse):
        rung = unattributed(0, 2**62)
    assert [(change.place.table, change.actor_ref, change.count) for change in rung] == [
        ("audit_probe", nurse.ref, 2)
    ] * 4


@pytest.mark.usefixtures("clinic")
def test_deleting_a_queryset_is_an_event_for_each_row() -> None:
    with acting(SETUP):
        made = {str(open_probe().pk), str(open_probe().pk)}
        Probe.objects.all().delete()
    assert {entry["object"]["id"] for entry in events(action="delete")} == made


# --- who, and from where ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clinic")
def test_nobody_chooses_whose_name_an_event_bears() -> None:
    """`set_actor` writes into whatever entry is saved while its receiver hangs there; ours are written past it."""
    somebody, nurse = User(username="somebody"), staff_actor()
    with acting(nurse), set_actor(somebody, remote_addr="10.0.0.1"):
        with set_actor(None):
            record("card.opened", object=("patients.card", "17"))
        open_probe()
    written = [entry for entry in events() if entry["actor"] == nurse.ref]
    assert {(entry["account"], entry["address"]) for entry in written} == {(str(nurse.user_id), None)}
    assert [entry["action"] for entry in written] == ["card.opened", "create"]


@pytest.mark.django_db(transaction=True)
def test_an_actor_never_crosses_into_another_thread(open_clinic: UUID) -> None:
    """The package finds its receivers by the clock, so that two requests of one moment lose an actor."""
    nurses, together = [staff_actor() for _ in range(4)], Barrier(4, timeout=20)
    threads = [Thread(target=_open_own_card, args=(nurse, together)) for nurse in nurses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = {entry["object"]["id"]: entry["actor"] for entry in events(action="card.opened")}
    assert said == {str(nurse.user_id): nurse.ref for nurse in nurses}


def _open_own_card(nurse: Actor, together: Barrier) -> None:
    try:
        with acting(nurse):
            together.wait()
            record("card.opened", object=("patients.card", str(nurse.user_id)))
            together.wait()
    finally:
        connections.close_all()


@pytest.mark.usefixtures("clinic")
def test_an_account_or_a_kind_of_thing_that_is_gone_takes_no_event_with_it() -> None:
    """The package's foreign keys would refuse the one and delete for the other."""
    user = User.objects.create(username="somebody")
    kind = ContentType.objects.create(app_label="once", model="thing")
    number, of_kind = user.pk, kind.pk
    with acting(staff_actor(user_id=number)):
        record("thing.seen", object=("once.thing", "17"))
    user.delete()
    kind.delete()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with acting(staff_actor()):
        event = AuditEvent.objects.get(action="thing.seen")
    assert (event.actor_id, event.actor_ref, event.content_type_id) == (number, f"user:{number}", of_kind)


# --- what was never done, and what was done to others -----------------------------------------------------------------


@pytest.mark.usefixtures("clinic")
def test_a_save_that_fails_or_is_taken_back_leaves_no_event() -> None:
    """The package writes before the save, so that one that fails was nevertheless told."""
    with acting(staff_actor()):
        probe = open_probe()
        probe.colour = "a\x00b"
        with pytest.raises(ValueError, match="NUL"), transaction.atomic():
            probe.save()
        with suppress(ZeroDivisionError), transaction.atomic():
            probe.colour = "blue"
            probe.save()
            raise ZeroDivisionError
    assert events(action="update") == []
    assert [change["op"] for change in row_changes()] == ["I"]


@pytest.mark.usefixtures("clinic")
def test_a_formula_is_no_value() -> None:
    """The package logs the text of the formula; what the row becomes is not known here, so it is refused."""
    with acting(staff_actor()):
        probe = open_probe()
        probe.colour = Concat("colour", Value("ish"))
        with pytest.raises(TypeError), transaction.atomic():
            probe.save()
        probe.refresh_from_db()
    assert probe.colour == "red"
    assert events(action="update") == []


@pytest.mark.usefixtures("clinic")
@pytest.mark.parametrize("from_the_group", [False, True])
def test_clearing_a_relation_names_what_was_cleared_and_nothing_else(from_the_group: bool) -> None:
    """The package tells every row of the other table as removed, and files it under the other object."""
    groups = [Group.objects.create(name=str(number)) for number in range(3)]
    with acting(staff_actor()):
        user, other = (User.objects.create(username=name) for name in ("somebody", "else"))
        user.groups.set(groups[:2])
        other.groups.set(groups[1:])
        mine = {str(pk) for pk in User.groups.through.objects.filter(user=user).values_list("pk", flat=True)}
        if from_the_group:
            groups[0].user_set.clear()
        else:
            user.groups.clear()
    (entry,) = events(action="rights.taken")
    named = {key for part in entry["wrote"] for key in part["keys"]}
    assert named < mine if from_the_group else named == mine
    assert entry["count"] == len(named)
    assert entry["object"]["id"] == str(groups[0].pk if from_the_group else user.pk)


# --- its switches -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clinic")
def test_no_switch_of_the_package_silences_us() -> None:
    with acting(staff_actor()), disable_auditlog(), override_settings(AUDITLOG_DISABLE_ON_RAW_SAVE=True):
        probe = bare()
        probe.save()
        probe.colour = "blue"
        models.Model.save_base(probe, raw=True)  # as loaddata saves
    assert [entry["action"] for entry in events()] == ["create", "update"]


PAST_OUR_DOOR = """
from auditlog.context import disable_auditlog
from auditlog.context import set_actor
import auditlog.context
from auditlog.registry import auditlog
from auditlog.mixins import LogAccessMixin
from auditlog.middleware import AuditlogMiddleware
"""


def test_the_linter_refuses_whatever_goes_past_our_door() -> None:
    ruff = [str(Path(sys.executable).parent / "ruff"), "check", "--no-cache", "--select", "TID251"]
    told = subprocess.run(
        [*ruff, "--output-format", "concise", "--stdin-filename", "clinics/x.py", "-"],
        input=PAST_OUR_DOOR, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = {line.split(":")[1] for line in told.stdout.splitlines() if "TID251" in line}
    assert lines == {"2", "3", "4", "5", "6", "7"}, told.stdout + told.stderr


@pytest.mark.usefixtures("clinic")
@pytest.mark.parametrize("how", [["--yes"], ["--yes", "--truncate"], ["--yes", "--before-date=2999-01-01"]])
def test_its_command_to_empty_the_log_is_refused(how: list[str]) -> None:
    with acting(SETUP):
        record("card.opened", object=("patients.card", "17"))
        with pytest.raises(ProgrammingError), transaction.atomic():
            call_command("auditlogflush", *how)
    assert len(events(action="card.opened")) == 1
