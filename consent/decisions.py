"""What the ledger means: pure functions from lines to a standing, and from standings to yes or no.

A line that only asks never changes an answer. Expiry is decided here, at the moment of the question.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import reduce
from itertools import groupby
from uuid import UUID

from django.utils.timezone import localdate

from audit.purposes import Purpose
from consent.choices import ANY_CHANNEL, SELF_RECIPIENT, EventKind, LegalBasis, Operation, State
from consent.purposes import PurposeRule, rests_on, rule_of

COOL_DOWN = timedelta(days=90)  # 网络数据安全管理条例 art. 22: nobody is asked again and again after a no
NO = frozenset({State.REFUSED, State.WITHDRAWN})


class Reason(StrEnum):
    """Why a use is allowed or not."""

    PERMITTED = "permitted"
    BY_LAW = "by_law"
    NEVER_ASKED = "never_asked"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    INVALIDATED = "invalidated"
    SUPERSEDED = "superseded"
    RESTS_ON_ANOTHER = "rests_on_another"
    OUTSIDE_PURPOSE = "outside_purpose"
    BREAK_GLASS = "break_glass"
    IN_EMERGENCY = "in_emergency"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One use of a patient's data: by whom, of which kind, over which channel. No data named means all of the purpose's."""

    patient_id: UUID
    purpose: Purpose
    data: frozenset[str] = frozenset()
    recipient: str = SELF_RECIPIENT
    op: str = Operation.USE
    channel: str = ANY_CHANNEL

    @property
    def categories(self) -> frozenset[str]:
        return self.data or rule_of(self.purpose).codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What counts of one line of the ledger."""

    id: UUID
    event: str
    valid_from: datetime
    valid_until: datetime | None
    notice_version: int
    occurred_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one permission stands: exactly the columns of its state row."""

    state: State = State.UNKNOWN
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    notice_version: int = 0
    decided_at: datetime | None = None
    last_event_id: UUID | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to a need, with the line of the ledger it rests on."""

    allowed: bool
    reason: Reason
    state_version: int = 0
    event_uid: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One state row with the newest deciding line of its ledger, as read after the lock.

    `notice_needed` is the oldest version of the clinic's own notice under which it still holds.
    """

    subject_id: UUID
    purpose: str
    data_category: str
    operation: str
    recipient: str
    channel: str
    restricted: bool
    notice_needed: int = 0
    standing: Standing = field(default_factory=Standing)


AFTER: dict[str, State] = {
    EventKind.GRANTED: State.GRANTED,
    EventKind.RENEWED: State.GRANTED,
    EventKind.REFUSED: State.REFUSED,
    EventKind.WITHDRAWN: State.WITHDRAWN,
    EventKind.EXPIRED: State.EXPIRED,
    EventKind.INVALIDATED: State.INVALIDATED,
    EventKind.SUPERSEDED: State.SUPERSEDED,
    EventKind.INVOKED: State.INVOKED,
}
_REASONS = {
    State.UNKNOWN: Reason.NEVER_ASKED,
    State.REQUESTED: Reason.NEVER_ASKED,
    State.REFUSED: Reason.REFUSED,
    State.WITHDRAWN: Reason.WITHDRAWN,
    State.EXPIRED: Reason.EXPIRED,
    State.INVALIDATED: Reason.INVALIDATED,
    State.SUPERSEDED: Reason.SUPERSEDED,
    State.INVOKED: Reason.BREAK_GLASS,
}


def after(standing: Standing, line: Line) -> Standing:
    """The standing after one more line."""
    kind = EventKind(line.event)
    counted = replace(standing, last_event_id=line.id, version=line.version)
    if kind is EventKind.REQUESTED:
        return replace(counted, state=State.REQUESTED) if standing.state is State.UNKNOWN else counted
    return Standing(
        state=AFTER[kind],
        valid_from=line.valid_from,
        valid_until=line.valid_until,
        notice_version=line.notice_version,
        decided_at=line.occurred_at,
        last_event_id=line.id,
        version=line.version,
    )


def fold(lines: Iterable[Line]) -> Standing:
    """The standing after all lines, oldest first."""
    return reduce(after, lines, Standing())


def judge(standing: Standing, rule: PurposeRule, at: datetime, *, notice_needed: int = 0) -> Reason:
    """Whether this standing permits a use at that moment. `notice_needed`: the oldest version that the clinic still takes."""
    if standing.state is not State.GRANTED:
        return _REASONS[standing.state]
    if standing.valid_until is not None and standing.valid_until <= at:
        return Reason.EXPIRED
    if standing.valid_from is not None and standing.valid_from > at:
        return Reason.NOT_YET
    if standing.notice_version < max(rule.min_notice_version, notice_needed):
        return Reason.SUPERSEDED
    return Reason.PERMITTED


def ask_again_on(standing: Standing, at: datetime) -> date | None:
    """The first day on which the clinic may ask again; None when it may ask today."""
    if standing.state not in NO or standing.decided_at is None:
        return None
    over = standing.decided_at + COOL_DOWN
    return localdate(over) if at < over else None


def decide(need: Need, permissions: Sequence[Permission], at: datetime) -> Decision:
    """Yes or no to one need, from the permissions of its patient. Whatever is unknown is a no."""
    rule = rule_of(need.purpose)
    if not need.categories <= rule.codes or need.op not in rule.operations:
        return Decision(allowed=False, reason=Reason.OUTSIDE_PURPOSE)
    if any(permission.restricted for permission in permissions):
        return Decision(allowed=False, reason=Reason.RESTRICTED)
    if rule.legal_basis is LegalBasis.EMERGENCY:
        return _in_emergency(need, permissions, at)
    if not rule.needs_consent:
        return Decision(allowed=True, reason=Reason.BY_LAW)
    bases = rests_on(need.purpose)
    if any(p.purpose in bases and p.standing.state in NO for p in permissions):
        return Decision(allowed=False, reason=Reason.RESTS_ON_ANOTHER)
    answers = [
        _answer([p for p in permissions if _concerns(p, need, category)], rule, at)
        for category in sorted(need.categories)
    ]
    denied = [answer for answer in answers if not answer.allowed]
    return (denied or answers)[0]


def _in_emergency(need: Need, permissions: Sequence[Permission], at: datetime) -> Decision:
    """Allowed while an emergency lasts that somebody began with a reason (`consent.emergencies`), towards whoever helps."""
    running = {
        permission.data_category: permission.standing
        for permission in permissions
        if permission.purpose == need.purpose
        and permission.operation == need.op
        and permission.standing.state is State.INVOKED
        and permission.standing.valid_until is not None
        and permission.standing.valid_until > at
    }
    if not need.categories <= running.keys():
        return Decision(allowed=False, reason=Reason.BREAK_GLASS)
    standing = running[min(need.categories)]
    return Decision(
        allowed=True,
        reason=Reason.IN_EMERGENCY,
        state_version=standing.version,
        event_uid=standing.last_event_id,
    )


def _concerns(permission: Permission, need: Need, category: str) -> bool:
    return (
        permission.purpose == need.purpose
        and permission.data_category == category
        and permission.operation == need.op
        and permission.recipient == need.recipient
        and permission.channel in (ANY_CHANNEL, need.channel)
    )


def _answer(permissions: Sequence[Permission], rule: PurposeRule, at: datetime) -> Decision:
    """Per subject the word for this very channel counts before the general one; among merged subjects the stricter."""
    decided = sorted((p for p in permissions if p.standing.state is not State.UNKNOWN), key=_general_last)
    answers = []
    for _subject, group in groupby(decided, key=lambda p: p.subject_id):
        permission = next(group)
        standing = permission.standing
        reason = judge(standing, rule, at, notice_needed=permission.notice_needed)
        answers.append(
            Decision(
                allowed=reason is Reason.PERMITTED,
                reason=reason,
                state_version=standing.version,
                event_uid=standing.last_event_id,
            )
        )
    return min(answers, key=lambda a: a.allowed, default=Decision(allowed=False, reason=Reason.NEVER_ASKED))


def _general_last(permission: Permission) -> tuple[UUID, bool]:
    return permission.subject_id, permission.channel == ANY_CHANNEL
