"""The erasure ledger: an append-only file beside the keys, outside the database and its backups.

A database that is restored brings the keys of the erased back; this file still knows of them. The database holds its length and
head alone (`crypto_epoch`), moved in the transaction of the erasure, after the line was synced to disk.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from crypto.core.ledger import NOTHING, Chain, Erasure, LedgerBroken, read_chain
from crypto.errors import KeysMissing, LedgerRefused
from crypto.keyfiles import sync_folder

LEDGER = "erasures.ledger"
WITNESSED = "erasures.witnessed"


class Known(NamedTuple):
    """How long the ledger is for the database, and its head there."""

    length: int
    head: str


def ledger_file() -> Path:
    """Raises KeysMissing where the settings name no folder of keys."""
    folder = getattr(settings, "KEYS_DIR", None)
    if not folder:
        raise KeysMissing("KEYS_DIR is not set: it names the folder of the installation's keys.")
    return Path(folder) / LEDGER


def read() -> Chain:
    """The whole ledger; a missing file is an empty one. Raises LedgerRefused where its chain is broken."""
    path = ledger_file()
    if not path.exists():
        return Chain((), b"")
    with _open(path, os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
        return _chain(descriptor)


def known() -> Known:
    """What the database says of the ledger."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_length, ledger_head FROM crypto_epoch")
        row = cursor.fetchone()
    return Known(row[0], row[1] or NOTHING) if row else Known(0, NOTHING)


def remember(erasure: Erasure) -> None:
    """The database follows the ledger up to this line, and every process forgets its keys: in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE crypto_epoch SET ledger_length = %s, ledger_head = %s, counter = counter + 1",
            [erasure.number, erasure.head],
        )


def check(chain: Chain, length: int, head: str, *, who: str) -> None:
    """Whether the ledger goes on from what somebody else (`who`) knows of it. Raises LedgerRefused."""
    found = chain.head_at(length)
    if found is None:
        raise LedgerRefused(
            f"{ledger_file()} has {chain.length} erasures, and {who} knows of {length}: restore the file from the backup of the keys."
        )
    if found != head:
        raise LedgerRefused(
            f"{ledger_file()} is another ledger than the one {who} knows: restore the file that belongs to it."
        )


def append(erasure: Erasure) -> Erasure:
    """Write the next line, synced to disk before this returns. Answers it with its number and the hash of the line before.

    What a power cut left of an unfinished line is cut off: its transaction cannot have been committed. Raises LedgerRefused
    where the ledger is not exactly as long as the database says: lines the database lacks are carried out first.
    """
    path = ledger_file()
    with _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as descriptor:
        chain, of_database = _chain(descriptor), known()
        check(chain, of_database.length, of_database.head, who="the database")
        if chain.length != of_database.length:
            raise LedgerRefused(
                f"{path} has {chain.length} erasures and the database {of_database.length}: carry them out first."
            )
        if chain.torn:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(chain.torn))
        written = replace(erasure, number=chain.length + 1, previous=chain.head)
        _write(descriptor, written.line() + b"\n")
        os.fsync(descriptor)
        sync_folder(path.parent)
    return written


def witnessed() -> int:
    """How many lines the witness is known to have."""
    try:
        text = ledger_file().with_name(WITNESSED).read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    return int(text) if text.isdecimal() else 0


def _write(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _chain(descriptor: int) -> Chain:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        content = file.read()
    try:
        return read_chain(content)
    except LedgerBroken as error:
        raise LedgerRefused(
            f"{ledger_file()}: {error}. Restore the file from the backup of the keys."
        ) from error


@contextmanager
def _open(path: Path, flags: int, lock: int) -> Iterator[int]:
    """The file, locked against other processes. Raises LedgerRefused where it cannot be used or others may read it."""
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise LedgerRefused(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            raise LedgerRefused(f"{path} can be read by others. Run: chmod 600 {path}")
        fcntl.flock(descriptor, lock)
        yield descriptor
    finally:
        os.close(descriptor)
