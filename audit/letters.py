"""Letters about alarms to those who decide about them: one for a burst, tried again until it has reached everybody.

A new alarm stands as untold in the transaction that raised it. The first letter is made at once, and gathers all that is untold;
the next one not before `BURST` has passed. A letter is taken in one transaction, carried outside any, and settled in another: killed
in between, it comes up again and goes out under the same key to whoever it is not known to have reached. It names rules, numbers
and moments, never a person.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from django.db import connection

from audit import configured
from audit.acting import acting
from audit.actors import Actor, current_unit, system_actor
from audit.events import Draft, write
from audit.models import SYSTEM_LOG, Alarm, AlarmLetter, Rule
from crypto.turns import is_my_turn

BURST: Final = timedelta(minutes=10)
LEASE: Final = timedelta(minutes=1)
PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(minutes=30)
MOST_TRIES: Final = 60  # more than a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a letter says: of which log, which rules rang how often, since when."""

    id: UUID
    log_id: UUID
    rules: tuple[tuple[Rule, int], ...]
    since: datetime

    @property
    def count(self) -> int:
        return sum(count for _rule, count in self.rules)


class Post(Protocol):
    """Who knows where those live who decide about alarms, and carries letters to them. The setting ALARM_POST names it."""

    def receivers(self, log_id: UUID) -> Collection[UUID]:
        """The accounts a letter about this log goes to; those without an address are not among them."""

    def deliver(self, account: UUID, letter: Letter) -> bool:
        """Whether the letter is out of our hands; False: try again. The same letter may be handed over twice."""


def post_letters(log_id: UUID, at: datetime) -> int:
    """Make the letter that is due and carry what waits; answers how many receivers were reached. Safe in several workers."""
    with acting(_by(log_id), log_id):
        _make_letter(log_id, at)
    reached = 0
    while True:
        with acting(_by(log_id), log_id):
            taken = _take_letter(log_id, at)
        if taken is None:
            return reached
        reached += _carry(*taken, at)


def undelivered_since(clinic_id: UUID) -> datetime | None:
    """When the oldest letter was made that is still on its way after a try; None where none is. Inside `acting`."""
    waiting = AlarmLetter.objects.filter(clinic_id=clinic_id, ended_at=None, tries__gt=1)
    return waiting.order_by("made_at").values_list("made_at", flat=True).first()


def _by(log_id: UUID) -> Actor:
    return system_actor("alarms", None if log_id == SYSTEM_LOG else log_id)


def _make_letter(log_id: UUID, at: datetime) -> None:
    """One worker at a time: whoever comes second leaves it to the first."""
    if AlarmLetter.objects.filter(clinic_id=log_id, made_at__gt=at - BURST).exists():
        return
    if not is_my_turn(f"alarm letter:{log_id}"):
        return
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_alarm_untold WHERE clinic_id = %s RETURNING alarm_id", [log_id])
        untold = sorted(str(alarm_id) for (alarm_id,) in cursor.fetchall())
    if untold:
        AlarmLetter.objects.create(clinic_id=log_id, alarms=untold, made_at=at, not_before=at)


def _take_letter(log_id: UUID, at: datetime) -> tuple[AlarmLetter, Letter] | None:
    """The next letter, which nobody else takes for the time of `LEASE`, and its words."""
    waiting = AlarmLetter.objects.filter(clinic_id=log_id, ended_at=None, not_before__lte=at)
    row = waiting.order_by("made_at", "pk").select_for_update(skip_locked=True).first()
    if row is None:
        return None
    row.tries += 1
    row.not_before = at + LEASE
    row.save(update_fields=["tries", "not_before"])
    alarms = list(Alarm.objects.filter(pk__in=row.alarms).values_list("rule", "raised_at"))
    rules = Counter(rule for rule, _raised_at in alarms)
    return row, Letter(
        id=row.pk,
        log_id=log_id,
        rules=tuple((rule, rules[rule.value]) for rule in Rule if rule.value in rules),
        since=min((raised_at for _rule, raised_at in alarms), default=row.made_at),
    )


def _carry(row: AlarmLetter, letter: Letter, at: datetime) -> int:
    post = configured.alarm_post()
    wanted = {str(account) for account in post.receivers(letter.log_id)}
    reached = [account for account in sorted(wanted - set(row.told)) if post.deliver(UUID(account), letter)]
    row.told = sorted({*row.told, *reached})
    if wanted <= set(row.told) or row.tries >= MOST_TRIES:
        row.ended_at = at
    else:
        row.not_before = at + min(PAUSE * row.tries, LONGEST_PAUSE)
    with acting(_by(letter.log_id), letter.log_id):
        row.save(update_fields=["told", "ended_at", "not_before"])
        if reached:
            _record(row, letter)
    return len(reached)


def _record(row: AlarmLetter, letter: Letter) -> None:
    write(
        Draft(
            unit=current_unit(),
            action="alarm.told",
            clinic_id=None if letter.log_id == SYSTEM_LOG else letter.log_id,
            object=(AlarmLetter._meta.label_lower, str(row.pk)),
            count=letter.count,
        )
    )
