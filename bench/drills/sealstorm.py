"""Sealstorm: the sequencer and PostgreSQL are killed again and again under four writers, and nothing that was acknowledged is lost.

Each writer notes an entry in a file, synced, after its commit came back. A collector takes every checkpoint that is ever signed, as mail,
paper and receipts would. In the end every noted entry has its place, and the exported log contains every one of those checkpoints.
Before the storm it is measured how long an entry waits for a signature.

In full the server is one of its own, with fsync on, all of whose processes are killed at once. In small the server is shared with other
tests, so its sessions are ended instead, and nobody asks how long an entry waits: a transaction of another test holds it back.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Final, Protocol
from urllib.parse import urlsplit

import psycopg2
from django.db import connection

from bench.drills import forks, sealstorm_crew
from bench.drills.forks import Said
from bench.drills.owner import superuser
from bench.drills.tally import Scale, Tally
from config.embedded.accounts import Account, account_of_services
from config.embedded.places import Place, open_place, secrets_of
from config.embedded.postgres import run_postgres, start_again
from crypto.ids import uuid7

REPOSITORY: Final = Path(__file__).resolve().parents[2]
VERIFIER: Final = REPOSITORY / "tools" / "verify_audit.py"
WRITERS: Final = 4
KILLS: Final = {Scale.FULL: 20, Scale.SMALL: 1}  # of each
QUIET_SECONDS: Final = 30.0
LAG_SECONDS: Final = 10.0  # at most, of 99 entries in 100
PATIENCE: Final = 120.0
LAG = """
SELECT count(*), percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM c.created_at - e.timestamp))
FROM audit_event e JOIN audit_leaf l USING (uid)
CROSS JOIN LATERAL (SELECT created_at FROM audit_checkpoint c WHERE c.log_id = l.log_id AND c.year = l.year AND c.size > l.leaf_index
                    ORDER BY c.size LIMIT 1) c
WHERE e.log_id = %s
"""
WAITING = """
SELECT count(*) FROM audit_event e WHERE log_id = %s AND NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = e.uid)
"""


class Server(Protocol):
    variables: dict[str, str]

    def crash(self) -> None:
        """Everybody loses the server at once, in the middle of what they do. It is back when this returns."""
        ...


@dataclass(slots=True)
class SharedServer:
    """The tests' own server: it serves others too, so that only the sessions of this database end."""

    variables: dict[str, str] = field(default_factory=lambda: {**os.environ, "DATABASE_URL": _address_here()})

    def crash(self) -> None:
        name = connection.settings_dict["NAME"]
        with superuser("postgres") as server, server.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
        connection.close()


@dataclass(slots=True)
class OwnServer:
    """A server of this drill alone, that writes to the disk before it says so."""

    variables: dict[str, str]
    place: Place
    account: Account

    def crash(self) -> None:
        pid_file = self.place.data / "postgres" / "postmaster.pid"
        postmaster = int(pid_file.read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # so that it forks nobody while its children are looked for
        everybody = [postmaster, *_children(postmaster)]
        for pid in everybody:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait_until_gone(everybody)
        pid_file.unlink()  # it names a process that is gone, and its number may be somebody else's by now
        start_again(self.place, self.account)


def _wait_until_gone(pids: list[int]) -> None:
    """Counted by whoever inherited them, too: a number that still answers looks like a server that uses these files."""
    deadline = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            raise AssertionError("PostgreSQL outlives SIGKILL")
        time.sleep(0.02)


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def _address_here() -> str:
    given = urlsplit(os.environ["DATABASE_URL"])
    return given._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


@contextmanager
def _server(scale: Scale, folder: Path) -> Iterator[Server]:
    if scale is Scale.SMALL:
        yield SharedServer()
        return
    account = account_of_services()
    folder.chmod(0o711)  # the account of the server passes through it
    with ExitStack() as stack:
        place = stack.enter_context(open_place(folder / "services", account))
        postgres = stack.enter_context(run_postgres(place, secrets_of(place), account))
        variables = {**os.environ, **postgres.urls()}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=REPOSITORY,
            env=variables,
            check=True,
        )
        yield OwnServer(variables, place, account)


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    chance = Random(seed)
    with tempfile.TemporaryDirectory() as name, _server(scale, Path(name)) as server:
        storm = Storm(server, Path(name))
        with storm.writers(), storm.collector():
            if scale is Scale.FULL:
                _wait_and_weigh_lag(storm, tally)
            _blow(storm, KILLS[scale], chance, tally)
        _weigh(storm, tally)


def _blow(storm: "Storm", kills: int, chance: Random, tally: Tally) -> None:
    storm.start_sequencer(interval=0.05)
    for _ in range(kills):
        storm.wait_for_checkpoints(len(storm.given_out) + 1)  # it is at work, and not only starting
        time.sleep(chance.uniform(0, 0.5))
        storm.kill_sequencer()
        storm.start_sequencer(interval=0.05)
        storm.wait_for_checkpoints(len(storm.given_out) + 1)
        time.sleep(chance.uniform(0, 0.5))
        storm.server.crash()
    before = len(storm.given_out)
    storm.wait_for_checkpoints(before + 1)
    storm.kill_sequencer()
    tally.say(f"the sequencer was killed {kills} times, and PostgreSQL {kills} times")


class Storm:
    """Who writes, who seals, and who collects what is signed; each is a process or a thread of its own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.clinic_id = uuid7()
        self.given_out: dict[tuple[int, bytes], str] = {}
        self.environment = {
            **server.variables,
            "SEQUENCER_KEY_FILE": str(folder / "sequencer.key"),
            "WITNESS_URL": "",
        }
        self._sequencer: BaseProcess | None = None
        self._over = threading.Event()

    @property
    def journals(self) -> list[Path]:
        return [self.folder / f"writer-{number}" for number in range(WRITERS)]

    def manage(self, *arguments: str) -> Said:
        return forks.manage(self.environment, *arguments)

    @contextmanager
    def writers(self) -> Iterator[None]:
        processes = [
            forks.start(self.environment, sealstorm_crew.write, self.clinic_id, journal)
            for journal in self.journals
        ]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
                process.join()

    def start_sequencer(self, *, interval: float) -> None:
        self._sequencer = forks.start(self.environment, sealstorm_crew.seal, interval)

    def kill_sequencer(self) -> None:
        if self._sequencer is not None:
            self._sequencer.kill()
            self._sequencer.join()

    @contextmanager
    def collector(self) -> Iterator[None]:
        thread = threading.Thread(target=self._collect)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _collect(self) -> None:
        while not self._over.wait(0.1):
            with suppress(psycopg2.Error):
                for size, root, note in self.ask(
                    "SELECT size, root, note FROM audit_checkpoint WHERE log_id = %s ORDER BY size",
                    str(self.clinic_id),
                ):
                    self.given_out.setdefault((size, bytes(root)), note)

    def ask(self, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]  # whatever the columns are
        """As the auditor, on a connection of its own: the last one may be gone."""
        name = urlsplit(self.server.variables["DATABASE_URL"]).path[1:]
        there = psycopg2.connect(self.server.variables["DATABASE_AUDITOR_URL"], dbname=name)
        try:
            with there, there.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall())
        finally:
            there.close()

    def wait_for_checkpoints(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self.given_out) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(self.given_out)} of {count} checkpoints after {PATIENCE:.0f} s")
            time.sleep(0.1)


# --- what is left -------------------------------------------------------------------------------------------------------------


def _weigh(storm: Storm, tally: Tally) -> None:
    _seal_the_rest(storm, tally)
    acknowledged = {line for journal in storm.journals for line in journal.read_text().splitlines()}
    placed = {
        str(uid)
        for (uid,) in storm.ask(
            "SELECT l.uid::text FROM audit_leaf l JOIN audit_event e USING (uid) WHERE l.log_id = %s",
            str(storm.clinic_id),
        )
    }
    lost = acknowledged - placed
    tally.say(
        f"{len(acknowledged)} entries were acknowledged, {len(placed)} have their place, {len(lost)} are lost"
    )
    tally.check(bool(acknowledged), "nobody wrote anything")
    tally.check(not lost, f"lost: {sorted(lost)[:5]}")
    done = storm.manage("audit_verify")
    tally.check(done.returncode == 0, f"audit_verify: {done.stderr[-400:]}")
    _verify_outside(storm, tally)


def _wait_and_weigh_lag(storm: Storm, tally: Tally) -> None:
    storm.start_sequencer(interval=2.0)
    storm.wait_for_checkpoints(1)
    time.sleep(QUIET_SECONDS)
    storm.kill_sequencer()
    ((count, seconds),) = storm.ask(LAG, str(storm.clinic_id))
    tally.say(f"of {count} entries before the storm, 99 in 100 were signed within {seconds:.1f} s")
    tally.check(seconds <= LAG_SECONDS, f"99 in 100 entries were signed within {seconds:.1f} s only")


def _seal_the_rest(storm: Storm, tally: Tally) -> None:
    """A turn seals up to the oldest transaction of the whole server: that may be another database's, and "0 entries" is no sign of the end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        storm.manage("audit_sequencer", "--once")
        ((waiting,),) = storm.ask(WAITING, str(storm.clinic_id))
        if not waiting:
            return
        time.sleep(0.2)
    tally.check(False, "the rest was not sealed")


def _verify_outside(storm: Storm, tally: Tally) -> None:
    """Every checkpoint that anybody was ever shown is kept, and must be in what is exported now."""
    out = storm.folder / "export"
    exported = storm.manage("audit_export", str(out), "--log", str(storm.clinic_id))
    kept = []
    for number, note in enumerate(storm.given_out.values()):
        kept.append(storm.folder / f"kept-{number}")
        kept[-1].write_text(note, encoding="utf-8")
    options = [option for path in kept for option in ("--checkpoint", str(path))]
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(out), "--log-key", str(storm.folder / "sequencer.key.pub"), *options],
        cwd=storm.folder, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    tally.say(
        f"{len(kept)} checkpoints were ever given out; outside: {done.stdout.strip().splitlines()[-1:]}"
    )
    tally.check(
        exported.returncode == 0 and done.returncode == 0, f"{exported.stderr[-300:]} {done.stdout[-600:]}"
    )
