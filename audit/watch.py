"""The watch: events as they are committed, judged by the rules that need the events around them; and the log's own health.

The place it has reached is a transaction number below the horizon, where every transaction has ended (`audit.sequencer` reads
the same way): nothing that commits late is missed and nothing is judged twice. Place and alarms move in one transaction, and one
worker at a time holds the place of a log, so a crash or a second worker raises nothing twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from django.db import connection

from audit.acting import acting
from audit.actors import Unit, current_unit, system_actor
from audit.alarms import AlarmDraft, put
from audit.kinds import SEEN
from audit.limits import DEFAULTS, Limits, limits_of
from audit.models import SYSTEM_LOG, Alarm, AlarmWatch, AuditEvent, RowChange, Rule
from audit.queries import seal_state
from audit.rules import WINDOWS, Entry, Ringing, Window, judge

EVENTS_A_TURN: Final = 2000
LATE_AFTER: Final = timedelta(minutes=1)
FORGOTTEN_AFTER: Final = timedelta(days=1)
"""After a day without a watch what is older is left alone; and numbers from before a restore come up again only within it."""
LONGEST_REFUSALS: Final = timedelta(minutes=15)
UNSEALED_AFTER: Final = timedelta(minutes=1)
SILENT_AFTER: Final = timedelta(minutes=10)
PARTITIONED: Final = (AuditEvent._meta.db_table, RowChange._meta.db_table)
PAST: Final = timedelta(days=28)
DAYS_THAT_TELL: Final = 5


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for an account: of the days on which it opened anybody, the median of people, and of the busiest hours."""

    hour: int = 0
    day: int = 0


def turn(log_id: UUID, at: datetime) -> int:
    """Judge what was committed to a log since the last turn; answers how many events that were. Safe to run anywhere, twice."""
    judged = 0
    while True:
        with acting(system_actor("alarms", None if log_id == SYSTEM_LOG else log_id), log_id):
            fresh, is_all = _advance(log_id, at)
            put([*_ringing(log_id, fresh, current_unit()), *_of_the_log(log_id, at, current_unit())])
        judged += len(fresh)
        if is_all:
            return judged


def is_late(at: datetime, log_ids: Iterable[UUID]) -> bool:
    """Whether some of these logs have not been watched for a minute. Inside `acting` that shows them."""
    watched = AlarmWatch.objects.filter(log_id__in=[*log_ids], ran_at__gt=at - LATE_AFTER).count()
    return watched < len(set(log_ids))


# --- how far it has come --------------------------------------------------------------------------------------------------


def _advance(log_id: UUID, at: datetime) -> tuple[list[Entry], bool]:
    """The next events, and whether they are all there are. Empty where another worker has the log in hand."""
    with connection.cursor() as cursor:
        place = _take_place(cursor, log_id, at)
        if place is None:
            return [], True
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, system_identifier::text FROM pg_control_system()"
        )
        below, cluster = cursor.fetchone()
        start = place.done_below if place.cluster == cluster else 0
        found = _committed(cursor, log_id, start, below, place.ran_at - FORGOTTEN_AFTER)
        is_all = len(found) < EVENTS_A_TURN
        done = below
        if not is_all:
            found, done = _whole_transactions(cursor, log_id, found, place.ran_at - FORGOTTEN_AFTER)
        cursor.execute(
            "UPDATE audit_alarm_watch SET done_below = %s, cluster = %s, ran_at = %s WHERE log_id = %s",
            [done, cluster, at, log_id],
        )
    return [entry for _txid, entry in found], is_all


def _take_place(cursor: Any, log_id: UUID, at: datetime) -> AlarmWatch | None:
    """The place, locked until the transaction ends; the first turn of a log makes it."""
    cursor.execute(
        "INSERT INTO audit_alarm_watch (log_id, done_below, cluster, ran_at)"
        " SELECT %s, 0, '', %s WHERE NOT EXISTS (SELECT FROM audit_alarm_watch WHERE log_id = %s) ON CONFLICT DO NOTHING",
        [log_id, at, log_id],
    )
    return AlarmWatch.objects.filter(log_id=log_id).select_for_update(skip_locked=True).first()


_COLUMNS = (
    "e.txid, e.uid, e.timestamp, e.actor_ref, e.actor_kind, e.kind, e.action, e.result = 'refused', coalesce(e.count, 1),"
    " coalesce(host(e.remote_addr), ''), e.object_pk"
)
_TELLING = "e.actor_kind <> 'system' AND (e.kind = ANY (%(seen)s) OR e.result = 'refused')"
_COMMITTED = (
    f"SELECT {_COLUMNS} FROM audit_event e WHERE e.log_id = %(log)s AND e.uid >= %(after)s AND {_TELLING}"  # noqa: S608
    " AND e.txid >= %(start)s AND e.txid < %(below)s ORDER BY e.txid, e.uid LIMIT %(limit)s"
)


def _committed(
    cursor: Any, log_id: UUID, start: int, below: int, after: datetime, limit: int | None = EVENTS_A_TURN
) -> list[tuple[int, Entry]]:
    cursor.execute(
        _COMMITTED,
        {
            "log": log_id,
            "after": first_id(after),
            "seen": _SEEN,
            "start": start,
            "below": below,
            "limit": limit,
        },
    )
    return [(row[0], _entry(row[1:])) for row in cursor.fetchall()]


def _whole_transactions(
    cursor: Any, log_id: UUID, found: list[tuple[int, Entry]], after: datetime
) -> tuple[list[tuple[int, Entry]], int]:
    """A full page is cut where its last transaction begins; a transaction larger than a page is taken whole."""
    last = found[-1][0]
    if found[0][0] != last:
        return [(txid, entry) for txid, entry in found if txid != last], last
    return _committed(cursor, log_id, last, last + 1, after, limit=None), last + 1


_SEEN = sorted(kind.value for kind in SEEN)


def _entry(row: tuple[Any, ...], subjects: Iterable[UUID] = ()) -> Entry:
    uid, at, actor_ref, actor_kind, kind, action, refused, count, address, object_id = row
    return Entry(
        uid=uid, at=at, actor_ref=actor_ref, actor_kind=actor_kind, kind=kind, action=action, refused=refused,
        count=count, address=address, object_id=object_id, subjects=tuple(subjects),
    )  # fmt: skip


def first_id(at: datetime) -> UUID:
    """The smallest id (UUID version 7) of a moment: the log's tables are ordered and partitioned by them."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


# --- what the windows say -------------------------------------------------------------------------------------------------


def _ringing(log_id: UUID, fresh: list[Entry], unit: Unit) -> list[AlarmDraft]:
    """One alarm for each window and account at most."""
    if not fresh:
        return []
    limits = DEFAULTS if log_id == SYSTEM_LOG else limits_of(log_id)
    entries = _with_those_around(log_id, fresh, limits)
    new = {entry.uid for entry in fresh}
    drafts: dict[tuple[str, str, str], AlarmDraft] = {}
    for window in WINDOWS:
        taken = sorted(
            ((window.whose(entry), entry) for entry in entries if window.takes(entry, limits)),
            key=lambda pair: (pair[0], pair[1].uid),
        )
        for whose, pairs in groupby(taken, key=lambda pair: pair[0]):
            about = whose if whose.startswith("user:") else "anonymous"
            ringing = whose and _rings(log_id, window, about, [entry for _w, entry in pairs], limits, new)
            if ringing:
                key = window.rule.value, window.name, about
                if key not in drafts or (drafts[key].measured or 0) < ringing.measured:
                    drafts[key] = _draft(unit, log_id, window, about, ringing)
    return [*drafts.values()]


def _draft(unit: Unit, log_id: UUID, window: Window, about: str, ringing: Ringing) -> AlarmDraft:
    return AlarmDraft(
        unit=unit,
        rule=window.rule,
        clinic_id=log_id,
        object=(window.name, about),
        event_uid=ringing.event_uid,
        about=about,
        measured=ringing.measured,
        allowed=ringing.allowed,
        since=ringing.since,
        until=ringing.until,
        times=ringing.times,
    )


def _rings(
    log_id: UUID, window: Window, about: str, entries: list[Entry], limits: Limits, new: set[UUID]
) -> Ringing | None:
    """What somebody has decided about is not counted again, and what is usual for the person is looked up last."""
    limit = window.limit(limits)
    if judge(window, entries, limit, limits, new) is None:
        return None
    answered = _answered_until(log_id, window, about)
    unanswered = [entry for entry in entries if answered is None or entry.at > answered]
    if window.usual_at_most and about.startswith("user:"):
        usual: int = (
            getattr(usual_of(log_id, about, unanswered[-1].at, limits), window.name) if unanswered else 0
        )
        limit = max(limit, min(limits.times_usual * usual, window.usual_at_most))
    return judge(window, unanswered, limit, limits, new)


def _answered_until(log_id: UUID, window: Window, about: str) -> datetime | None:
    decided = Alarm.objects.filter(
        clinic_id=log_id, rule=window.rule, actor_ref=about, object_type=window.name, decided_at__isnull=False
    )
    return decided.order_by("-last_at").values_list("last_at", flat=True).first()


def _with_those_around(log_id: UUID, fresh: list[Entry], limits: Limits) -> list[Entry]:
    """The fresh entries and, of the same accounts, all that stand in a window with one of them; in the order of their ids."""
    who = sorted({entry.actor_ref for entry in fresh})
    looks = [entry for entry in fresh if entry.kind in SEEN]
    refusals = [entry for entry in fresh if entry.refused]
    found: dict[UUID, Entry] = {}
    if looks:
        since = min(window.since(entry.at, limits) for entry in looks for window in WINDOWS)
        found |= {entry.uid: entry for entry in _around(log_id, who, since, "e.kind = ANY (%(seen)s)")}
    if refusals:
        since = min(entry.at for entry in refusals) - LONGEST_REFUSALS
        found |= {entry.uid: entry for entry in _around(log_id, who, since, "e.result = 'refused'")}
    return sorted(found.values(), key=attrgetter("uid"))


def _around(log_id: UUID, who: list[str], since: datetime, telling: str) -> Iterator[Entry]:
    clinic = "e.clinic_id IS NULL" if log_id == SYSTEM_LOG else "e.clinic_id = %(log)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS}, ARRAY(SELECT s.subject_id FROM audit_event_subject s WHERE s.event_uid = e.uid)"  # noqa: S608
            f" FROM audit_event e WHERE {clinic} AND e.actor_ref = ANY (%(who)s) AND e.uid >= %(after)s AND {telling}",
            {"log": log_id, "who": who, "after": first_id(since), "seen": _SEEN},
        )
        for row in cursor.fetchall():
            yield _entry(row[1:-1], row[-1])


def usual_of(log_id: UUID, account: str, at: datetime, limits: Limits) -> Usual:
    """What was usual for an account in the four weeks before the clinic's today; nothing for somebody too new to tell."""
    today = limits.midnight(at)
    with connection.cursor() as cursor:
        cursor.execute(
            _USUAL,
            {
                "log": log_id, "who": account, "seen": _SEEN, "zone": limits.time_zone,
                "after": first_id(today - PAST), "before": first_id(today),
            },
        )  # fmt: skip
        days, hour, day = cursor.fetchone()
    return Usual(hour, day) if days >= DAYS_THAT_TELL else Usual()


_USUAL = """
WITH looks AS (
  SELECT e.timestamp AT TIME ZONE %(zone)s AS local, s.subject_id
  FROM audit_event e JOIN audit_event_subject s ON s.event_uid = e.uid
  WHERE e.clinic_id = %(log)s AND e.actor_ref = %(who)s AND e.uid >= %(after)s AND e.uid < %(before)s
    AND e.kind = ANY (%(seen)s)),
days AS (SELECT local::date AS day, count(DISTINCT subject_id) AS n FROM looks GROUP BY 1),
hours AS (SELECT local::date AS day, count(DISTINCT subject_id) AS n FROM looks GROUP BY 1, date_trunc('hour', local)),
busiest AS (SELECT day, max(n) AS n FROM hours GROUP BY 1)
SELECT count(*), coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY busiest.n), 0),
       coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY days.n), 0)
FROM days JOIN busiest USING (day)
"""


# --- the log itself -------------------------------------------------------------------------------------------------------


def _of_the_log(log_id: UUID, at: datetime, unit: Unit) -> list[AlarmDraft]:
    """What is wrong with the log now and stands in no open alarm yet: a state that lasts is told once, not at every turn."""
    wrong = [*_unsealed(log_id, at), *(_without_room(at) if log_id == SYSTEM_LOG else ())]
    if not wrong:
        return []
    told = set(
        Alarm.objects.filter(
            clinic_id=log_id, decided_at=None, rule__in=[rule for rule, _about in wrong]
        ).values_list("rule", "object_type")
    )
    return [
        AlarmDraft(unit=unit, rule=rule, clinic_id=log_id, object=(about, str(log_id)))
        for rule, about in wrong
        if (rule.value, about) not in told
    ]


def _unsealed(log_id: UUID, at: datetime) -> Iterator[tuple[Rule, str]]:
    """The witness is the installation's, so its silence is told once, in the installation's own log."""
    state = seal_state(log_id)
    if state.trouble:
        yield Rule.VERIFICATION_FAILED, "audit.log"
    if _waits(log_id, at) if state.lag is None else state.lag > UNSEALED_AFTER:
        yield Rule.SEALING_LATE, "audit.log"
    if (
        log_id == SYSTEM_LOG
        and state.witness
        and (state.witness_silence is None or state.witness_silence > SILENT_AFTER)
    ):
        yield Rule.WITNESS_SILENT, "audit.witness"


def _waits(log_id: UUID, at: datetime) -> bool:
    """Whether there is anything to seal, where nothing was ever sealed."""
    waiting: bool = AuditEvent.objects.filter(log_id=log_id, uid__lt=first_id(at - UNSEALED_AFTER)).exists()
    return waiting


def _without_room(at: datetime) -> Iterator[tuple[Rule, str]]:
    """A month without a partition: its entries would stand in the one that is never emptied."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT parent FROM unnest(%s) AS parent"
            " WHERE to_regclass('public.' || parent || to_char(%s::timestamptz AT TIME ZONE 'UTC' + interval '1 month', '_YYYYMM')) IS NULL",
            [list(PARTITIONED), at],
        )
        for (parent,) in cursor.fetchall():
            yield Rule.PARTITIONS_MISSING, parent
