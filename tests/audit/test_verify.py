"""`audit_verify` says how many entries verify under which checkpoint, and names whatever was touched."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from django.db import connection

from audit import configured
from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from tests.audit.reading import events, row_changes, run, run_as_owner, tamper
from tests.audit.sealing import FORGET, WitnessProcess, leaves, seal
from tests.factories.audit import CLINIC, SETUP, open_probe

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]


@pytest.fixture
def written(open_clinic: object, log_keys: object) -> dict[str, Any]:
    """A sealed log with events, row changes and a system log; answers one event."""
    with acting(SETUP):
        probe = open_probe()
        probe.colour = "blue"
        probe.save()
        for _ in range(3):
            record("card.opened", object=("patients.card", "17"), subjects=[probe.subject_id])
    with acting(system_actor("setup", None)):
        record("roles.created", object=("roles", "5"))
    seal()
    return events(action="card.opened")[1]


def verify(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    call_command("audit_verify", *options)
    return capsys.readouterr().out


def problems(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(CommandError, match="not what it was"):
        verify(capsys, *options)
    return capsys.readouterr().err


def test_an_untouched_log_verifies_and_says_under_which_checkpoint(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    said = verify(capsys)
    size = len(leaves())
    assert f"{size} entries verify under checkpoint {size} of zhizhi.local/{CLINIC}/" in said
    assert "of zhizhi.local/system/" in said
    assert "not witnessed" in said


def test_the_witness_is_named(witness: WitnessProcess, capsys: pytest.CaptureFixture[str]) -> None:
    with acting(SETUP):
        record("card.opened", object=("patients.card", "17"))
    seal()
    assert f"witnessed by zhizhi.local/witness up to {len(leaves())}" in verify(capsys)


def test_entries_that_wait_for_their_place_are_counted_and_checked(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with acting(SETUP):
        event = record("card.opened", object=("patients.card", "18"))
    assert "1 entries of audit_event wait for their place" in verify(capsys)
    tamper(
        "audit_event",
        "UPDATE audit_event SET canon = replace(encode(canon, 'escape'), '18', '19')::bytea WHERE uid = %s",
        str(event.uid),
    )
    assert f"audit_event {event.uid}: its code is wrong" in problems(capsys)


def test_without_the_auditors_role_the_application_reads_every_log(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.DATABASE_AUDITOR_URL = ""
    said = verify(capsys)
    assert f"of zhizhi.local/{CLINIC}/" in said
    assert "of zhizhi.local/system/" in said


EDITS = [
    ("actor_ref = 'nobody'", "column actor_ref"),
    ("timestamp = timestamp - interval '1 day'", "column timestamp"),
    ("txid = txid - 1", "column txid"),
    ("changes = '{\"a\": [1, 2]}'", "column changes"),
    ("clinic_id = NULL", "column clinic_id"),
    ("count = 5", "column count"),
    ("content_type_id = (SELECT max(id) FROM django_content_type)", "column content_type_id"),
    ("mac = '\\x00'", "its code is wrong"),
    (
        "canon = replace(encode(canon, 'escape'), 'card.opened', 'card.closed')::bytea",
        "is not what was sealed",
    ),
    ("canon = canon || ' '::bytea", "its canonical text is damaged"),
    ("canon = '{}'::bytea", "its canonical text is damaged"),
    ("canon = '[1]'::bytea", "its canonical text is damaged"),
    ("canon = '\\x'::bytea", "its canonical text is damaged"),
]


@pytest.mark.requirement("HIPAA-312c")
def test_every_edited_event_is_named_with_what_was_edited(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with acting(SETUP):
        for _ in EDITS:
            record("card.opened", object=("patients.card", "17"))
    seal()
    edited = [event["uid"] for event in events(action="card.opened")][-len(EDITS) :]
    for uid, (change, _) in zip(edited, EDITS, strict=True):
        tamper("audit_event", f"UPDATE audit_event SET {change} WHERE uid = %s", uid)
    said = problems(capsys)
    for uid, (_, why) in zip(edited, EDITS, strict=True):
        assert f"audit_event {uid}: {why}" in said
    assert written["uid"] not in said


def test_a_deleted_event_is_named(written: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    tamper("audit_event", "DELETE FROM audit_event WHERE uid = %s", written["uid"])
    assert f"audit_event {written['uid']}: was deleted" in problems(capsys)


def test_an_edited_or_deleted_row_change_is_named(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = row_changes()
    tamper("audit_row_change", "UPDATE audit_row_change SET tbl = 'elsewhere' WHERE uid = %s", first["uid"])
    tamper("audit_row_change", "DELETE FROM audit_row_change WHERE uid = %s", second["uid"])
    said = problems(capsys)
    assert f"audit_row_change {first['uid']}: column tbl" in said
    assert f"audit_row_change {second['uid']}: was deleted" in said


def test_a_visitor_taken_from_a_persons_list_is_named(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tamper("audit_event_subject", "DELETE FROM audit_event_subject WHERE event_uid = %s", written["uid"])
    assert f"audit_event {written['uid']}: its rows of audit_event_subject" in problems(capsys)


def test_an_entry_added_behind_the_sealed_part_is_named(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Even one with a right code: its transaction number says that its place has passed."""
    with acting(SETUP):
        event = record("card.opened", object=("patients.card", "17"))
    tamper("audit_event", "UPDATE audit_event SET txid = %s WHERE uid = %s", written["tx"], str(event.uid))
    assert f"audit_event {event.uid}: was added behind the sealed part" in problems(capsys)


def test_reordered_leaves_are_not_the_signed_tree(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(
        "audit_leaf",
        "UPDATE audit_leaf SET leaf_index = CASE leaf_index WHEN 0 THEN -1 ELSE 0 END"
        " WHERE log_id = %s AND leaf_index IN (0, 1);"
        " UPDATE audit_leaf SET leaf_index = 1 WHERE log_id = %s AND leaf_index = -1",
        str(CLINIC),
        str(CLINIC),
    )
    assert "is not the tree that was signed" in problems(capsys)


def test_a_truncated_log_is_named(written: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    last = leaves()[-1]
    tamper("audit_leaf", "DELETE FROM audit_leaf WHERE uid = %s", last[3])
    said = problems(capsys)
    assert f"had {len(leaves()) + 1} entries when it was signed and now has {len(leaves())}" in said


def test_a_missing_leaf_in_the_middle_is_named(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tamper("audit_leaf", "DELETE FROM audit_leaf WHERE log_id = %s AND leaf_index = 2", str(CLINIC))
    assert "leaf 2 of zhizhi.local/" in problems(capsys)


def test_a_checkpoint_signed_with_another_key_is_named(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str], log_keys: Path
) -> None:
    log_keys.unlink()
    Path(f"{log_keys}.pub").unlink()
    configured.log_signer()
    assert "no known key signed this" in problems(capsys)


def test_a_history_sealed_anew_does_not_contain_the_checkpoint_kept_elsewhere(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with acting(SETUP):
        (note,) = run(
            "SELECT note FROM audit_checkpoint WHERE log_id = %s ORDER BY size DESC LIMIT 1", str(CLINIC)
        )[0]
    kept = tmp_path / "printed.txt"
    kept.write_text(note)
    assert "entries verify" in verify(capsys, "--checkpoint", str(kept))
    tamper("audit_event", "DELETE FROM audit_event WHERE uid = %s", written["uid"])
    run_as_owner(FORGET)
    with acting(SETUP):
        record("card.opened", object=("patients.card", "17"))
    seal()
    assert "entries verify" in verify(capsys)  # who holds every key here rewrites everything here
    assert "signed" in problems(capsys, "--checkpoint", str(kept))


def test_the_command_exits_with_one_and_names_the_row(
    written: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """As a process of its own, the way a clinic runs it."""
    tamper("audit_event", "UPDATE audit_event SET actor_ref = 'nobody' WHERE uid = %s", written["uid"])
    connection.close()  # no two processes speak over one
    process = get_context("fork").Process(
        target=execute_from_command_line, args=(["manage.py", "audit_verify"],)
    )
    process.start()
    process.join(60)
    assert process.exitcode == 1
    assert f"audit_event {written['uid']}: column actor_ref" in capfd.readouterr().err
