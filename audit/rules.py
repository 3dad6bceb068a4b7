"""What raises an alarm, every rule in this one place. `docs/alarms.md` says the same in a clinic's words.

Rules read events and nothing else: whoever wrote the event put relation, count and vip into it. Only what people came to see
counts (`SEEN`): a list, a search and a job meet patients without looking at them. What one event tells by itself is raised in
its own transaction (`ring`); what needs the events around it is judged in `WINDOWS` by `audit.watch`, within a minute.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from audit.alarms import AlarmDraft, put
from audit.decoys import decoys_among
from audit.events import Draft
from audit.kinds import SEEN, Kind
from audit.limits import BOUNDS, Limits, limits_of
from audit.models import Rule
from audit.relations import Relation

OUT_OF_THE_HOUSE: Final = frozenset({Kind.EXPORTED, Kind.PRINTED})
PERSONS_NAMED: Final = 20
"""Of so many persons of one event each has an alarm; of more there is one, with their number."""


# --- what one event tells by itself ---------------------------------------------------------------------------------------


def ring(draft: Draft, event_uid: UUID) -> None:
    """Raise what this ACCESS event tells by itself. No statement where nothing is amiss. Raises LogUnavailable."""
    if draft.clinic_id is not None and draft.kind in SEEN and draft.unit.actor.kind != "system":
        put(
            [
                *_of_persons(draft, draft.clinic_id, event_uid),
                *_large_export(draft, draft.clinic_id, event_uid),
            ]
        )


def _of_persons(draft: Draft, clinic_id: UUID, event_uid: UUID) -> Iterator[AlarmDraft]:
    decoys = decoys_among(clinic_id, draft.subjects)
    rules = [
        rule
        for rule, rings in (
            (Rule.BREAK_GLASS, draft.relation == Relation.BREAK_GLASS),
            (Rule.OUTSIDE_CARE, draft.relation == Relation.NONE),
            (Rule.VIP_OPENED, draft.vip and draft.relation not in _THEIR_OWN_BUSINESS),
        )
        if rings
    ]
    one_by_one = len(draft.subjects) <= PERSONS_NAMED
    for rule, subjects in [(Rule.DECOY_OPENED, decoys), *((rule, draft.subjects) for rule in rules)]:
        for subject_id in subjects if one_by_one or rule is Rule.DECOY_OPENED else [None]:
            yield AlarmDraft(
                unit=draft.unit,
                rule=rule,
                clinic_id=clinic_id,
                subject_id=subject_id,
                object=(draft.kind, draft.unit.actor.ref),
                event_uid=event_uid,
                measured=None if one_by_one or subject_id else len(draft.subjects),
            )


_THEIR_OWN_BUSINESS: Final = frozenset({Relation.OWN, Relation.SELF, Relation.PROXY})
"""Who looks after a colleague or somebody well known personally, and the person themselves, ring no bell."""


def _large_export(draft: Draft, clinic_id: UUID, event_uid: UUID) -> Iterator[AlarmDraft]:
    count = draft.count or 0
    if draft.kind in OUT_OF_THE_HOUSE and count > BOUNDS["exported_per_hour"].lowest:
        allowed = limits_of(clinic_id).exported_per_hour
        if count > allowed:
            yield AlarmDraft(
                unit=draft.unit,
                rule=Rule.LARGE_EXPORT,
                clinic_id=clinic_id,
                object=(draft.kind, draft.unit.actor.ref),
                event_uid=event_uid,
                measured=count,
                allowed=allowed,
            )


# --- what shows only in the events around it ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event as the windows see it. `tried` is the account that somebody failed to sign in with, where it is known."""

    uid: UUID
    at: datetime
    actor_ref: str
    actor_kind: str
    kind: str
    action: str
    refused: bool
    count: int
    address: str
    object_id: str
    subjects: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One rule over a stretch of time that ends with each event in turn.

    `whose` names whom the events are counted for; `since` is when the stretch began that an event ends; `limit` the most that
    stays silent. With `usual_at_most` the limit grows with what is usual for the person, and never above that.
    """

    rule: Rule
    name: str
    takes: Callable[[Entry, Limits], bool]
    whose: Callable[[Entry], str]
    since: Callable[[datetime, Limits], datetime]
    limit: Callable[[Limits], int]
    tally: "Callable[[], Tally]"
    usual_at_most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    """What went over a limit: how far, in the stretch from `since` to `until`, first at the event `event_uid`."""

    measured: int
    allowed: int
    since: datetime
    until: datetime
    event_uid: UUID
    times: int


class Tally(Protocol):
    """What stands in a stretch of time, counted on and off."""

    def add(self, entry: Entry) -> None: ...
    def drop(self, entry: Entry) -> None: ...
    def total(self) -> int: ...


class Persons:
    """How many different people."""

    def __init__(self) -> None:
        self._seen: Counter[UUID] = Counter()

    def add(self, entry: Entry) -> None:
        self._seen.update(entry.subjects)

    def drop(self, entry: Entry) -> None:
        self._seen.subtract(entry.subjects)
        self._seen = +self._seen

    def total(self) -> int:
        return len(self._seen)


class Times:
    """How many events."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, entry: Entry) -> None:
        self._sum += self.weight(entry)

    def drop(self, entry: Entry) -> None:
        self._sum -= self.weight(entry)

    def total(self) -> int:
        return self._sum

    def weight(self, entry: Entry) -> int:
        return 1


class Copies(Times):
    """How many people, each as often as their data left the house."""

    def weight(self, entry: Entry) -> int:
        return entry.count


def judge(
    window: Window, entries: Iterable[Entry], limit: int, limits: Limits, fresh: Collection[UUID]
) -> Ringing | None:
    """The worst that one person's entries, in the order of their ids, make of a window; None where nothing is over the limit.

    Only stretches are judged that end with one of the `fresh` entries or after it: the others were judged before.
    """
    stretch, tally, worst, first, times = deque[Entry](), window.tally(), None, None, 0
    for entry in entries:
        stretch.append(entry)
        tally.add(entry)
        begin = window.since(entry.at, limits)
        while stretch[0].at < begin:
            tally.drop(stretch.popleft())
        first = first or (entry.uid if entry.uid in fresh else None)
        if first is None or tally.total() <= limit:
            continue
        times += entry.uid in fresh
        if worst is None or tally.total() > worst.measured:
            worst = Ringing(
                measured=tally.total(),
                allowed=limit,
                since=stretch[0].at,
                until=entry.at,
                event_uid=worst.event_uid if worst else entry.uid,
                times=0,
            )
    return replace(worst, times=max(times, 1)) if worst else None


def _seen_by_people(entry: Entry, limits: Limits) -> bool:
    return entry.kind in SEEN


def _seen_when_closed(entry: Entry, limits: Limits) -> bool:
    return entry.kind in SEEN and entry.actor_kind == "staff" and limits.closed_since(entry.at) is not None


def _taken_out_in_parts(entry: Entry, limits: Limits) -> bool:
    """What is too much in a single event has rung with it."""
    return entry.kind in OUT_OF_THE_HOUSE and entry.count <= limits.exported_per_hour


def _refused(entry: Entry, limits: Limits) -> bool:
    return entry.refused and entry.action != SIGN_IN_FAILED


def _not_let_in(entry: Entry, limits: Limits) -> bool:
    return entry.action == SIGN_IN_FAILED


def _account(entry: Entry) -> str:
    """Whoever is not signed in is told apart by where they ask from."""
    return entry.actor_ref if entry.actor_ref.startswith("user:") else entry.address


def _account_tried(entry: Entry) -> str:
    return "" if entry.object_id == "unknown" else f"user:{entry.object_id}"


def _address(entry: Entry) -> str:
    return entry.address


def _last(length: timedelta) -> Callable[[datetime, Limits], datetime]:
    return lambda at, limits: at - length


def _today(at: datetime, limits: Limits) -> datetime:
    return limits.midnight(at)


def _closing(at: datetime, limits: Limits) -> datetime:
    return limits.closed_since(at) or at


SIGN_IN_FAILED: Final = "account.sign_in_failed"
# Whoever is not let in is in no clinic yet, so these two are the installation's and nobody's to set.
FAILED_FOR_AN_ACCOUNT: Final = 5
FAILED_FROM_AN_ADDRESS: Final = 20

WINDOWS: Final = (
    Window(
        rule=Rule.MANY_OPENED, name="hour", takes=_seen_by_people, whose=_account, tally=Persons,
        since=_last(timedelta(hours=1)), limit=lambda limits: limits.opened_per_hour, usual_at_most=120,
    ),
    Window(
        rule=Rule.MANY_OPENED, name="day", takes=_seen_by_people, whose=_account, tally=Persons,
        since=_today, limit=lambda limits: limits.opened_per_day, usual_at_most=400,
    ),
    Window(
        rule=Rule.ODD_HOURS, name="closed", takes=_seen_when_closed, whose=_account, tally=Persons,
        since=_closing, limit=lambda limits: limits.odd_hours,
    ),
    Window(
        rule=Rule.LARGE_EXPORT, name="hour", takes=_taken_out_in_parts, whose=_account, tally=Copies,
        since=_last(timedelta(hours=1)), limit=lambda limits: limits.exported_per_hour,
    ),
    Window(
        rule=Rule.DENIALS, name="minutes", takes=_refused, whose=_account, tally=Times,
        since=_last(timedelta(minutes=10)), limit=lambda limits: limits.denials,
    ),
    Window(
        rule=Rule.SIGN_INS_FAILED, name="account", takes=_not_let_in, whose=_account_tried, tally=Times,
        since=_last(timedelta(minutes=15)), limit=lambda limits: FAILED_FOR_AN_ACCOUNT,
    ),
    Window(
        rule=Rule.SIGN_INS_FAILED, name="address", takes=_not_let_in, whose=_address, tally=Times,
        since=_last(timedelta(minutes=15)), limit=lambda limits: FAILED_FROM_AN_ADDRESS,
    ),
)  # fmt: skip
