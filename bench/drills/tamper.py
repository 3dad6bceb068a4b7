"""Tampering: twenty ways in which a superuser of the database rewrites the log, each found outside by a program of one file.

Every try is done on a copy of the database, with triggers and foreign keys off. Then the log is exported anew and verified by
`tools/verify_audit.py` in a process that knows none of our packages, with the log's key and the last checkpoint exported before. It must
name the row or the range. Copies that nobody touched, and a million entries, must be passed in silence.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg2
from django.core.management import call_command
from django.db import connection
from django.test.utils import override_settings
from django.utils.timezone import now
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import quote_ident

from audit import configured
from audit.acting import acting
from audit.actors import Unit, system_actor
from audit.canon import mac
from audit.connections import known_logs
from audit.events import Draft, columns_of, entry_of
from audit.services import record
from audit.trees import log_name
from bench.drills.owner import superuser
from bench.drills.tally import Scale, Tally
from bench.drills.tampering import TABLES, TAMPERINGS, Copy, Facts, seal
from crypto.ids import uuid7

VERIFIER: Final = Path(__file__).resolve().parents[2] / "tools" / "verify_audit.py"
ENTRIES: Final = 3000
LAST: Final = 1000  # entries that one tampering cuts off
SIGNATURES: Final = 12  # while they are written
CLEAN: Final = {Scale.FULL: 1_000_000, Scale.SMALL: 2_000}
IN_ONE_TRANSACTION: Final = 50_000


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    """`seed` decides nothing: the tamperings and their places are the same every time."""
    with tempfile.TemporaryDirectory() as folder, _keys(Path(folder)):
        scratch = Path(folder)
        facts = _written(scale)
        kept = _kept(scratch, facts)
        with _copy() as there:
            for number, (words, tampering) in enumerate(TAMPERINGS, 1):
                _as_it_was(there)
                expected = tampering(Copy(there, facts))
                status, said = _verified(scratch / str(number), facts.logs, kept)
                _tell(tally, f"{number}. {words}", status, said, expected)
            _controls(there, scratch, facts, kept, tally)
        _clean(scale, scratch, tally)


@contextmanager
def _keys(folder: Path) -> Iterator[None]:
    """A signing key of this drill's own, and no witness: the checkpoint kept elsewhere has to do."""
    with override_settings(SEQUENCER_KEY_FILE=str(folder / "sequencer.key"), WITNESS_URL=""):
        configured.log_signer()
        yield


# --- a log to tamper with ------------------------------------------------------------------------------------------------


def _written(scale: Scale) -> Facts:
    """Two clinics' logs, signed again and again while they grow."""
    own, other = uuid7(), uuid7()
    count = scale.of(ENTRIES)
    for turn in range(SIGNATURES):
        for clinic_id in (own, other):
            with acting(system_actor("drill", clinic_id)):
                for _ in range(-(-count // SIGNATURES)):
                    record("card.opened", object=("patients.card", "17"), subjects=[uuid7()], count=turn)
        seal()
    return Facts.read(own, other, last=scale.of(LAST), signer=configured.log_signer())


def _kept(scratch: Path, facts: Facts) -> list[Path]:
    """The checkpoints of the last export before: what an auditor took home."""
    folder = scratch / "before"
    _export(folder, facts.logs)
    kept = []
    for log_id in facts.logs:
        (place,) = (folder / log_name(log_id)).glob("*/checkpoint")
        kept.append(scratch / f"{log_name(log_id)}.txt")
        kept[-1].write_bytes(place.read_bytes())
    return kept


# --- copies --------------------------------------------------------------------------------------------------------------


@contextmanager
def _copy() -> Iterator[Connection]:
    """A copy of the database, and a superuser in it whom no trigger stops; Django works with the copy meanwhile."""
    base = connection.settings_dict["NAME"]
    name = f"{base}_tampered"
    connection.close()
    with superuser("postgres") as server, server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {_quoted(name, server)} TEMPLATE {_quoted(base, server)}")
    connection.settings_dict["NAME"] = name
    try:
        with superuser(name) as there:
            with there.cursor() as cursor:
                cursor.execute("SET session_replication_role = replica; CREATE SCHEMA as_it_was")
                for table in TABLES:
                    cursor.execute(f"CREATE TABLE as_it_was.{table} AS TABLE public.{table}")
            yield there
    finally:
        connection.close()
        connection.settings_dict["NAME"] = base
        with superuser("postgres") as server, server.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {_quoted(name, server)} WITH (FORCE)")


def _as_it_was(there: Connection) -> None:
    """The log before the last tampering."""
    with there.cursor() as cursor:
        for table in TABLES:  # TRUNCATE makes new files for every month of the log
            cursor.execute(f"DELETE FROM {table}; INSERT INTO {table} TABLE as_it_was.{table}")


def _quoted(name: str, server: Connection) -> str:
    return str(quote_ident(name, server))


# --- the outside verifier ------------------------------------------------------------------------------------------------


def _export(folder: Path, log_ids: list[UUID]) -> None:
    known = known_logs()
    logs = [option for log_id in log_ids if log_id in known for option in ("--log", str(log_id))]
    call_command("audit_export", str(folder), *logs, verbosity=0, stdout=_Nowhere(), stderr=_Nowhere())


class _Nowhere:
    def write(self, words: str) -> None:
        """Nobody reads what the command says here."""

    def isatty(self) -> bool:
        return False


def _verified(folder: Path, log_ids: list[UUID], kept: list[Path]) -> tuple[int, str]:
    """A fresh export, verified where nothing of ours can be imported. Exit status and words."""
    _export(folder, log_ids)
    checkpoints = [option for path in kept for option in ("--checkpoint", str(path))]
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(folder), "--log-key", str(configured.log_public_file()), *checkpoints],
        cwd=folder.parent, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _tell(tally: Tally, words: str, status: int, said: str, expected: str) -> None:
    found = [line.removeprefix("PROBLEM ") for line in said.splitlines() if line.startswith("PROBLEM ")]
    tally.say(
        f"{words}\n     → {found[0] if found else said.strip()}"
        + (f" (and {len(found) - 1} more)" if found[1:] else "")
    )
    named = any(expected in line for line in found)
    tally.check(status == 1 and named, f"{words}: the verifier did not say “{expected}”, but {said[-600:]!r}")


def _silent(tally: Tally, words: str, status: int, said: str) -> None:
    tally.say(f"{words}\n     → {said.strip().splitlines()[-1]}")
    tally.check(
        status == 0 and "PROBLEM" not in said and "NOT PROVABLE" not in said, f"{words}: {said[-600:]!r}"
    )


def _controls(there: Connection, scratch: Path, facts: Facts, kept: list[Path], tally: Tally) -> None:
    _as_it_was(there)
    _silent(tally, "control: nobody touched it", *_verified(scratch / "a", facts.logs, kept))
    with there.cursor() as cursor:
        cursor.execute("VACUUM FULL audit_event")
        cursor.execute("REINDEX TABLE audit_leaf")
    _silent(tally, "control: the database rewrote its tables", *_verified(scratch / "b", facts.logs, kept))
    with acting(system_actor("drill", facts.own)):
        for _ in range(5):
            record("card.opened", object=("patients.card", "17"))
    seal()
    _silent(tally, "control: work went on", *_verified(scratch / "c", facts.logs, kept))


# --- a million clean entries ---------------------------------------------------------------------------------------------


def _clean(scale: Scale, scratch: Path, tally: Tally) -> None:
    clinic_id, count = uuid7(), CLEAN[scale]
    began = time.monotonic()
    for first in range(0, count, IN_ONE_TRANSACTION):
        fill(clinic_id, min(IN_ONE_TRANSACTION, count - first))
    tally.say(f"{count} entries written in {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    seal()
    seconds = time.monotonic() - began
    tally.say(f"sealed in {seconds:.0f} s, {count / seconds:.0f} a second")
    began = time.monotonic()
    _export(scratch / "clean", [clinic_id])
    tally.say(f"exported in {time.monotonic() - began:.0f} s")
    (checkpoint,) = (scratch / "clean" / str(clinic_id)).glob("*/checkpoint")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(scratch / "clean"), "--log-key", str(configured.log_public_file()),
         "--checkpoint", str(checkpoint)],
        cwd=scratch, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    _silent(tally, f"{count} clean entries", done.returncode, done.stdout + done.stderr)
    tally.check(
        f"{count} entries of" in done.stdout, f"not all {count} entries were verified: {done.stdout[-300:]!r}"
    )
    tally.say(f"verified in {time.monotonic() - began:.0f} s")


def fill(clinic_id: UUID, count: int) -> None:
    """Entries made as the application makes them, and copied in by a superuser because a million INSERTs take long."""
    actor = system_actor("drill", clinic_id)
    with superuser(connection.settings_dict["NAME"]) as there, there.cursor() as cursor:
        there.autocommit = False
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        unit = Unit(actor, (clinic_id,), txid=cursor.fetchone()[0])
        at = now()
        rows = (
            columns_of(
                entry_of(
                    Draft(
                        unit=unit,
                        action="card.opened",
                        clinic_id=clinic_id,
                        object=("patients.card", str(number)),
                    ),
                    uid=uuid7(),
                    at=at,
                )
            )
            for number in range(count)
        )
        _copy_in(cursor, rows)
        there.commit()


def _copy_in(cursor: "psycopg2.extensions.cursor", rows: Iterator[dict[str, object]]) -> None:
    first = next(rows)
    names = [*first, "mac"]

    def lines() -> Iterator[str]:
        for row in (first, *rows):
            yield "\t".join(_text(value) for value in (*row.values(), mac(bytes(row["canon"])))) + "\n"  # type: ignore[call-overload]  # canon is bytes

    cursor.copy_expert(f"COPY audit_event ({', '.join(names)}) FROM STDIN", _Stream(lines()))


def _text(value: object) -> str:
    """One value as COPY reads it."""
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    return str(value)


class _Stream:
    """Lines as the file that COPY reads from."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._rest = lines, ""

    def read(self, size: int) -> str:
        parts, length = [self._rest], len(self._rest)
        while length < size and (line := next(self._lines, "")):
            parts.append(line)
            length += len(line)
        text = "".join(parts)
        self._rest = text[size:]
        return text[:size]
