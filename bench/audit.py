"""`python -m bench audit`: what the log adds to a save, and what reading and sealing it costs.

A save is one unit of work that changes two fields and commits, opened as a request opens it (clinic, actor, epoch). The reference is the
same unit of work on a table nobody watches and a model nobody audits, with the same sealed field; and django-auditlog as it comes: its
models registered, and who did it told by `set_actor`, as its middleware does.
"""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

from auditlog.context import set_actor
from django.db import connections
from django.test.utils import override_settings

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.merkle import SHA256, TILE, Frontier, inclusion_proof
from audit.trees import Tree, stored_subtree
from bench.drills.owner import owner_of_tables
from bench.drills.tamper import fill
from bench.drills.tampering import seal
from bench.measure import Goal, Measure, Report, race
from bench.saved import AuditedSave, BareSave, StockSave, create_tables, register_stock
from clinics.models import User
from config.dbroles.owner import as_owner
from crypto.ids import uuid7
from crypto.services import create_subject_keys, open_clinic_keys

GOALS: Final = {
    "audit.save1": Goal(1.6, "a bare save"),
    "audit.save8": Goal(1.7, "a bare save, 8 writers"),
    "audit.vs_auditlog1": Goal(0.5, "django-auditlog"),
    "audit.vs_auditlog8": Goal(0.5, "django-auditlog, 8 writers"),
    "audit.verify": Goal(2.5, "hashing each entry"),
    "audit.seal_rate": Goal(1.0, "the time 2,000 entries a second allow"),
}
ENTRIES: Final = 1_000_000
ENTRIES_IN_SMALL: Final = 20_000
IN_ONE_TRANSACTION: Final = 10_000
SEALED_A_SECOND: Final = 2_000
WRITERS: Final = 8
ROUNDS: Final = 31
TIMES: Final = 20
ADDRESS: Final = "192.0.2.7"
Samples = dict[str, list[float]]
Under = Callable[[User], AbstractContextManager[object]]


def _nothing(account: User) -> AbstractContextManager[None]:
    return nullcontext()


UNDER: Final[Mapping[str, Under]] = {
    "bare": _nothing,
    "audited": _nothing,
    "stock": partial(set_actor, remote_addr=ADDRESS),
}


def run(report: Report, *, full: bool) -> None:
    with as_owner():
        create_tables()
    register_stock()
    nurse = _nurse(uuid7())
    with acting(nurse.actor):
        open_clinic_keys(nurse.clinic_id)
    report.say("audit: saving, one writer …")
    _tell(report, "1", _saves(nurse, rounds=ROUNDS * (2 if full else 1)))
    report.say(f"audit: saving, {WRITERS} writers …")
    _tell(report, str(WRITERS), _together(nurse, rounds=ROUNDS))
    _seal_and_verify(report, ENTRIES if full else ENTRIES_IN_SMALL)


def _tell(report: Report, writers: str, samples: Samples) -> None:
    report.ratio(f"audit.save{writers}", samples, "audited", "bare")
    report.ratio(f"audit.vs_auditlog{writers}", samples, "audited", "stock")


@dataclass(frozen=True, slots=True)
class Nurse:
    """Who saves: an account as the package wants it, and the actor it is here."""

    account: User
    actor: Actor
    clinic_id: UUID


def _nurse(clinic_id: UUID) -> Nurse:
    with acting(system_actor("bench", None)):
        account = User.objects.create_user(f"nurse-{clinic_id}")
    actor = Actor(
        f"user:{account.pk}", "staff", clinic_id, frozenset({"clinical"}), account.pk, roles=("nurse",)
    )
    return Nurse(account, actor, clinic_id)


# --- sealing and verifying --------------------------------------------------------------------------------------------


def _seal_and_verify(report: Report, count: int) -> None:
    """A log of its own is filled, sealed by the real sequencer, read back and put into its tree again, as verification does."""
    clinic_id = uuid7()
    report.say(f"audit: writing {count} entries …")
    with TemporaryDirectory() as place, override_settings(SEQUENCER_KEY_FILE=f"{place}/key", WITNESS_URL=""):
        seal()
        for first in range(0, count, IN_ONE_TRANSACTION):
            fill(clinic_id, min(IN_ONE_TRANSACTION, count - first))
        report.say("audit: sealing …")
        began = time.monotonic()
        seal()
        seconds = time.monotonic() - began
    report.add(
        Measure(
            name="audit.seal_rate", value=count / seconds, unit="entries/s", reference=SEALED_A_SECOND,
            ratio=SEALED_A_SECOND * seconds / count, n=count,
        )
    )  # fmt: skip
    with owner_of_tables() as database, database.cursor() as cursor:
        cursor.execute(
            "SELECT e.canon FROM audit_leaf l JOIN audit_event e USING (uid) WHERE l.log_id = %s ORDER BY leaf_index",
            [str(clinic_id)],
        )
        entries = [bytes(canon) for (canon,) in cursor]
        cursor.execute("SELECT year FROM audit_state WHERE log_id = %s", [str(clinic_id)])
        ((year,),) = cursor.fetchall()
        proof = inclusion_proof(count // 2, count, stored_subtree(cursor, Tree(clinic_id, year)))
    report.add(Measure(name="audit.proof", value=len(proof), unit="hashes", n=count))
    samples = race(
        {"tree": partial(_tree, entries), "hashes": partial(_hashes, entries)}, rounds=3, warm_ups=0
    )
    report.ratio("audit.verify", samples, "tree", "hashes")


def _tree(entries: list[bytes]) -> bytes:
    """What verification computes of entries it has read: every leaf, and the root they lead to, tile by tile."""
    frontier = Frontier()
    for first in range(0, len(entries), TILE):
        frontier.extend(SHA256.leaves(entries[first : first + TILE]))
    return frontier.root()


def _hashes(entries: list[bytes]) -> bytes:
    digest = b""
    for entry in entries:
        digest = sha256(entry).digest()
    return digest


# --- saving -----------------------------------------------------------------------------------------------------------


def _saves(nurse: Nurse, *, rounds: int) -> Samples:
    """Milliseconds of CPU of one save by each contestant, on rows of this process."""
    with _stock_log():
        return race(
            {name: _saver(nurse, row, UNDER[name]) for name, row in _rows(nurse).items()},
            rounds=rounds,
            times=TIMES,
        )


def _saver(nurse: Nurse, row: Any, under: Under) -> Callable[[], None]:
    saved = 0

    def save() -> None:
        nonlocal saved
        saved += 1
        with under(nurse.account), acting(nurse.actor, request_id="bench", address=ADDRESS):
            row.state, row.note = f"state {saved}", f"空腹血糖 {saved}"
            row.save(update_fields=["state", "note"])

    return save


def _rows(nurse: Nurse) -> dict[str, Any]:
    subject_id = uuid7()
    common: dict[str, Any] = {
        "clinic_id": nurse.clinic_id,
        "subject_id": subject_id,
        "state": "new",
        "note": "空腹血糖",
    }
    with acting(nurse.actor):
        create_subject_keys(common["clinic_id"], subject_id)
        made = {
            "bare": BareSave(**common),
            "audited": AuditedSave(**common),
            "stock": StockSave(sealed_by_clinic=common["clinic_id"], **common),
        }
        for row in made.values():
            row.save(force_insert=True)
    return made


def _stock_log() -> Any:
    """The package writes its own table, not ours."""
    return override_settings(AUDITLOG_LOGENTRY_MODEL="auditlog.LogEntry")


def _together(nurse: Nurse, *, rounds: int) -> Samples:
    """The same by writers that work at the same time, each a process with a connection of its own; every one's rounds are kept."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    started = context.Barrier(WRITERS)
    writers = []
    for _ in range(WRITERS):
        ours, theirs = context.Pipe()
        process = context.Process(target=_writer, args=(nurse, rounds, started, theirs))
        process.start()
        writers.append((process, ours))
    found: Samples = {}
    for process, ours in writers:
        for name, costs in ours.recv().items():
            found.setdefault(name, []).extend(costs)
        process.join()
    return found


def _writer(nurse: Nurse, rounds: int, started: Any, answer: Connection) -> None:
    started.wait()
    answer.send(_saves(nurse, rounds=rounds))
    answer.close()
