"""Saving and deleting an audited model writes an event without a query more and without a word of a sealed value."""

import pickle
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.access import access
from audit.acting import acting
from audit.errors import NoActor
from audit.kinds import Kind
from audit.purposes import Purpose
from crypto.fields import Scope
from crypto.services import commitment
from tests.audit.reading import events, row_changes, run
from tests.factories.audit import CLINIC, SETUP, Probe, open_probe, staff_actor

pytestmark = pytest.mark.usefixtures("clinic")
PLAINTEXT = ("王小芳", "13800001234", "空腹血糖", "李四", "hunter2")


def changes(entry: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {f["name"]: (f["old"], f["new"]) for f in entry["fields"]}


def loaded() -> Probe:
    return Probe.objects.get()


def test_creating_says_what_is_clear_and_commits_to_what_is_sealed() -> None:
    with acting(staff_actor()):
        probe = open_probe(colour="red")
        named = commitment(probe.subject_id, Scope.IDENTITY, "probe.identity.name", "王小芳")
    (entry,) = events(action="create")
    assert entry["object"] == {"type": "audit_tests.probe", "id": str(probe.pk)}
    assert entry["subjects"] == [str(probe.subject_id)]
    said = changes(entry)
    assert said["colour"] == (None, "red")
    assert said["probe.identity.name"] == (None, named)
    assert said["probe.note"][1].startswith("c:")
    assert "secret" not in said


def test_a_change_names_the_part_that_changed_and_its_commitments() -> None:
    with acting(SETUP):
        open_probe()
    with acting(staff_actor()):
        probe = loaded()
        before = commitment(probe.subject_id, Scope.IDENTITY, "probe.identity.phone", "13800001234")
        after = commitment(probe.subject_id, Scope.IDENTITY, "probe.identity.phone", "13900005678")
        probe.identity.replace(phone="13900005678")
        probe.colour = "blue"
        probe.save()
    (entry,) = events(action="update")
    assert changes(entry) == {"colour": ("red", "blue"), "probe.identity.phone": (before, after)}


def test_a_save_without_a_change_is_no_event() -> None:
    with acting(SETUP):
        open_probe()
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        probe = loaded()
        probe.note = probe.note  # a form hands every value back
        probe.save()
    assert events(action="update") == []
    assert len(row_changes()) == 1


def test_only_saved_fields_count() -> None:
    with acting(SETUP):
        open_probe()
        probe = loaded()
        probe.colour, probe.secret = "blue", "hunter2"
        probe.save(update_fields=["secret"])
        assert events(action="update") == []
        probe.save(update_fields=["colour"])
        probe.refresh_from_db()
        probe.colour = "green"
        probe.save()
    assert [changes(e) for e in events(action="update")] == [
        {"colour": ("red", "blue")},
        {"colour": ("blue", "green")},
    ]


def test_deleting_is_an_event() -> None:
    with acting(SETUP):
        open_probe()
        loaded().delete()
    (entry,) = events(action="delete")
    assert changes(entry)["colour"] == ("red", None)
    assert changes(entry)["probe.note"] == ("‹sealed›", None)


def test_a_save_is_one_statement_and_its_event_one_more() -> None:
    with acting(SETUP):
        open_probe()
        probe = loaded()
        probe.colour = "blue"
        with CaptureQueriesContext(
            connection,
        ) as queries:
            probe.save()
    assert [q["sql"].split()[0] for q in queries.captured_queries] == ["UPDATE", "SELECT"]


def test_saving_without_an_actor_is_refused() -> None:
    with acting(SETUP):
        probe = open_probe()
    probe.colour = "blue"
    run(
        "SELECT set_config('zhizhi.clinics', %s, true)", f"{{{CLINIC}}}"
    )  # so that row security is not what refuses
    with pytest.raises(NoActor), transaction.atomic():
        probe.save()


def test_no_table_of_the_log_holds_a_word_of_a_sealed_value() -> None:
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        probe = open_probe()
        probe.secret = "hunter2"
        probe.identity = {"name": "李四", "phone": None}
        assert probe.note
        probe.save()
        probe.delete()
        everything = "".join(
            str(run(f"SELECT t::text, convert_from(canon, 'UTF8') FROM {table} t"))
            for table in ("audit_event", "audit_row_change")
        )
    assert len(everything) > 1000
    assert not [word for word in PLAINTEXT if word in everything or word.encode().hex() in everything]


def test_an_instance_in_a_cache_keeps_no_plaintext() -> None:
    with acting(SETUP), access(Purpose.CARE, Kind.VIEWED):
        open_probe()
        probe = loaded()
        assert probe.note == "空腹血糖 7.2"
        assert "空腹血糖".encode() not in pickle.dumps(probe)
