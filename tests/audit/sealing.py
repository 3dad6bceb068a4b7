"""A sequencer and a witness for tests: the real ones, on the test's database and in processes of their own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from audit import configured
from audit.connections import as_role
from audit.sequencer import BATCH, Sequencer
from tests.audit.reading import run
from tests.factories.audit import CLINIC

SECONDS = 30  # an open transaction of another worker's test holds the horizon back until it ends
UNSEALED = (
    "SELECT (SELECT count(*) FROM audit_event e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = e.uid))"
    " + (SELECT count(*) FROM audit_row_change r WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = r.uid))"
)

# What an owner runs who wants the log sealed anew.
FORGET = "; ".join(
    f"ALTER TABLE {t} DISABLE TRIGGER USER; TRUNCATE {t}; ALTER TABLE {t} ENABLE TRIGGER USER"
    for t in ("audit_leaf", "audit_node", "audit_checkpoint", "audit_cosig", "audit_state", "audit_horizon")
)


@contextmanager
def sequencer(*, batch: int = BATCH) -> Iterator[Sequencer]:
    connection = as_role(configured.sequencer_url())
    try:
        yield Sequencer(
            connection,
            configured.log_signer(),
            configured.witness(),
            batch=batch,
            with_sm3=configured.with_sm3(),
        )
    finally:
        connection.close()


def seal_all(sealing: Sequencer, *, but: int = 0) -> int:
    """Turns until no more than `but` committed entries are without a place. Answers how many were sealed."""
    sealed, deadline = 0, time.monotonic() + SECONDS
    while True:
        sealed += sealing.turn()
        with sealing.connection, sealing.connection.cursor() as cursor:
            cursor.execute(UNSEALED)
            waiting = cursor.fetchone()[0]
        if waiting <= but:
            return sealed
        assert time.monotonic() < deadline, f"{waiting} entries are still without a place after {SECONDS} s"
        time.sleep(0.05)


def seal() -> int:
    with sequencer() as sealing:
        return seal_all(sealing)


def leaves(log_id: object = CLINIC) -> list[tuple[int, int, str, str]]:
    """Year, index, source and entry of every leaf of a log, read as the sequencer."""
    connection = as_role(configured.sequencer_url())
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT year, leaf_index, source, uid::text FROM audit_leaf WHERE log_id = %s ORDER BY year, leaf_index",
            [str(log_id)],
        )
        rows: list[tuple[int, int, str, str]] = cursor.fetchall()
    connection.close()
    return rows


@dataclass
class WitnessProcess:
    """`python -m audit.witness`, as anybody would start it."""

    folder: Path
    log_key: Path
    process: "subprocess.Popen[str] | None" = None
    url: str = ""

    def start(self, *options: str) -> str:
        command = [
            sys.executable,
            "-m",
            "audit.witness",
            "--dir",
            str(self.folder),
            "--port",
            "0",
            "--log-key",
            str(self.log_key),
            *options,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert " on 127.0.0.1:" in line, line
        self.url = f"http://127.0.0.1:{line.rpartition(':')[2].strip()}"
        return self.url

    def kill(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    @property
    def public_key(self) -> Path:
        return self.folder / "witness.key.pub"


def horizon() -> int:
    return int(run("SELECT sealed_below FROM audit_horizon")[0][0])


def until_the_horizon_passes() -> None:
    """Until every transaction that is open now has ended: another worker's test may hold the horizon back."""
    with transaction.atomic():
        now_at = int(run("SELECT pg_current_xact_id()::text")[0][0])
    deadline = time.monotonic() + SECONDS
    while int(run("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")[0][0]) <= now_at:
        assert time.monotonic() < deadline, f"a transaction is still open after {SECONDS} s"
        time.sleep(0.05)
