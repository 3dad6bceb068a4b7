"""Alarms: what no program can decide. The one place where an alarm is raised, told of and decided; `audit.rules` says why.

An alarm stands in the transaction of what raised it; after a rollback it is written in one of its own, like a denial. While it
is open, the same thing again only counts. A value that is there and does not open raises one, whoever came upon it; keys that
are away, destroyed on purpose or under a legal hold raise none.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from audit.actors import Actor, Unit, current_unit
from audit.errors import AlarmNotFound, LogUnavailable, OwnAlarm, ReasonMissing
from audit.events import Draft, subjects_of, write
from audit.models import SYSTEM_LOG, Alarm, AlarmDecision, AlarmNote, Rule
from audit.wrote import Wrote, wrote_rows
from crypto.ids import uuid7
from crypto.scope import BrokenValue
from crypto.services import create_subject_keys

__all__ = [
    "AlarmDecision",
    "Rule",
    "alarm_count",
    "alarms_of",
    "decide",
    "notes_about",
    "open_alarms",
    "raise_alarm",
]

MOST_COUNTED = 100
SHORTEST_REASON, LONGEST_REASON = 2, 500
ABOUT_A_PERSON = frozenset(Rule) - {
    Rule.SEAL_BROKEN,
    Rule.VERIFICATION_FAILED,
    Rule.SEALING_LATE,
    Rule.WITNESS_SILENT,
    Rule.PARTITIONS_MISSING,
    Rule.REQUEST_OVERDUE,
}
"""Alarms about what an account did; of the others `actor_ref` is only who came upon it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDraft:
    """An alarm before it is a row. `object` names what it is about; with rule, clinic and subject it tells open alarms apart.

    `clinic_id` is the log it belongs to, SYSTEM_LOG for the installation's. `about` is the account in question, where that is not
    the actor of the unit of work; `measured`, `allowed`, `since` and `until` are the figures of a rule with a limit, `times` how often
    it rang.
    """

    unit: Unit
    rule: Rule
    clinic_id: UUID
    subject_id: UUID | None = None
    object: tuple[str, str] = ("", "")
    event_uid: UUID | None = None
    about: str = ""
    measured: int | None = None
    allowed: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    times: int = 1


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
    """Write alarms in the transaction in hand, those that are new also as untold, and the events that name the rows.

    One statement, however many: a job may come upon hundreds of damaged values at once. Raises LogUnavailable.
    """
    wanted = {uuid7(): draft for draft in drafts}
    if not wanted:
        return
    try:
        written = _insert(wanted, now())
    except DatabaseError as error:
        raise LogUnavailable(f"{len(wanted)} alarms: {type(error).__name__}") from error
    groups: dict[tuple[Rule, UUID], dict[UUID, AlarmDraft]] = {}
    for alarm_id in written & wanted.keys():
        draft = wanted[alarm_id]
        groups.setdefault((draft.rule, draft.clinic_id), {})[alarm_id] = draft
    for (rule, clinic_id), group in groups.items():
        write(_event_of(rule, clinic_id, group))
    if again := written - wanted.keys():
        write(_event_of_again(next(iter(wanted.values())), again))


# The letter to those who decide is made from what stands in audit_alarm_untold.
_INSERT = """
WITH written AS (
  INSERT INTO audit_alarm AS alarm (id, clinic_id, rule, actor_ref, subject_id, object_type, object_id, event_uid,
                                    measured, allowed, since, count, last_at, raised_at, decided_at, decided_by, decision)
  SELECT new.*, %s, NULL, '', '' FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[],
    %s::text[], %s::uuid[], %s::int[], %s::int[], %s::timestamptz[], %s::int[], %s::timestamptz[]) AS new
  ON CONFLICT (clinic_id, rule, object_type, object_id, subject_id) WHERE decided_at IS NULL
  DO UPDATE SET count = alarm.count + excluded.count, last_at = greatest(alarm.last_at, excluded.last_at),
                measured = greatest(alarm.measured, excluded.measured)
  RETURNING id, clinic_id),
untold AS (
  INSERT INTO audit_alarm_untold (alarm_id, clinic_id) SELECT id, clinic_id FROM written WHERE id = ANY (%s::uuid[]))
SELECT id FROM written
"""


def _insert(wanted: dict[UUID, AlarmDraft], at: datetime) -> set[UUID]:
    """The ids of the rows: of those that are new, and of those that were open already and were counted on."""
    rows = [
        (
            *(alarm_id, d.clinic_id, d.rule.value, d.about or d.unit.actor.ref, d.subject_id, *d.object),
            *(d.event_uid, d.measured, d.allowed, d.since, d.times, d.until or at),
        )
        for alarm_id, d in wanted.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [at, *(list(column) for column in zip(*rows, strict=True)), [*wanted]])
        return {written for (written,) in cursor.fetchall()}


def _event_of(rule: Rule, clinic_id: UUID, group: dict[UUID, AlarmDraft]) -> Draft:
    first = next(iter(group))
    return Draft(
        unit=group[first].unit,
        action="alarm.raised",
        clinic_id=_clinic_of(clinic_id),
        object=(_LABEL, str(first)),
        subjects=subjects_of(draft.subject_id for draft in group.values() if draft.subject_id),
        wrote=_rows(group),
        count=len(group),
        reason=rule.value,
    )


def _event_of_again(draft: AlarmDraft, alarm_ids: Collection[UUID]) -> Draft:
    """The same again, of alarms that were open: their rows changed."""
    return Draft(
        unit=draft.unit,
        action="alarm.repeated",
        clinic_id=_clinic_of(draft.clinic_id),
        object=(_LABEL, str(min(alarm_ids))),
        wrote=_rows(alarm_ids),
        count=len(alarm_ids),
    )


_LABEL = Alarm._meta.label_lower


def _rows(alarm_ids: Iterable[UUID]) -> tuple[Wrote, ...]:
    return wrote_rows(Alarm(pk=alarm_id) for alarm_id in alarm_ids)


def _clinic_of(log_id: UUID) -> UUID | None:
    return None if log_id == SYSTEM_LOG else log_id


# --- what people do with them ---------------------------------------------------------------------------------------------


def alarms_of(actor: Actor, clinic_id: UUID) -> QuerySet[Alarm]:
    """The alarms of the clinic the actor works in and of the installation, the newest first. None for any other clinic."""
    alarms = Alarm.objects.filter(clinic_id__in=[clinic_id, SYSTEM_LOG]).order_by("-last_at", "-pk")
    return alarms if actor.clinic_id == clinic_id else alarms.none()


def open_alarms(actor: Actor, clinic_id: UUID) -> QuerySet[Alarm]:
    """Those of them that wait for a decision."""
    return alarms_of(actor, clinic_id).filter(decided_at=None)


def alarm_count(actor: Actor, clinic_id: UUID) -> int:
    """How many alarms wait, counted no further than `MOST_COUNTED`. One statement."""
    return open_alarms(actor, clinic_id).order_by()[:MOST_COUNTED].count()


@transaction.atomic
def decide(
    alarm_ids: Collection[UUID], decision: AlarmDecision, note: str, by: Actor, at: datetime
) -> list[Alarm]:
    """Close alarms with what a person found out and why they say so. The first decision stands: the same one again changes nothing.

    `note` is kept sealed, for the clinic the person works in. Raises ReasonMissing without two characters of it; AlarmNotFound for
    an alarm of another clinic, and for one that was decided otherwise; OwnAlarm for what whoever decides did themselves: then
    nothing was decided.
    """
    reason = note.strip()
    if len(reason) < SHORTEST_REASON:
        raise ReasonMissing
    if by.clinic_id is None:
        raise AlarmNotFound
    found = alarms_of(by, by.clinic_id).filter(pk__in=alarm_ids)
    alarms = list(found.order_by("pk").select_for_update())
    if len(alarms) != len(set(alarm_ids)) or any(a.decision not in ("", decision) for a in alarms):
        raise AlarmNotFound(f"{len(alarms)} of {len(set(alarm_ids))}")
    if any(alarm.rule in ABOUT_A_PERSON and alarm.actor_ref == by.ref for alarm in alarms):
        raise OwnAlarm
    waiting = [alarm for alarm in alarms if alarm.decided_at is None]
    if waiting:
        _close(waiting, AlarmDecision(decision), _keep_note(reason, by.clinic_id), by, at)
    return alarms


def _keep_note(text: str, clinic_id: UUID) -> AlarmNote:
    note = AlarmNote(subject_id=uuid7(), clinic_id=clinic_id, text=text)
    create_subject_keys(clinic_id, note.subject_id)
    note.save(force_insert=True)
    return note


def _close(alarms: list[Alarm], decision: AlarmDecision, note: AlarmNote, by: Actor, at: datetime) -> None:
    """One event for each log: a decision about the installation's alarms stands in its own."""
    for alarm in alarms:
        alarm.decided_at, alarm.decided_by, alarm.decision, alarm.note = at, by.ref, decision, note
        alarm.save(update_fields=["decided_at", "decided_by", "decision", "note"])
    for log_id in sorted({alarm.clinic_id for alarm in alarms}, reverse=True):
        group = [alarm for alarm in alarms if alarm.clinic_id == log_id]
        write(
            Draft(
                unit=current_unit(),
                action="alarm.decided",
                clinic_id=_clinic_of(log_id),
                object=(_LABEL, str(group[0].pk)),
                subjects=subjects_of(alarm.subject_id for alarm in group if alarm.subject_id),
                wrote=wrote_rows([*group, note]),
                count=len(group),
                reason=decision.value,
            )
        )


def notes_about(subject_ids: Collection[UUID]) -> list[UUID]:
    """The subjects under whose keys notes are sealed that may name one of these people: they go when the person goes."""
    return list(
        AlarmNote.objects.filter(alarms__subject_id__in=subject_ids)
        .values_list("subject_id", flat=True)
        .distinct()
    )
