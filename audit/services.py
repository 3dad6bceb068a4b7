"""Writing to the log. No event, no change: an event that cannot be written takes its transaction with it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import models

from audit.acting import acting
from audit.actors import Actor, Unit, current_unit, unit_or_none
from audit.events import Draft, Written, object_of, purpose_of, subjects_of, write
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from audit.relations import Standing, standing_of
from audit.rules import ring
from audit.wrote import Wrote

REFUSED = "refused"
_number = attrgetter("int")  # orders UUIDs as they order themselves, without a call of theirs for each pair
SUBJECTS_IN_AN_EVENT = 500


def record(
    action: str,
    *,
    object: models.Model | tuple[str, str],
    subjects: Iterable[UUID] = (),
    fields: Mapping[str, tuple[Any, Any]] | None = None,
    kind: Kind | None = None,
    purpose: Purpose | None = None,
    decision: UUID | None = None,
    count: int | None = None,
    wrote: Iterable[Wrote] = (),
    result: str = "ok",
    reason: str = "",
) -> Written:
    """Write what the current actor did, in their transaction. `action` is the clinic's word: "card.opened".

    `kind` where what was seen or carried away is no sealed value, such as the log itself. Rows that were written beside `object`
    are named by `wrote`: a change that no event names is an alarm. `fields` are clear values, old and new; sealed ones come out
    as ‹sealed›. A refusal (`result="refused"`) survives a
    rollback. Raises NoActor, LogUnavailable, and ValueError for free text where a code belongs.
    """
    unit = current_unit()
    draft = Draft(
        unit=unit,
        action=action,
        clinic_id=_clinic_of(object, unit),
        object=object_of(object),
        subjects=subjects_of(subjects),
        fields=fields or {},
        kind=kind or "",
        purpose=purpose_of(purpose),
        decision=decision,
        count=count,
        wrote=tuple(wrote),
        result=result,
        reason=reason,
    )
    event = write(draft)
    if result == REFUSED:
        unit.if_lost.append(draft)
    return event


def record_access(
    unit: Unit,
    opened: Mapping[UUID, Collection[str]],
    *,
    kind: Kind,
    purpose: Purpose,
    reason: str = "",
    lost: bool = False,
) -> None:
    """The one door of ACCESS events: which fields of whom were opened, how, and what for. `opened` maps subjects to field names.

    One event for all to whom the actor stands in the same way, split at 500 subjects. What was only matched is a number: whom a
    search compared is nobody's visit. With `lost` the events are owed and written when the unit of work is over. What the rules of
    alarms say of the event rings with it. Raises LogUnavailable.
    """
    for standing, subjects in _by_standing(unit, kind, opened):
        draft = _opening(unit, standing, subjects, opened, kind, purpose, reason)
        if lost:
            unit.owed.append(draft)
        else:
            ring(draft, write(draft).uid)
            unit.if_lost.append(draft)


def _by_standing(
    unit: Unit, kind: Kind, opened: Iterable[UUID]
) -> Iterator[tuple[Standing, tuple[UUID, ...]]]:
    usual, groups = standing_of(unit.actor, kind), dict[Standing, list[UUID]]()
    in_order = sorted(opened, key=_number)
    if not unit.standings and in_order:  # a list: nobody said of anybody
        groups[usual] = in_order
    else:
        for subject in in_order:
            groups.setdefault(unit.standings.get(subject, usual), []).append(subject)
    for standing, subjects in groups.items():
        for start in range(0, len(subjects), SUBJECTS_IN_AN_EVENT):
            yield standing, tuple(subjects[start : start + SUBJECTS_IN_AN_EVENT])


def _opening(
    unit: Unit,
    standing: Standing,
    subjects: tuple[UUID, ...],
    opened: Mapping[UUID, Collection[str]],
    kind: Kind,
    purpose: Purpose,
    reason: str,
) -> Draft:
    all_of_them = len(subjects) == len(opened)
    names = set[str]().union(*(opened.values() if all_of_them else map(opened.__getitem__, subjects)))
    return Draft(
        unit=unit,
        action=AuditEvent.Action.ACCESS,
        clinic_id=unit.clinic_id,
        subjects=() if kind == Kind.MATCHED else subjects,
        fields=dict.fromkeys(names),
        kind=kind.value,
        purpose=purpose.value,
        relation=standing.relation,
        vip=standing.vip,
        count=len(subjects),
        reason=reason,
    )


def record_denial(
    actor: Actor, *, view: str, object_id: str = "", reason: str = "", address: str = ""
) -> None:
    """Write that `actor` was refused, in a transaction of its own: after a rollback, or when the unit in hand is over.

    `view` is the page or task that refused, `object_id` what they asked for, `reason` the refusal's code, `address` where they
    asked from. Raises LogUnavailable.
    """
    unit = unit_or_none()
    if unit is not None:
        unit.owed.append(_denial(unit, view, object_id, reason))
        return
    with acting(actor, address=address):
        write(_denial(current_unit(), view, object_id, reason))


def _denial(unit: Unit, view: str, object_id: str, reason: str) -> Draft:
    return Draft(
        unit=unit,
        action="access.denied",
        clinic_id=unit.clinic_id,
        object=(view, object_id[:255]),
        result=REFUSED,
        reason=reason,
    )


def _clinic_of(thing: models.Model | tuple[str, str], unit: Unit) -> UUID | None:
    clinic_id = getattr(thing, "clinic_id", None)
    return clinic_id if isinstance(clinic_id, UUID) else unit.clinic_id
