"""An export proves a log without us: the verifier runs in a process that knows none of our packages."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from audit import configured, export
from audit.acting import acting
from audit.actors import system_actor
from audit.canon import canonical
from audit.errors import LogUnavailable
from audit.events import columns_of
from audit.models import SYSTEM_LOG, AuditEvent
from audit.services import record
from audit.verification import EVENT_COLUMNS, ROW_CHANGE_COLUMNS
from tests.audit.outside import exported, problems, verify, verify_alone
from tests.audit.reading import events, row_changes, run_as_owner, tamper
from tests.audit.sealing import WitnessProcess, leaves, seal
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, open_probe
from tools import verify_audit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]
YEAR = datetime.now(UTC).year


def write(count: int = 3) -> None:
    with acting(SETUP):
        probe = open_probe()
        for _ in range(count):
            record("card.opened", object=("patients.card", "17"), subjects=[probe.subject_id])


def newest_note(folder: Path) -> str:
    return (folder / str(CLINIC) / str(YEAR) / "checkpoint").read_text(encoding="utf-8")


def test_an_untouched_log_is_verified_from_its_files_alone(tmp_path: Path, witness: WitnessProcess) -> None:
    write(300)
    seal()
    write(1)
    seal()
    folder = exported(tmp_path / "out")
    status, words = verify_alone(folder, "--witness-key", witness.public_key)
    size = len(leaves())
    assert (
        f"{size} entries of zhizhi.local/{CLINIC}/{YEAR} are what was signed at {size}, cosigned by" in words
    )
    assert words.endswith("Nothing that does not fit was found.\n")
    assert "NOT PROVABLE" not in words
    assert "NOT COMPARED" not in words
    assert status == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted([str(CLINIC), "README.txt", "keys"])


def test_what_files_alone_cannot_show_is_said(tmp_path: Path) -> None:
    write()
    seal()
    _, words = verify(exported(tmp_path / "out"))
    assert "NOT PROVABLE" in words
    (tmp_path / "kept.txt").write_text(newest_note(tmp_path / "out"))
    status, words = verify(tmp_path / "out", "--checkpoint", tmp_path / "kept.txt")
    assert (status, "NOT PROVABLE" in words) == (0, False)


def test_an_export_holds_the_asked_log_alone(tmp_path: Path) -> None:
    write()
    with acting(system_actor("setup", OTHER_CLINIC)):
        record("card.opened", object=("patients.card", "99"))
    with acting(system_actor("setup", None)):
        record("roles.created", object=("roles", "5"))
    seal()
    folder = exported(tmp_path / "own")
    assert str(OTHER_CLINIC) not in "".join(
        path.read_text(encoding="latin-1") for path in folder.rglob("*") if path.is_file()
    )
    everything = exported(tmp_path / "all", "--verbosity", "1")
    assert {path.name for path in everything.iterdir() if path.is_dir()} == {
        "system",
        "keys",
        str(CLINIC),
        str(OTHER_CLINIC),
    }
    status, words = verify(everything)
    assert (status, problems(words)) == (0, [])
    with pytest.raises(CommandError, match="There is no log"):
        call_command("audit_export", str(tmp_path / "none"), "--log", str(UUID(int=9)))


def carried_away() -> list[str]:
    return [entry["object"]["id"] for entry in events(clinic=SYSTEM_LOG, action="log.exported")]


def test_what_is_carried_away_is_in_the_systems_log_or_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    seal()
    exported(tmp_path / "out")
    assert carried_away() == [str(CLINIC)]

    def full(*entry: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("audit.events._insert", full)
    with pytest.raises(LogUnavailable):
        exported(tmp_path / "untold")
    assert not (tmp_path / "untold").exists()


def test_a_role_that_only_reads_exports_and_says_that_no_log_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    seal()
    run_as_owner("REVOKE INSERT ON audit_event FROM zhizhi_app")
    try:
        folder = exported(tmp_path / "out")
    finally:
        run_as_owner("GRANT INSERT ON audit_event TO zhizhi_app")
    assert "the export stands in no log" in capsys.readouterr().err
    assert (folder / "keys").exists()
    assert carried_away() == []


def test_what_was_touched_is_named_by_row(tmp_path: Path) -> None:
    write(6)
    seal()
    edited, gone, moved, reordered, relisted = (e["uid"] for e in events(action="card.opened")[:5])
    tamper("audit_event", "UPDATE audit_event SET actor_ref = 'nobody' WHERE uid = %s", edited)
    tamper("audit_event", "DELETE FROM audit_event WHERE uid = %s", gone)
    tamper("audit_event", "UPDATE audit_event SET log_id = %s WHERE uid = %s", str(OTHER_CLINIC), moved)
    tamper("audit_event", "UPDATE audit_event SET canon = canon || ' '::bytea WHERE uid = %s", reordered)
    tamper("audit_event_subject", "DELETE FROM audit_event_subject WHERE event_uid = %s", relisted)
    change = row_changes()[0]["uid"]
    tamper("audit_row_change", "UPDATE audit_row_change SET row_count = 7 WHERE uid = %s", change)
    status, words = verify(exported(tmp_path / "out"))
    found = problems(words)
    assert status == 1
    for line in (
        f"audit_event {edited}: column actor_ref is not what the entry says",
        f"audit_event {moved}: column log_id is not what the entry says",
        f"audit_event {reordered}: its text is damaged: these are not the bytes of RFC 8785",
        f"audit_event {relisted}: its rows of audit_event_subject are not what the entry says",
        f"audit_row_change {change}: column row_count is not what the entry says",
    ):
        assert line in found
    assert [line for line in found if line.startswith(f"audit_event {gone}: was deleted (leaf ")]
    assert [line for line in found if line.startswith(f"audit_event {reordered}: is not what was sealed")]
    assert len(found) == 7


def test_a_leaf_changed_with_its_entry_is_named_by_the_signed_range_it_stands_in(tmp_path: Path) -> None:
    write(3)
    seal()
    first = len(leaves())
    write(3)
    seal()
    uid = events(action="card.opened")[4]["uid"]
    tamper(
        "audit_event",
        "UPDATE audit_event SET canon = replace(encode(canon, 'escape'), '\"17\"', '\"18\"')::bytea, object_pk = '18'"
        " WHERE uid = %s",
        uid,
    )
    tamper(
        "audit_leaf",
        "UPDATE audit_leaf l SET leaf_hash = sha256('\\x00'::bytea || e.canon) FROM audit_event e WHERE e.uid = l.uid",
    )
    (found,) = problems(verify(exported(tmp_path / "out"))[1])
    last = len(leaves()) - 1
    assert found.startswith(
        f"zhizhi.local/{CLINIC}/{YEAR}, leaves {first} to {last}: the tree is not the one"
    )


def test_an_entry_added_behind_the_sealed_part_is_named(tmp_path: Path) -> None:
    write()
    seal()
    behind = events(action="card.opened")[0]["tx"]
    with acting(SETUP):
        event = record("card.opened", object=("patients.card", "17"))
    _, words = verify(exported(tmp_path / "waiting"))
    assert "1 entries of" in words
    tamper("audit_event", "UPDATE audit_event SET txid = %s WHERE uid = %s", behind, str(event.uid))
    assert (
        f"audit_event {event.uid}: was added behind the sealed part and has no place in the log"
        in problems(verify(exported(tmp_path / "out"))[1])
    )


def test_a_cut_off_end_shows_against_a_checkpoint_kept_elsewhere(tmp_path: Path) -> None:
    write()
    seal()
    early = len(leaves())
    write()
    seal()
    late = len(leaves())
    (tmp_path / "kept.txt").write_text(newest_note(exported(tmp_path / "before")))
    tamper("audit_checkpoint", "DELETE FROM audit_checkpoint WHERE size > %s", early)
    tamper("audit_leaf", "DELETE FROM audit_leaf WHERE leaf_index >= %s AND log_id = %s", early, str(CLINIC))
    for table in ("audit_event", "audit_row_change"):
        tamper(
            table, f"DELETE FROM {table} t WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = t.uid)"
        )
    folder = exported(tmp_path / "out")
    status, words = verify(folder)
    assert (status, "NOT PROVABLE" in words) == (0, True)
    status, words = verify(folder, "--checkpoint", tmp_path / "kept.txt")
    assert status == 1
    assert f"leaves {early} to {late - 1} are gone" in words


def test_another_key_is_not_the_logs(tmp_path: Path, log_keys: Path) -> None:
    write()
    seal()
    (tmp_path / "real.pub").write_text(configured.log_public_file().read_text())
    folder = exported(tmp_path / "out")
    log_keys.unlink()
    configured.log_signer()
    assert "is not signed by the log's key" in verify(folder)[1]
    assert verify(folder, key=tmp_path / "real.pub")[0] == 0


def test_a_year_begins_with_the_last_checkpoint_of_the_year_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto.ids._last", 0)
    write(1)
    seal()
    with time_machine.travel(datetime(YEAR + 1, 1, 1, 0, 0, 1, tzinfo=UTC), tick=True), acting(SETUP):
        record("card.opened", object=("patients.card", "17"))
    seal()
    folder = exported(tmp_path / "out")
    status, words = verify(folder)
    assert (status, problems(words)) == (0, [])
    assert f"/{YEAR + 1} are what was signed at 2" in words
    bundle = folder / str(CLINIC) / str(YEAR) / "checkpoint"
    bundle.write_text(bundle.read_text().replace(f"/{YEAR}\n", f"/{YEAR - 1}\n"))
    assert "does not continue the year before" in verify(folder)[1]


def test_an_export_cut_off_goes_on_and_a_finished_one_is_never_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(300)
    seal()
    out = tmp_path / "out"
    heard: list[tuple[int, int]] = []

    def die(done: int, total: int) -> None:
        heard.append((done, total))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export.export(out, [CLINIC], told=die)
    size = len(leaves())
    assert heard == [(256, size)]
    assert "the export is unfinished" in verify(out)[1]
    write(1)
    seal()
    written = (out / str(CLINIC) / str(YEAR) / "rows" / "000").stat().st_mtime_ns
    exported(out)
    assert (out / str(CLINIC) / str(YEAR) / "rows" / "000").stat().st_mtime_ns == written
    status, words = verify(out)
    assert status == 0
    assert f"{size} entries of" in words
    with pytest.raises(CommandError, match="is not empty"):
        exported(out)


def test_an_entry_longer_than_two_bytes_can_say_travels_too(tmp_path: Path) -> None:
    with acting(SETUP):
        record("cards.listed", object=("patients.card", "17"), fields={"x" * 70_000: ("a", "b")})
    seal()
    folder = exported(tmp_path / "out")
    assert (folder / str(CLINIC) / str(YEAR) / "tile" / "long-entries").is_dir()
    assert verify(folder)[0] == 0


def test_the_parallel_tree_is_exported_and_verified(tmp_path: Path, settings: Any) -> None:
    settings.AUDIT_SM3_TREE = True
    write(300)
    seal()
    folder = exported(tmp_path / "out")
    status, words = verify(folder)
    size = len(leaves())
    assert (status, problems(words)) == (0, [])
    assert f"{size} entries of zhizhi.local/{CLINIC}/{YEAR}/sm3 are what was signed at {size}" in words


def test_the_applications_role_exports_a_log_without_the_auditors(tmp_path: Path, settings: Any) -> None:
    write()
    seal()
    settings.DATABASE_AUDITOR_URL = ""
    status, words = verify(exported(tmp_path / "out"))
    assert (status, problems(words)) == (0, [])


def test_a_tile_stands_where_tlog_tiles_says() -> None:
    for tile_path in (export.tile_path, verify_audit.tile_path):
        assert tile_path(1234067, 256) == "x001/x234/067"
        assert tile_path(0, 256) == "000"
        assert tile_path(273, 112) == "273.p/112"


def test_the_verifier_derives_every_column_that_we_derive() -> None:
    """A column the verifier does not know is not compared outside: it is added there when it is added here."""
    own = {field.column for field in AuditEvent._meta.concrete_fields} - {"canon", "mac", "content_type_id"}
    assert set(verify_audit.EVENT_COLUMNS) == own == set(EVENT_COLUMNS) - {"canon", "mac", "content_type_id"}
    assert set(verify_audit.ROW_CHANGE_COLUMNS) == set(ROW_CHANGE_COLUMNS) - {"canon"}
    write(1)
    entry = events(action="card.opened")[0]
    ours = columns_of(entry)
    for column, derive in verify_audit.EVENT_COLUMNS.items():
        theirs = derive(entry)
        assert theirs == (str(ours[column]) if isinstance(ours[column], UUID) else ours[column]), column


def test_the_verifier_takes_only_the_bytes_of_rfc_8785() -> None:
    awkward = "".join(map(chr, range(0x80))) + "é\u2028💥"
    good = {"b": [1, True, None, 2**53 - 1], "a": awkward, "€": {"z": "x", "y": ""}}
    data = verify_audit.canonical(good)
    assert canonical(good) == data
    assert data == json.dumps(good, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    assert verify_audit.entry_in(data) == good
    for bad in (
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"a":1.5}',
        b'{"a":NaN}',
        b"[1]",
        b"\xff",
        b'{"a":"\\u00e9"}',
    ):
        assert verify_audit.entry_in(bad) is None


def test_the_systems_log_is_exported_under_its_name(tmp_path: Path) -> None:
    with acting(system_actor("setup", None)):
        record("roles.created", object=("roles", "5"))
    seal()
    folder = exported(tmp_path / "out", "--log", "system")
    assert (folder / "system" / str(YEAR) / "checkpoint").exists()
    assert verify(folder)[0] == 0
    assert UUID(verify_audit.SYSTEM_LOG) == SYSTEM_LOG
