"""The erasure ledger only grows: every line goes on from the one before, on disk before the database knows of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from crypto import ledger
from crypto.core.ledger import NOTHING, Erasure, LedgerBroken, read_chain
from crypto.core.scopes import Scope
from crypto.errors import LedgerRefused

LINE = Erasure(
    number=1,
    at="2026-11-24T03:00:00.000000Z",
    clinic_id=UUID(int=1),
    patient_id=UUID(int=2),
    subject_ids=(UUID(int=2),),
    destroyed=frozenset({Scope.CONSENTED}),
    restricted=frozenset({Scope.IDENTITY, Scope.RECORD}),
    key_ids=(2**62, 5),
    held_key_ids=(6,),
    file_ids=(UUID(int=7),),
    reference=UUID(int=8),
    previous=NOTHING,
)


def chain_of(length: int) -> list[Erasure]:
    lines: list[Erasure] = []
    for number in range(1, length + 1):
        lines.append(replace(LINE, number=number, previous=lines[-1].head if lines else NOTHING))
    return lines


def written(lines: list[Erasure]) -> bytes:
    return b"".join(line.line() + b"\n" for line in lines)


@pytest.fixture
def file(db: None, settings: Any, tmp_path: Path) -> Path:
    settings.KEYS_DIR = tmp_path
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crypto_epoch SET ledger_length = 0, ledger_head = ''")
    return ledger.ledger_file()


def commit(line: Erasure) -> Erasure:
    appended = ledger.append(line)
    ledger.remember(appended)
    return appended


def test_a_line_comes_back_as_it_was_written() -> None:
    found = read_chain(written(chain_of(3)))
    assert found.torn == b""
    assert [line.number for line in found.erasures] == [1, 2, 3]
    assert set(found.erasures[0].key_ids) == set(LINE.key_ids)
    assert found.head == found.erasures[2].head
    assert [found.head_at(length) for length in (0, 3, 4)] == [NOTHING, found.head, None]


@pytest.mark.parametrize("line", [0, 1])
def test_no_byte_of_a_line_can_change(line: int) -> None:
    content = bytearray(written(chain_of(3)))
    start = line * len(LINE.line()) + 3
    for place in range(start, start + len(LINE.line()) - 4, 7):
        changed = bytes(content[:place]) + bytes([content[place] ^ 1]) + bytes(content[place + 1 :])
        with pytest.raises(LedgerBroken):
            read_chain(changed)


@pytest.mark.parametrize("order", [(0, 2), (1, 0, 2), (0, 0, 1, 2), (1, 2)])
def test_no_line_is_left_out_moved_or_put_in(order: tuple[int, ...]) -> None:
    lines = chain_of(3)
    with pytest.raises(LedgerBroken):
        read_chain(written([lines[place] for place in order]))


def test_lines_are_appended_and_the_database_follows(file: Path) -> None:
    first, second = commit(LINE), commit(LINE)
    assert (second.number, second.previous) == (2, first.head)
    assert ledger.known() == (2, second.head)
    assert read_chain(file.read_bytes()).length == 2
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_power_cut_left_of_a_line_is_cut_off_by_the_next_one(file: Path) -> None:
    commit(LINE)
    for torn in (LINE.line()[:100], LINE.line(), b"\0" * 40 + b"\n"):
        with file.open("ab") as opened:
            opened.write(torn)
        assert ledger.read().torn == torn
        commit(LINE)
    assert ledger.read() == read_chain(file.read_bytes())
    assert (ledger.read().length, ledger.read().torn) == (4, b"")


def test_a_torn_line_the_database_knows_of_is_no_accident(file: Path) -> None:
    commit(LINE)
    commit(LINE)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(LedgerRefused, match="has 1 erasures, and the database knows of 2"):
        ledger.append(LINE)


def test_a_shorter_or_another_ledger_is_refused(file: Path) -> None:
    lines = [commit(LINE), commit(LINE)]
    file.write_bytes(written(lines[:1]))
    with pytest.raises(LedgerRefused, match="restore the file"):
        ledger.append(LINE)
    other = [replace(LINE, key_ids=(9,))]
    other.append(replace(LINE, number=2, previous=other[0].head))
    file.write_bytes(written(other))
    with pytest.raises(LedgerRefused, match="another ledger"):
        ledger.append(LINE)


def test_a_line_the_database_lacks_is_carried_out_before_another_is_written(file: Path) -> None:
    ledger.append(LINE)
    with pytest.raises(LedgerRefused, match="carry them out first"):
        ledger.append(LINE)


def test_a_file_others_may_read_is_refused(file: Path) -> None:
    commit(LINE)
    file.chmod(0o644)
    with pytest.raises(LedgerRefused, match="chmod 600"):
        ledger.read()


def test_the_line_is_synced_before_anybody_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr("crypto.ledger.os.fsync", lambda descriptor: synced.append(file.stat().st_size > 0))
    ledger.append(LINE)
    assert synced[0]
