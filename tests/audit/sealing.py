"""A sequencer and a witness for tests: the real ones, on the test's database and in processes of their own."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

from django.db import transaction

from audit import configured, witness
from audit.connections import as_role
from audit.sequencer import BATCH, Sequencer
from tests.audit.reading import run
from tests.factories.audit import CLINIC
from tests.laid_out import let_the_horizon_pass

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
        let_the_horizon_pass()
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


FORK = get_context("fork")  # a copy of this process, which has loaded everything already


@dataclass
class WitnessProcess:
    """What `python -m audit.witness` does, in a process of its own."""

    folder: Path
    log_key: Path
    process: ForkProcess | None = None
    url: str = ""

    def start(self, *options: str) -> str:
        words = ["--dir", str(self.folder), "--port", "0", "--log-key", str(self.log_key), *options]
        said, says = os.pipe()
        self.process = FORK.Process(target=_be_a_witness, args=(words, says))
        self.process.start()
        os.close(says)
        with open(said, encoding="utf-8") as first_words:
            line = first_words.readline()
        assert " on 127.0.0.1:" in line, line
        self.url = f"http://127.0.0.1:{line.rpartition(':')[2].strip()}"
        return self.url

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()

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
        let_the_horizon_pass()
        time.sleep(0.05)


def _be_a_witness(words: list[str], says: int) -> None:
    """Like a command: its words go where it was started from, and its log nowhere."""
    sys.argv = ["audit.witness", *words]
    with os.fdopen(says, "w") as sys.stdout, open(os.devnull, "w") as sys.stderr:
        sys.exit(witness.main())
