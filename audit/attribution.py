"""Whether every row change is somebody's deed. One that no event of its transaction names is an alarm.

An event names rows by its object (model and key, or model and `count`) and by what it `wrote` (table and keys, or table and
number). A change is attributed when every row of it is named, or when a number says how many rows the statement changed. Numbers
of one transaction and table may also add up: a bulk write in batches is one deed. Tables that triggers keep are judged through their source and are
not watched (ADR 0022).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.db import connection

from audit.acting import acting
from audit.actors import current_unit, system_actor
from audit.alarms import AlarmDraft, Rule, put
from audit.wrote import ROWS_NAMED

PAGE = 2000


class Place(NamedTuple):
    """What one event can name: rows of one table, changed in one transaction."""

    txid: int
    table: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row change, as the judge needs it. `keys` are those of its rows; none where there are too many to name."""

    uid: UUID
    log_id: UUID
    place: Place
    actor_ref: str
    count: int
    keys: frozenset[str]


@dataclass(slots=True)
class Named:
    """What the events of a transaction say of one table."""

    keys: set[str]
    counts: list[int]


def judge(log_ids: Iterable[UUID]) -> int:
    """Judge what was committed since the last time, page by page. `log_ids` are all logs: of every clinic and the system's.

    A page is one transaction with the alarms it raises, so that a crash repeats nothing. Answers how many changes no event names.
    Raises LogUnavailable.
    """
    found, going, logs = 0, True, tuple(log_ids)
    while going:
        with acting(system_actor("attribution", None), *logs):
            start, end, going = _page()
            unnamed = unattributed(start, end)
            _ring(unnamed)
            _remember(end)
        found += len(unnamed)
    return found


def unattributed(start: int, end: int) -> list[Change]:
    """The changes of transactions from `start` and below `end` that no event names, in the logs the unit of work sees."""
    changes: dict[Place, list[Change]] = defaultdict(list)
    for change in _changes(start, end):
        changes[change.place].append(change)
    named = _named(start, end)
    return [change for place, made in changes.items() for change in _unnamed(made, named.get(place))]


def _unnamed(changes: Sequence[Change], named: Named | None) -> list[Change]:
    """Those of one transaction and table that are neither named row by row nor counted."""
    if named is None:
        return list(changes)
    rest, counts = [], list(named.counts)
    for change in changes:
        if change.keys and change.keys <= named.keys:
            continue
        if change.count in counts:
            counts.remove(change.count)
        else:
            rest.append(change)
    return [] if sum(counts) == sum(change.count for change in rest) else rest


# --- what was written -------------------------------------------------------------------------------------------------


def _changes(start: int, end: int) -> Iterator[Change]:
    for uid, log_id, txid, actor_ref, table, count, canon in _rows(
        "SELECT uid, log_id, txid, actor_ref, tbl, row_count, canon FROM audit_row_change"
        " WHERE txid >= %s AND txid < %s ORDER BY txid, uid",
        start,
        end,
    ):
        rows = _read(canon).get("rows", []) if count <= ROWS_NAMED else []
        yield Change(uid, log_id, Place(txid, table), actor_ref, count, frozenset(row["pk"] for row in rows))


def _named(start: int, end: int) -> dict[Place, Named]:
    named: dict[Place, Named] = defaultdict(lambda: Named(set(), []))
    for txid, canon in _rows(
        "SELECT txid, canon FROM audit_event WHERE txid >= %s AND txid < %s", start, end
    ):
        entry = _read(canon)
        if entry.get("object") and (table := _tables().get(entry["object"]["type"])):
            of_table = named[Place(txid, table)]
            of_table.keys.add(entry["object"]["id"])
            of_table.counts += [] if entry["count"] is None else [entry["count"]]
        for part in entry.get("wrote", ()):
            of_table = named[Place(txid, part["table"])]
            of_table.keys.update(part.get("keys", ()))
            of_table.counts += [part["count"]] if "count" in part else []
    return named


def _read(canon: memoryview) -> dict[str, Any]:
    """An entry; of one that was damaged nothing, so that it names nothing. Which ones were is for verification to say."""
    try:
        entry = json.loads(bytes(canon))
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


@cache
def _tables() -> dict[str, str]:
    known = (model for models in apps.all_models.values() for model in models.values())
    return {model._meta.label_lower: model._meta.db_table for model in known}


# --- how far judging has come ------------------------------------------------------------------------------------------

_HORIZON = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       (SELECT system_identifier::text FROM pg_control_system())
"""
_LAST_OF_PAGE = """
SELECT txid FROM audit_row_change WHERE txid >= %s AND txid < %s ORDER BY txid OFFSET %s LIMIT 1
"""


def _page() -> tuple[int, int, bool]:
    """Where the next page of transactions begins and ends, and whether there is more. Holds the place until the commit.

    In a restored database transaction numbers begin anew, and so does judging.
    """
    ((judged, cluster),) = _rows("SELECT judged_below, cluster FROM audit_attribution FOR UPDATE")
    ((horizon, here),) = _rows(_HORIZON)
    start = judged if cluster == here and judged <= horizon else 0
    last = _rows(_LAST_OF_PAGE, start, horizon, PAGE - 1)
    return (start, last[0][0] + 1, True) if last else (start, horizon, False)


def _remember(end: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_attribution SET judged_below = %s, judged_at = clock_timestamp(),"
            " cluster = (SELECT system_identifier::text FROM pg_control_system())",
            [end],
        )


def _ring(changes: Iterable[Change]) -> None:
    """One alarm for each table and whoever changed it; while it is open, more of the same only counts."""
    groups: dict[tuple[UUID, str, str], list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.log_id, change.place.table, change.actor_ref].append(change)
    put(
        AlarmDraft(
            unit=current_unit(),
            rule=Rule.UNATTRIBUTED,
            clinic_id=log_id,
            object=(table, actor_ref),
            event_uid=made[0].uid,
            about=actor_ref,
            times=len(made),
        )
        for (log_id, table, actor_ref), made in groups.items()
    )


def _rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())
