"""Alarms: what no program can decide. The rules, and the one place where an alarm is raised and decided.

    seal.broken    a value, or a wrapped key, is there and does not open: whoever came upon it, page or job
    decoy.opened   a person viewed, revealed, played, exported or printed a decoy: nobody has a reason to

An alarm stands in the transaction of what raised it; after a rollback it is written in one of its own, like a denial. While it
is open, the same thing again only counts. Keys that are away, destroyed on purpose or under a legal hold raise none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from audit.actors import Actor, Unit, current_unit
from audit.errors import AlarmNotFound, LogUnavailable, OwnAlarm
from audit.events import Draft, subjects_of, write
from audit.models import Alarm, AlarmDecision, Rule
from crypto.ids import uuid7
from crypto.scope import BrokenValue

__all__ = [
    "AlarmDecision",
    "Rule",
    "alarm_count",
    "decide",
    "decided_alarms",
    "open_alarms",
    "raise_alarm",
]

MOST_COUNTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDraft:
    """An alarm before it is a row. `object` names what it is about; with rule, clinic and subject it tells open alarms apart."""

    unit: Unit
    rule: Rule
    clinic_id: UUID
    subject_id: UUID | None = None
    object: tuple[str, str] = ("", "")
    event_uid: UUID | None = None


def raise_alarm(
    rule: Rule,
    *,
    clinic_id: UUID,
    subject_id: UUID | None = None,
    object: tuple[str, str] = ("", ""),
    event_uid: UUID | None = None,
) -> None:
    """Raise an alarm in the transaction in hand; one that is open already is counted on.

    `clinic_id` is one of the unit of work's. Raises NoActor, and LogUnavailable: what cannot be told must not happen.
    """
    put(
        [
            AlarmDraft(
                unit=current_unit(),
                rule=Rule(rule),
                clinic_id=clinic_id,
                subject_id=subject_id,
                object=object,
                event_uid=event_uid,
            )
        ]
    )


def broken_drafts(unit: Unit) -> list[AlarmDraft]:
    """An alarm for everything that did not open in this unit of work, in one order, so that two units never wait in a circle."""
    return [_broken_draft(unit, value) for value in sorted(unit.broken, key=str)]


def _broken_draft(unit: Unit, value: BrokenValue) -> AlarmDraft:
    return AlarmDraft(
        unit=unit,
        rule=Rule.SEAL_BROKEN,
        clinic_id=value.clinic_id,
        subject_id=value.subject_id,
        object=(value.name, value.row_id),
    )


def put(drafts: Iterable[AlarmDraft]) -> None:
    """Write alarms in the transaction in hand, and one event for those of a rule that were not open before.

    One statement, however many: a job may come upon hundreds of damaged values at once. Raises LogUnavailable.
    """
    wanted = {uuid7(): draft for draft in drafts}
    try:
        raised = _insert(wanted, now()) if wanted else set()
    except DatabaseError as error:
        raise LogUnavailable(f"{len(wanted)} alarms: {type(error).__name__}") from error
    groups: dict[tuple[Rule, UUID], dict[UUID, AlarmDraft]] = {}
    for alarm_id, draft in wanted.items():
        if alarm_id in raised:
            groups.setdefault((draft.rule, draft.clinic_id), {})[alarm_id] = draft
    for (rule, clinic_id), group in groups.items():
        write(_event_of(rule, clinic_id, group))


_INSERT = """
INSERT INTO audit_alarm AS alarm (id, clinic_id, rule, actor_ref, subject_id, object_type, object_id, event_uid,
                                  count, raised_at, last_at, decided_at, decided_by, decision)
SELECT new.*, 1, %s, %s, NULL, '', '' FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[],
                                                  %s::text[], %s::uuid[]) AS new
ON CONFLICT (clinic_id, rule, object_type, object_id, subject_id) WHERE decided_at IS NULL
DO UPDATE SET count = alarm.count + 1, last_at = greatest(alarm.last_at, excluded.last_at)
RETURNING id
"""


def _insert(wanted: dict[UUID, AlarmDraft], at: datetime) -> set[UUID]:
    """The ids of those that are new; the others were open and were counted on."""
    rows = [
        (alarm_id, d.clinic_id, d.rule.value, d.unit.actor.ref, d.subject_id, *d.object, d.event_uid)
        for alarm_id, d in wanted.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [at, at, *(list(column) for column in zip(*rows, strict=True))])
        return {written for (written,) in cursor.fetchall()}.intersection(wanted)


def _event_of(rule: Rule, clinic_id: UUID, group: dict[UUID, AlarmDraft]) -> Draft:
    first = next(iter(group))
    return Draft(
        unit=group[first].unit,
        action="alarm.raised",
        clinic_id=clinic_id,
        object=("audit.alarm", str(first)),
        subjects=subjects_of(draft.subject_id for draft in group.values() if draft.subject_id),
        count=len(group),
        reason=rule.value,
    )


# --- what people do with them ---------------------------------------------------------------------------------------------


def open_alarms(actor: Actor, clinic_id: UUID) -> QuerySet[Alarm]:
    """Alarms of the clinic the actor works in that wait for a decision, the newest first. None for any other clinic."""
    alarms = Alarm.objects.filter(clinic_id=clinic_id, decided_at=None).order_by("-last_at", "-pk")
    return alarms if actor.clinic_id == clinic_id else alarms.none()


def decided_alarms(actor: Actor, clinic_id: UUID) -> QuerySet[Alarm]:
    """Alarms of the clinic the actor works in that somebody has decided about, the latest first."""
    alarms = Alarm.objects.filter(clinic_id=clinic_id, decided_at__isnull=False).order_by(
        "-decided_at", "-pk"
    )
    return alarms if actor.clinic_id == clinic_id else alarms.none()


def alarm_count(actor: Actor, clinic_id: UUID) -> int:
    """How many alarms wait, counted no further than `MOST_COUNTED`."""
    return open_alarms(actor, clinic_id)[:MOST_COUNTED].count()


@transaction.atomic
def decide(alarm_id: UUID, decision: AlarmDecision, by: Actor, at: datetime) -> Alarm:
    """Close an alarm with what a person found out. The first decision stands: the same one again changes nothing.

    Raises AlarmNotFound for one of another clinic, and for one that was decided otherwise; OwnAlarm for the opening of a decoy by
    whoever decides.
    """
    own = Alarm.objects.filter(clinic_id=by.clinic_id) if by.clinic_id else Alarm.objects.none()
    alarm = own.select_for_update().filter(pk=alarm_id).first()
    if alarm is None or (alarm.decided_at is not None and alarm.decision != decision):
        raise AlarmNotFound(str(alarm_id))
    if alarm.rule == Rule.DECOY_OPENED and alarm.actor_ref == by.ref:
        raise OwnAlarm(str(alarm_id))
    if alarm.decided_at is None:
        alarm.decided_at, alarm.decided_by, alarm.decision = at, by.ref, AlarmDecision(decision)
        alarm.save(update_fields=["decided_at", "decided_by", "decision"])
        write(
            Draft(
                unit=current_unit(),
                action="alarm.decided",
                clinic_id=alarm.clinic_id,
                object=("audit.alarm", str(alarm.pk)),
                subjects=(alarm.subject_id,) if alarm.subject_id else (),
                reason=alarm.decision,
            )
        )
    return alarm
