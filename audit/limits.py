"""The limits of the rules: what each means, how low and how high a clinic may set it, and who set it when.

A clinic without a word of its own has the defaults. A limit moves between its floor and its ceiling, so that no rule can be
switched off; every change is a version that stays and an event, and one that makes a rule laxer is an alarm of its own, which
somebody else decides about.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, time, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audit.actors import Actor, current_unit
from audit.alarms import AlarmDraft, put
from audit.errors import LimitsRefused
from audit.events import Draft, write
from audit.models import AlarmLimits, Rule
from audit.wrote import wrote_rows
from crypto.turns import wait_for_turn


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be. Higher is laxer, for every one of them. `words` finishes the sentence of its rule."""

    rule: Rule | None
    default: int
    lowest: int
    highest: int
    words: Any


BOUNDS: Final[dict[str, Bounds]] = {
    "opened_per_hour": Bounds(Rule.MANY_OPENED, 20, 5, 60, _("patients opened within an hour")),
    "opened_per_day": Bounds(Rule.MANY_OPENED, 60, 15, 200, _("patients opened on one day")),
    "times_usual": Bounds(Rule.MANY_OPENED, 3, 2, 5, _("times what is usual for the person")),
    "odd_hours": Bounds(Rule.ODD_HOURS, 3, 0, 20, _("patients opened while the clinic is closed")),
    "exported_per_hour": Bounds(
        Rule.LARGE_EXPORT, 100, 1, 500, _("people exported or printed within an hour")
    ),
    "denials": Bounds(Rule.DENIALS, 10, 3, 30, _("refusals within ten minutes")),
    "decide_within_hours": Bounds(None, 24, 1, 72, _("hours an alarm may wait for a decision")),
}
MOST_OPEN: Final = timedelta(hours=18)
EVERY_DAY: Final = (0, 1, 2, 3, 4, 5, 6)


@cache
def time_zones() -> frozenset[str]:
    """The names of the zones there are. Asked once: it opens some six hundred files."""
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a clinic's rules measure by. Numbers are the most that stays silent; `opens`, `closes` are the clinic's own clock.

    `open_days` counts Monday as 0. A clinic that closes before it opens is open over midnight.
    """

    opened_per_hour: int = BOUNDS["opened_per_hour"].default
    opened_per_day: int = BOUNDS["opened_per_day"].default
    times_usual: int = BOUNDS["times_usual"].default
    odd_hours: int = BOUNDS["odd_hours"].default
    exported_per_hour: int = BOUNDS["exported_per_hour"].default
    denials: int = BOUNDS["denials"].default
    decide_within_hours: int = BOUNDS["decide_within_hours"].default
    opens: time = time(7)
    closes: time = time(21)
    open_days: tuple[int, ...] = EVERY_DAY
    time_zone: str = settings.TIME_ZONE

    def __post_init__(self) -> None:
        """Raises LimitsRefused, naming the first that is out of bounds."""
        for name, bounds in BOUNDS.items():
            if not bounds.lowest <= getattr(self, name) <= bounds.highest:
                raise LimitsRefused(name)
        if self.opens == self.closes or self.hours_open > MOST_OPEN:
            raise LimitsRefused("closes")
        if not self.open_days or not set(self.open_days) <= set(EVERY_DAY):
            raise LimitsRefused("open_days")
        if self.time_zone not in time_zones():
            raise LimitsRefused("time_zone")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def hours_open(self) -> timedelta:
        """How long an open day lasts."""
        opens, closes = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.opens, self.closes))
        return (closes - opens) % timedelta(days=1)

    @property
    def decide_within(self) -> timedelta:
        return timedelta(hours=self.decide_within_hours)

    def midnight(self, at: datetime) -> datetime:
        """When the clinic's day of this moment began."""
        return at.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def closed_since(self, at: datetime) -> datetime | None:
        """When the clinic closed, if it is closed at this moment; None while it is open."""
        local = at.astimezone(self.zone)
        days = (local.date() - timedelta(days=back) for back in range(8))
        day = max(
            day
            for day in days
            if day.weekday() in self.open_days and datetime.combine(day, self.opens, self.zone) <= local
        )
        closed = datetime.combine(day + timedelta(days=self.closes < self.opens), self.closes, self.zone)
        return closed if closed <= local else None

    def plain(self) -> dict[str, Any]:
        """As the database keeps it."""
        kept = asdict(self)
        return kept | {
            "opens": f"{self.opens:%H:%M}",
            "closes": f"{self.closes:%H:%M}",
            "open_days": list(self.open_days),
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Limits":
        """What `plain` wrote; of keys that are missing the default, of those nobody knows any more nothing."""
        known = {field.name: kept[field.name] for field in fields(cls) if field.name in kept}
        for name in {"opens", "closes"} & known.keys():
            known[name] = time.fromisoformat(known[name])
        if "open_days" in known:
            known["open_days"] = tuple(known["open_days"])
        return cls(**known)

    def is_laxer_than(self, other: "Limits") -> bool:
        """Whether anything stays silent with these that would ring with the others."""
        more = any(getattr(self, name) > getattr(other, name) for name in BOUNDS)
        hours = (self.opens, self.closes, self.time_zone) != (other.opens, other.closes, other.time_zone)
        return more or hours or not set(self.open_days) <= set(other.open_days)


DEFAULTS: Final = Limits()


def limits_of(clinic_id: UUID) -> Limits:
    """What holds in a clinic now. One statement."""
    kept = _newest(clinic_id)
    return Limits.of(kept.limits) if kept else DEFAULTS


def limits_history(clinic_id: UUID) -> list[AlarmLimits]:
    """The versions of a clinic, the newest first; at most ten."""
    return list(AlarmLimits.objects.filter(clinic_id=clinic_id).order_by("-version")[:10])


@transaction.atomic
def set_limits(limits: Limits, by: Actor, at: datetime) -> Limits:
    """From this transaction's commit on these hold in the clinic the actor works in. The same ones again change nothing.

    Laxer ones raise an alarm about whoever set them. Raises NoActor, LogUnavailable.
    """
    unit, clinic_id = current_unit(), by.clinic_id
    if clinic_id is None:
        raise LimitsRefused("clinic")
    wait_for_turn(f"alarm limits:{clinic_id}")
    newest = _newest(clinic_id)
    before = Limits.of(newest.limits) if newest else DEFAULTS
    if limits == before:
        return before
    row = AlarmLimits.objects.create(
        clinic_id=clinic_id,
        version=newest.version + 1 if newest else 1,
        limits=limits.plain(),
        changed_at=at,
        changed_by=by.ref,
    )
    old, new = before.plain(), limits.plain()
    event = write(
        Draft(
            unit=unit,
            action="alarm_limits.changed",
            clinic_id=clinic_id,
            object=("audit.alarmlimits", str(row.pk)),
            fields={name: (old[name], new[name]) for name in new if old[name] != new[name]},
            wrote=wrote_rows([row]),
        )
    )
    if limits.is_laxer_than(before):
        put([
            AlarmDraft(
                unit=unit, rule=Rule.LIMITS_LOOSENED, clinic_id=clinic_id,
                object=("limits", by.ref), event_uid=event.uid,
            )
        ])  # fmt: skip
    return limits


def _newest(clinic_id: UUID) -> AlarmLimits | None:
    return AlarmLimits.objects.filter(clinic_id=clinic_id).order_by("-version").first()
