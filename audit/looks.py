"""Who looked at a person's record, as the person is told: each look by somebody, and how often lists and jobs met them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Exists

from audit.explorer import Told
from audit.kinds import SEEN, Kind
from audit.models import AuditEvent, EventSubject
from audit.relations import Relation
from crypto.ids import first_uuid7

COUNTED: Final = (Kind.LISTED, Kind.COMPUTED)
MOST_LOOKS: Final = 500  # a page of thirty days; more are told by their number
ASKED: Final = "name.asked"


@dataclass(frozen=True, slots=True)
class Look:
    """What one account did with the record on one day, for one purpose. Whatever is out of the ordinary stands by itself.

    `entries` are the newest first; there is more than one only of plain views.
    """

    entries: tuple[Told, ...]

    @property
    def last(self) -> Told:
        return self.entries[0]

    @property
    def kind(self) -> str:
        return str(self.last.event.kind)

    @property
    def fields(self) -> list[str]:
        """The names of the fields that were opened, each once."""
        return list(dict.fromkeys(name for told in self.entries for name in told.fields))

    @property
    def is_unusual(self) -> bool:
        """Somebody who does not care for the person, or an emergency."""
        return self.last.event.relation in (Relation.NONE, Relation.BREAK_GLASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The answer for a time: looks newest first; how often lists showed the person and jobs computed with the data.

    `all_told`: there were no more looks than are told.
    """

    looks: list[Look]
    listed: int
    computed: int
    all_told: bool

    @property
    def times(self) -> int:
        return sum(len(look.entries) for look in self.looks)

    @property
    def actors(self) -> frozenset[str]:
        return frozenset(look.last.event.actor_ref for look in self.looks)


# An event that concerns two subjects of one person is one look: the subjects are asked for event by event.
_JOIN = """
FROM (SELECT DISTINCT event_uid FROM audit_event_subject
       WHERE subject_id = ANY (%(subjects)s) AND event_uid >= %(first)s AND event_uid < %(last)s) subject
JOIN audit_event event ON event.uid = subject.event_uid
WHERE event.uid >= %(first)s AND event.uid < %(last)s AND event.log_id = %(log)s AND event.kind = ANY (%(kinds)s)
"""
_LOOKS = f"SELECT event.* {_JOIN} AND event.actor_ref <> %(own)s ORDER BY event.uid DESC LIMIT %(most)s"
_COUNTS = f"SELECT event.kind, count(*) {_JOIN} GROUP BY event.kind"


def who_looked(
    log_id: UUID, subject_ids: Collection[UUID], *, since: datetime, until: datetime, own: str, zone: tzinfo
) -> Looks:
    """Who viewed, revealed, played, exported or printed, in a log in hand; two statements.

    `subject_ids` are all under which the person's data were sealed; `own` is the person's account, which is left out; days are those
    of `zone`. What was only compared in a search is nobody's look and is not told.
    """
    asked: dict[str, Any] = {
        "subjects": list(subject_ids),
        "log": log_id,
        "first": first_uuid7(since),
        "last": first_uuid7(until),
        "own": own,
        "most": MOST_LOOKS + 1,
    }
    told = [Told(event) for event in AuditEvent.objects.raw(_LOOKS, {**asked, "kinds": sorted(SEEN)})]
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {**asked, "kinds": list(COUNTED)})
        counts = dict(cursor.fetchall())
    return Looks(
        looks=_together(told[:MOST_LOOKS], zone),
        listed=counts.get(Kind.LISTED, 0),
        computed=counts.get(Kind.COMPUTED, 0),
        all_told=len(told) <= MOST_LOOKS,
    )


def _together(told: list[Told], zone: tzinfo) -> list[Look]:
    groups: dict[object, list[Told]] = {}
    for one in told:
        event = one.event
        plain = (
            event.action == "access" and event.kind == Kind.VIEWED and event.relation != Relation.BREAK_GLASS
        )
        day = event.timestamp.astimezone(zone).date()
        key = (event.actor_ref, day, event.purpose, event.reason, event.relation) if plain else event.uid
        groups.setdefault(key, []).append(one)
    return [Look(tuple(entries)) for entries in groups.values()]


def look_of(log_id: UUID, subject_ids: Collection[UUID], uid: UUID) -> AuditEvent | None:
    """One look at the person by its number; None for anybody else's, and for what is no look."""
    concerned = EventSubject.objects.filter(subject_id__in=list(subject_ids), event_uid=uid)
    looks = AuditEvent.objects.filter(log_id=log_id, uid=uid, kind__in=sorted(SEEN))
    found: AuditEvent | None = looks.filter(Exists(concerned)).first()
    return found


def names_asked(log_id: UUID, own: str) -> frozenset[str]:
    """The accounts whose names the person has asked for, as references."""
    asked = AuditEvent.objects.filter(clinic_id=log_id, actor_ref=own, action=ASKED)
    return frozenset(f"user:{pk}" for pk in asked.values_list("object_pk", flat=True))
