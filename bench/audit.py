"""`python -m bench audit`: what the log adds to a save, and what reading and sealing it costs.

A save is one unit of work that changes two fields and commits, opened as a request opens it (clinic, actor, epoch). The reference is the
same unit of work on a table nobody watches and a model nobody audits, with the same sealed field; and django-auditlog as it comes.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.test.utils import override_settings

from audit.acting import acting
from audit.actors import Actor
from bench.measure import Goal, Report, race
from bench.saved import AuditedSave, BareSave, StockSave, create_tables, register_stock
from config.dbroles.owner import as_owner
from crypto.ids import uuid7
from crypto.services import create_subject_keys, open_clinic_keys

GOALS: Final = {
    "audit.save1": Goal(1.6, "a bare save"),
    "audit.save8": Goal(1.7, "a bare save, 8 writers"),
    "audit.vs_auditlog1": Goal(0.5, "django-auditlog"),
    "audit.vs_auditlog8": Goal(0.5, "django-auditlog, 8 writers"),
}
WRITERS: Final = 8
ROUNDS: Final = 31
TIMES: Final = 20
Samples = dict[str, list[float]]


def run(report: Report, *, full: bool) -> None:
    with as_owner():
        create_tables()
    register_stock()
    clinic_id = uuid7()
    nurse = _nurse(clinic_id)
    with acting(nurse):
        open_clinic_keys(clinic_id)
    report.say("audit: saving, one writer …")
    _tell(report, "1", _saves(nurse, rounds=ROUNDS * (2 if full else 1)))
    report.say(f"audit: saving, {WRITERS} writers …")
    _tell(report, str(WRITERS), _together(nurse, rounds=ROUNDS))


def _tell(report: Report, writers: str, samples: Samples) -> None:
    report.ratio(f"audit.save{writers}", samples, "audited", "bare")
    report.ratio(f"audit.vs_auditlog{writers}", samples, "audited", "stock")


def _nurse(clinic_id: UUID) -> Actor:
    account = uuid7()
    return Actor(f"user:{account}", "staff", clinic_id, frozenset({"clinical"}), account, roles=("nurse",))


# --- saving -----------------------------------------------------------------------------------------------------------


def _saves(nurse: Actor, *, rounds: int) -> Samples:
    """Milliseconds of CPU of one save by each contestant, on rows of this process."""
    with _stock_log():
        return race(
            {name: _saver(nurse, row) for name, row in _rows(nurse).items()}, rounds=rounds, times=TIMES
        )


def _saver(nurse: Actor, row: Any) -> Callable[[], None]:
    saved = 0

    def save() -> None:
        nonlocal saved
        saved += 1
        with acting(nurse, request_id="bench", address="192.0.2.7"):
            row.state, row.note = f"state {saved}", f"空腹血糖 {saved}"
            row.save(update_fields=["state", "note"])

    return save


def _rows(nurse: Actor) -> dict[str, Any]:
    subject_id = uuid7()
    common: dict[str, Any] = {
        "clinic_id": nurse.clinic_id,
        "subject_id": subject_id,
        "state": "new",
        "note": "空腹血糖",
    }
    with acting(nurse):
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


def _together(nurse: Actor, *, rounds: int) -> Samples:
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


def _writer(nurse: Actor, rounds: int, started: Any, answer: Connection) -> None:
    started.wait()
    answer.send(_saves(nurse, rounds=rounds))
    answer.close()
