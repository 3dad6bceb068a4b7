"""Questions to the log: who saw this person, what did this account do, what happened to this record.

Each is one indexed walk from the newest entry backwards, a page at a time. Row security lets the application read the logs of
the clinics in hand alone; every question names its one log besides.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.events import content_type_id
from audit.models import SYSTEM_LOG, AuditEvent, Checkpoint, Leaf, RowChange
from crypto.ids import first_uuid7

PAGE_SIZE: Final = 50
COUNT_BOUND: Final = 1000
ROW_CHANGES_SHOWN: Final = 50
COPIED = ("action", "kind", "purpose", "relation", "result")  # columns a question may ask for by their value


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """What is asked of one log. `subject_id`: whom entries concern; `actor_ref`: who did it; `object`: a record as label
    ("patients.card") and id. Moments: `since` included, `until` not. Empty is everything."""

    log_id: UUID
    since: datetime | None = None
    until: datetime | None = None
    subject_id: UUID | None = None
    actor_ref: str = ""
    object: tuple[str, str] | None = None
    action: str = ""
    kind: str = ""
    purpose: str = ""
    relation: str = ""
    result: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether an index leads to the answer, however long the time asked about."""
        return bool(self.subject_id or self.actor_ref or self.object)


@dataclass(frozen=True)
class Told:
    """An event with its canonical text read."""

    event: AuditEvent

    @cached_property
    def entry(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(bytes(self.event.canon))
        return read

    @property
    def mark(self) -> str:
        """The hash of the entry, short enough to compare by eye."""
        digest = sha256(bytes(self.event.canon)).hexdigest()
        return f"{digest[:4]}…{digest[-4:]}"

    @property
    def object_type(self) -> str:
        return str((self.entry["object"] or {"type": ""})["type"])

    @property
    def subjects(self) -> list[UUID]:
        return [UUID(subject) for subject in self.entry["subjects"]]

    @property
    def fields(self) -> list[str]:
        return [field["name"] for field in self.entry["fields"]]

    @property
    def roles(self) -> list[str]:
        """What the actor was in the clinic when it happened, as codes."""
        return list(self.entry.get("roles", ()))


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, newest first; `next` is where the following page begins, when there is one."""

    entries: list[Told]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class LogCount:
    """How many entries answer, and by how many accounts and jobs; counted no further than `COUNT_BOUND` + 1."""

    entries: int
    actors: int


def page_of_log(question: LogQuestion, *, before: UUID | None = None, size: int = PAGE_SIZE) -> LogPage:
    """The newest entries that answer, from a place backwards. One statement."""
    where, values = _where(question, before)
    sql = f"SELECT event.* {where} ORDER BY {_key(question)} DESC LIMIT %s"  # our own text, values as parameters
    found = [Told(event) for event in AuditEvent.objects.raw(sql, [*values, size + 1])]
    more = len(found) > size
    return LogPage(found[:size], found[size - 1].event.uid if more else None)


def count_of_log(question: LogQuestion, *, bound: int = COUNT_BOUND) -> LogCount:
    """How many entries answer, counted no further than `bound` + 1. One statement."""
    where, values = _where(question, None)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), count(DISTINCT actor_ref) FROM (SELECT event.actor_ref {where} LIMIT %s) bounded",  # noqa: S608
            [*values, bound + 1],
        )
        return LogCount(*cursor.fetchone())


def pages_of_log(question: LogQuestion, *, size: int) -> Iterator[list[Told]]:
    """Every page of the answer, each read when it is asked for."""
    place: UUID | None = None
    while True:
        page = page_of_log(question, before=place, size=size)
        if page.entries:
            yield page.entries
        if page.next is None:
            return
        place = page.next


def event_of(log_id: UUID, uid: UUID) -> Told | None:
    """One entry of a log in hand; None where it is another clinic's or nowhere."""
    event = AuditEvent.objects.filter(log_id=log_id, uid=uid).first()
    return Told(event) if event else None


def _key(question: LogQuestion) -> str:
    return "subject.event_uid" if question.subject_id else "event.uid"


def _where(question: LogQuestion, before: UUID | None) -> tuple[str, list[Any]]:
    """FROM and WHERE of a question. Bounds are put on the partition key, so months that cannot answer are not read."""
    source, terms, values = "audit_event event", ["event.log_id = %s"], [question.log_id]

    def ask(term: str, value: Any) -> None:
        terms.append(term)
        values.append(value)

    if question.subject_id:
        source = "audit_event_subject subject JOIN audit_event event ON event.uid = subject.event_uid"
        ask("subject.subject_id = %s", question.subject_id)
    for bound, sign in ((question.since, ">="), (question.until, "<")):
        if bound:
            ask(f"event.uid {sign} %s", first_uuid7(bound))
            if question.subject_id:
                ask(f"subject.event_uid {sign} %s", first_uuid7(bound))
    if before:
        ask(f"{_key(question)} < %s", before)
    if question.actor_ref:
        terms.append(
            "event.clinic_id IS NULL" if question.log_id == SYSTEM_LOG else "event.clinic_id = event.log_id"
        )
        ask("event.actor_ref = %s", question.actor_ref)
    if question.object:
        ask("event.object_pk = %s", question.object[1])
        ask("event.content_type_id = %s", content_type_id(question.object[0]))
    for column in COPIED:
        if wanted := getattr(question, column):
            ask(f"event.{column} = %s", wanted)
    return f"FROM {source} WHERE {' AND '.join(terms)}", values


# --- rows ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RowTold:
    """What one statement did to one row: `op` I, U or D, and the columns that changed."""

    change: RowChange
    columns: list[str]


def changes_in(told: Told) -> list[RowChange]:
    """The statements of the event's transaction that changed rows of watched tables in the same log."""
    changes = RowChange.objects.filter(log_id=told.event.log_id, txid=told.event.txid).order_by("uid")
    return list(changes[:ROW_CHANGES_SHOWN])


def changes_of_row(question: LogQuestion, table: str, key: str) -> list[RowTold]:
    """The latest changes of one row in the time asked about, also those that no event names. `question.since` bounds the search."""
    changes = RowChange.objects.filter(log_id=question.log_id, tbl=table)
    if question.since:
        changes = changes.filter(uid__gte=first_uuid7(question.since))
    if question.until:
        changes = changes.filter(uid__lt=first_uuid7(question.until))
    named = changes.extra(where=["position(convert_to(%s, 'UTF8') in canon) > 0"], params=[key])
    told = (_row_told(change, key) for change in named.order_by("-uid")[:ROW_CHANGES_SHOWN])
    return [row for row in told if row]


def _row_told(change: RowChange, key: str) -> RowTold | None:
    rows: Iterable[dict[str, Any]] = json.loads(bytes(change.canon))["rows"]
    for row in rows:
        if row.get("pk") == key:
            return RowTold(change, list(row.get("cols") or []))
    return None


# --- its place in the tree ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlaceInTree:
    """Where an entry is sealed: its leaf, and the first checkpoint that covers it, when one has been signed."""

    leaf: Leaf
    checkpoint: Checkpoint | None

    @property
    def hash(self) -> str:
        return bytes(self.leaf.leaf_hash).hex()


def place_of(uid: UUID) -> PlaceInTree | None:
    """None while the sequencer has not come to it."""
    leaf = Leaf.objects.filter(uid=uid).first()
    if leaf is None:
        return None
    signed = Checkpoint.objects.filter(
        log_id=leaf.log_id, year=leaf.year, hashing="sha256", size__gt=leaf.leaf_index
    )
    return PlaceInTree(leaf, signed.order_by("size").first())
