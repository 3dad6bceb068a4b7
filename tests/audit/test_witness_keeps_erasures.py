"""The witness's copy of the erasure ledger: it takes what goes on from what it has, and nothing else."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit import configured
from audit.erasures import compare_with_witness, hand_in_ledger, is_late, show_ledger_key
from audit.notes import Checkpoint, Note, Signer
from audit.signing import signer_from
from audit.witnessing import WitnessAbsent, WitnessClient, WitnessRefused
from crypto import ledger
from crypto.core.ledger import NOTHING, Erasure
from crypto.errors import LedgerRefused
from tests.audit.sealing import WitnessProcess
from tests.crypto.test_erasure_ledger import LINE, chain_of, commit, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def process(settings: Any, tmp_path: Path) -> Iterator[WitnessProcess]:
    """A witness of an installation with keys of its own."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    settings.KEYS_DIR, settings.SEQUENCER_KEY_FILE = keys, ""
    settings.LEDGER_PUBLIC_KEY_FILE = str(tmp_path / "ledger.pub")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crypto_epoch SET ledger_length = 0, ledger_head = ''")
    configured.log_signer()
    witness = WitnessProcess(tmp_path / "witness", configured.log_public_file())
    start(witness, settings)
    settings.WITNESS_PUBLIC_KEY_FILE = str(witness.public_key)
    show_ledger_key()
    yield witness
    witness.kill()


def start(witness: WitnessProcess, settings: Any) -> None:
    settings.WITNESS_URL = witness.start("--ledger-key", settings.LEDGER_PUBLIC_KEY_FILE)


def client(witness: WitnessProcess) -> WitnessClient:
    return WitnessClient(witness.url, witness.public_key)


def note(lines: list[Erasure], signer: Signer | None = None) -> Note:
    signer = signer or configured.ledger_signer()
    head = lines[-1].head if lines else NOTHING
    text = str(Checkpoint(signer.name, len(lines), bytes.fromhex(head)))
    return Note(text, (signer.sign(text),))


def hand_in(witness: WitnessProcess, old: int, lines: list[Erasure], **signed: Any) -> None:
    """The lines after `old` of a ledger of these lines."""
    client(witness).add_erasures(old, [line.line() for line in lines[old:]], note(lines, **signed))


def test_committed_lines_are_handed_in_many_at_a_time(process: WitnessProcess) -> None:
    for _ in range(3):
        commit(LINE)
    ledger.append(LINE)  # of a transaction that has not committed
    assert hand_in_ledger()
    seen = client(process).erasures()
    assert seen is not None
    assert (seen.size, ledger.witnessed()) == (3, 3)
    assert (process.folder / "erasures.ledger").read_bytes() == written(list(ledger.read().erasures[:3]))


def test_it_remembers_through_a_kill_and_takes_what_goes_on(process: WitnessProcess, settings: Any) -> None:
    lines = chain_of(45)
    hand_in(process, 0, lines[:2])
    process.kill()
    start(process, settings)
    hand_in(process, 2, lines)
    seen = client(process).erasures()
    assert seen is not None
    assert (seen.size, seen.root.hex()) == (45, lines[-1].head)


def test_a_shorter_a_forked_and_a_broken_ledger_are_refused(process: WitnessProcess) -> None:
    lines = chain_of(3)
    hand_in(process, 0, lines)
    fork = [*lines[:2], replace(lines[2], key_ids=(9,))]
    for old, handed_in in [
        (0, lines[:2]),  # a step back
        (0, fork),  # from the beginning again
        (3, fork),  # the same length with another head
        (2, lines),  # a place it has passed
        (3, [*fork, replace(LINE, number=4, previous=fork[2].head)]),  # goes on from the fork
        (4, [*lines, *lines[:1]]),  # a place it never reached
    ]:
        with pytest.raises(WitnessRefused):
            hand_in(process, old, handed_in)
    assert (process.folder / "erasures.ledger").read_bytes() == written(lines)


def test_a_strangers_key_and_a_second_key_are_refused(
    process: WitnessProcess, settings: Any, tmp_path: Path
) -> None:
    hand_in(process, 0, chain_of(1))
    name = configured.ledger_signer().name
    with pytest.raises(WitnessRefused, match="403"):
        hand_in(process, 1, chain_of(2), signer=signer_from(tmp_path / "thief.key", name, kind=1))
    (Path(settings.KEYS_DIR) / "ledger.key").unlink()
    show_ledger_key()
    with pytest.raises(WitnessRefused, match="403"):
        hand_in(process, 1, chain_of(2))


def test_a_witness_that_has_not_seen_the_key_yet_is_as_good_as_absent(
    process: WitnessProcess, settings: Any
) -> None:
    Path(settings.LEDGER_PUBLIC_KEY_FILE).unlink()
    with pytest.raises(WitnessAbsent):
        hand_in(process, 0, chain_of(1))
    show_ledger_key()
    hand_in(process, 0, chain_of(1))


def test_while_it_is_away_the_ledger_goes_on_and_after_a_minute_somebody_is_told(
    process: WitnessProcess, settings: Any
) -> None:
    process.kill()
    commit(LINE)
    assert not hand_in_ledger()
    compare_with_witness()
    assert not is_late()
    long_ago = time.time() - 120
    os.utime(ledger.ledger_file(), (long_ago, long_ago))
    assert is_late()
    start(process, settings)
    assert hand_in_ledger()
    assert not is_late()


def test_an_older_ledger_put_back_with_its_older_database_is_found_out(process: WitnessProcess) -> None:
    commit(LINE)
    before = ledger.ledger_file().read_bytes(), ledger.known()
    commit(LINE)
    hand_in_ledger()
    ledger.ledger_file().write_bytes(before[0])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crypto_epoch SET ledger_length = %s, ledger_head = %s", list(before[1]))
    with pytest.raises(LedgerRefused, match="the witness knows of 2"):
        compare_with_witness()


def test_an_older_ledger_is_found_out_too_when_the_witness_comes_back_after_the_start(
    process: WitnessProcess, settings: Any
) -> None:
    commit(LINE)
    hand_in_ledger()
    older = {path: path.read_bytes() for path in Path(settings.KEYS_DIR).glob("erasures.*")}, ledger.known()
    commit(LINE)
    hand_in_ledger()
    process.kill()
    for path, content in older[0].items():
        path.write_bytes(content)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crypto_epoch SET ledger_length = %s, ledger_head = %s", list(older[1]))
    compare_with_witness()  # it is away, so the start is not refused
    assert hand_in_ledger()
    start(process, settings)
    assert not hand_in_ledger()


def test_another_witness_cannot_say_so(process: WitnessProcess, settings: Any, tmp_path: Path) -> None:
    commit(LINE)
    hand_in_ledger()
    impostor = signer_from(tmp_path / "impostor.key", "zhizhi.local/witness", kind=4)
    settings.WITNESS_PUBLIC_KEY_FILE = str(tmp_path / "impostor.key.pub")
    assert impostor.name == "zhizhi.local/witness"
    with pytest.raises(LedgerRefused, match="cannot be believed"):
        compare_with_witness()


def test_without_a_witness_nothing_is_late(settings: Any, tmp_path: Path) -> None:
    settings.WITNESS_URL, settings.KEYS_DIR = "", tmp_path
    assert hand_in_ledger()
    assert not is_late()
    compare_with_witness()
