"""The sequencer gives every committed entry one place, in order, without gap, and signs what the logs have become."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg2
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit import configured
from audit.acting import acting
from audit.actors import system_actor
from audit.connections import as_role
from audit.merkle import inclusion_proof, verify_inclusion
from audit.models import SYSTEM_LOG
from audit.notes import Checkpoint, Note, Verifier
from audit.services import record
from audit.trees import Tree, stored_subtree
from tests.audit.reading import events, row_changes, run_as_owner
from tests.audit.sealing import SECONDS, horizon, leaves, seal, seal_all, sequencer
from tests.factories.audit import CLINIC, SETUP, open_probe, staff_actor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]
YEAR = datetime.now(UTC).year


def write(count: int = 1) -> None:
    for _ in range(count):
        with acting(SETUP):
            record("card.opened", object=("patients.card", "17"))


def checkpoint(log_id: object = CLINIC) -> tuple[Checkpoint, Note]:
    with as_role(configured.sequencer_url()) as reading, reading.cursor() as cursor:
        cursor.execute(
            "SELECT note FROM audit_checkpoint WHERE log_id = %s ORDER BY year DESC, size DESC LIMIT 1",
            [str(log_id)],
        )
        note = Note.parse(cursor.fetchone()[0])
    reading.close()
    return Checkpoint.parse(note.text), note


def test_every_entry_gets_one_place_in_its_own_log() -> None:
    with acting(staff_actor()):
        open_probe()
    with acting(system_actor("setup", None)):
        record("roles.created", object=("roles", "5"))
    seal()
    sealed = leaves()
    assert [index for _, index, _, _ in sealed] == list(range(len(sealed)))
    assert {uid for *_, uid in sealed} == {e["uid"] for e in events()} | {
        c["uid"]
        for table in ("audit_probe", "subject_key", "crypto_kek", "index_key")
        for c in row_changes(tbl=table)
    }
    assert [e["uid"] for e in events(clinic=SYSTEM_LOG)] == [
        uid for *_, source, uid in leaves(SYSTEM_LOG) if source == "e"
    ]


def test_a_second_turn_seals_nothing_twice() -> None:
    write(3)
    seal()
    before = leaves()
    with sequencer() as sealing:
        assert sealing.turn() == 0
    assert leaves() == before


def test_batches_are_cut_between_transactions_and_a_large_transaction_is_taken_whole() -> None:
    for size in (1, 5, 2, 1, 4):
        with acting(SETUP):
            for _ in range(size):
                record("card.opened", object=("patients.card", "17"))
    with sequencer(batch=3) as sealing:
        seal_all(sealing)
    order = [e["uid"] for e in sorted(events(action="card.opened"), key=lambda e: (e["tx"], e["uid"]))]
    assert len(order) == 13
    assert [uid for *_, uid in leaves() if uid in set(order)] == order


def test_an_entry_of_a_slow_transaction_is_not_overtaken_and_not_lost() -> None:
    seal()
    slow = psycopg2.connect(**connection.get_connection_params())
    with slow.cursor() as cursor:
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, true)", [f"{{{CLINIC}}}"])
        cursor.execute(
            "INSERT INTO audit_probe VALUES (gen_random_uuid(), gen_random_uuid(), %s, %s, NULL, NULL, 'slow', '')",
            [str(CLINIC)] * 2,
        )
    write(2)
    try:
        with sequencer() as sealing:
            sealing.turn()
            early = leaves()
            assert not {e["uid"] for e in events(action="card.opened")} & {uid for *_, uid in early}
            slow.commit()
            seal_all(sealing)
    finally:
        slow.close()
    (change,) = row_changes()
    later = [uid for *_, uid in leaves()][len(early) :]
    assert later[0] == change["uid"]
    assert set(later[1:]) >= {e["uid"] for e in events(action="card.opened")}


def test_what_was_rolled_back_has_no_place() -> None:
    with acting(SETUP):
        record("card.opened", object=("patients.card", "17"))
        transaction.set_rollback(True)
    seal()
    assert events(action="card.opened") == []
    write()
    assert seal() == 1


def test_one_sequencer_leads_and_another_takes_over_when_it_ends() -> None:
    with sequencer() as other:
        with sequencer() as first:
            assert first.lead()
            assert not other.lead()
            with pytest.raises(CommandError, match="Another sequencer"):
                call_command("audit_sequencer", "--once")
        deadline = time.monotonic() + 5  # the server takes the lock back when it notices the end
        while not other.lead():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_checkpoint_is_signed_and_an_entry_proves_its_place_under_it(log_keys: object) -> None:
    write(5)
    seal()
    signed, note = checkpoint()
    assert signed.origin == f"zhizhi.local/{CLINIC}/{YEAR}"
    note.check([Verifier(signed.origin, configured.log_signer().verifier().public)])
    with as_role(configured.sequencer_url()) as reading, reading.cursor() as cursor:
        subtree = stored_subtree(cursor, Tree(CLINIC, YEAR))
        for index in range(signed.size):
            proof = inclusion_proof(index, signed.size, subtree)
            verify_inclusion(subtree(0, index), index, signed.size, proof, signed.root)
    reading.close()


def test_a_tree_beyond_a_tile_continues_from_its_stored_subtrees() -> None:
    with acting(SETUP):
        for _ in range(300):
            record("card.opened", object=("patients.card", "17"))
    seal()
    write(3)
    seal()
    signed, _ = checkpoint()
    assert signed.size == len(leaves()) > 300


def damage() -> None:
    run_as_owner(
        "ALTER TABLE audit_leaf DISABLE TRIGGER USER;"
        " UPDATE audit_leaf SET leaf_hash = sha256('x') WHERE leaf_index = 0;"
        " ALTER TABLE audit_leaf ENABLE TRIGGER USER; UPDATE audit_state SET frontier[1] = sha256('y')"
    )


def test_a_log_that_does_not_continue_what_was_signed_is_not_signed_again() -> None:
    write(3)
    seal()
    before, _ = checkpoint()
    damage()
    write()
    with sequencer() as sealing:
        seal_all(sealing)
        assert [t for t in sealing.troubles if str(CLINIC) in t]
    assert checkpoint()[0] == before
    with pytest.raises(CommandError, match="is not signed"):
        call_command("audit_sequencer", "--once")


def test_a_damaged_log_is_not_closed_at_the_years_end_and_sealing_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crypto.ids._last", 0)
    write(3)
    seal()
    damage()
    with time_machine.travel(datetime(YEAR + 1, 1, 1, 0, 0, 1, tzinfo=UTC), tick=True):
        write(2)
    seal()
    assert {e["uid"] for e in events(action="card.opened")} <= {uid for *_, uid in leaves()}
    assert {year for year, *_ in leaves()} == {YEAR}


def test_after_a_restore_into_another_cluster_nothing_is_missed() -> None:
    """There transaction numbers begin anew: below the old horizon, where nobody would look."""
    write(2)
    seal()
    run_as_owner("UPDATE audit_horizon SET sealed_below = sealed_below + 1000000, cluster = '1'")
    write(2)
    assert seal() == 2
    assert horizon() < 1000000
    write()
    assert seal() == 1
    assert len({uid for *_, uid in leaves()}) == len(leaves())


def test_a_new_year_begins_with_the_last_checkpoint_of_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crypto.ids._last", 0)  # the travel's numbers do not stay with other tests
    write(2)
    seal()
    old, _ = checkpoint()
    with time_machine.travel(datetime(YEAR + 1, 1, 1, 0, 0, 1, tzinfo=UTC), tick=True):
        write(2)
    seal()
    years = [(year, index, source) for year, index, source, _ in leaves() if year > YEAR]
    assert years == [(YEAR + 1, 0, "c"), (YEAR + 1, 1, "e"), (YEAR + 1, 2, "e")]
    signed, _ = checkpoint()
    assert (signed.origin, signed.size) == (f"zhizhi.local/{CLINIC}/{YEAR + 1}", 3)
    assert old.origin.endswith(str(YEAR))


def test_the_command_says_how_many_it_sealed(capsys: pytest.CaptureFixture[str], open_clinic: UUID) -> None:
    seal()
    write(4)
    sealed, deadline = 0, time.monotonic() + SECONDS
    while sealed < 4:
        assert time.monotonic() < deadline
        call_command("audit_sequencer", "--once")
        sealed += int(capsys.readouterr().out.removesuffix(" entries sealed\n"))
    assert sealed == 4


def test_the_command_names_a_missing_address(settings: Any) -> None:
    settings.DATABASE_SEQUENCER_URL = ""
    with pytest.raises(CommandError, match="DATABASE_SEQUENCER_URL"):
        call_command("audit_sequencer", "--once")
