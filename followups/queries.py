"""What there is to do: the workbench of one member of staff, the to-dos of one patient, the patient's own plan.

Everything passes `visible_patients`. Lists are bounded and cost a fixed number of statements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Max, Q, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.timezone import now as _now
from django.utils.translation import gettext_lazy as _

from audit.actors import Actor
from clinics.queries import teams_of
from clinics.roles import Permission
from consent.purposes import Words
from crypto.reading import Unreadable, shown
from followups.choices import EnrolmentState, FollowUpState, MessageState, Urgency
from followups.errors import FollowUpNotFound
from followups.messaging import policy, templates
from followups.models import PENDING, Enrolment, FollowUp, Message
from followups.pathways import Pathway, Step, pathway_of
from patients.models import Patient
from patients.queries import relate_all, visible_patients
from patients.queries.access import grantees_asked

MOST_COUNTED = 200
MOST_SHOWN = 20
OPEN: Final = "SELECT followups_open_count(%s, %s, %s, %s, %s, %s)"
POOL_AHEAD = timedelta(days=7)  # the pool shows what is due within a week


class GroupCode(StrEnum):
    CRITICAL = "critical"
    OVERDUE = "overdue"
    TODAY = "today"
    WAITING = "waiting"
    POOL = "pool"
    UNDATED = "undated"


GROUP_NAMES: Mapping[GroupCode, Promise] = {
    GroupCode.CRITICAL: _("Critical results to tell"),
    GroupCode.OVERDUE: _("Overdue"),
    GroupCode.TODAY: _("Today"),
    GroupCode.WAITING: _("Waiting for the patient"),
    GroupCode.POOL: _("In the pool, to be taken"),
    GroupCode.UNDATED: _("Without a date"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One value that led to a to-do, as it was then."""

    name: Words
    value: str
    unit: str
    flag: str

    def __str__(self) -> str:
        return f"{self.name} {self.value} {self.unit}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One to-do as it is shown: who, why, since when, what next, and the one action. `unreadable`: its facts do not open."""

    follow_up: FollowUp
    patient: Patient
    pathway: Pathway
    step: Step
    facts: tuple[Fact, ...]
    days_overdue: int
    unreadable: Unreadable | None = None

    @property
    def id(self) -> UUID:
        return self.follow_up.pk

    @property
    def why(self) -> Words:
        return self.step.name

    @property
    def reason(self) -> Words:
        """The pathway that asks for it."""
        return self.pathway.name

    @property
    def next_step(self) -> Words:
        return self.step.next

    @property
    def since(self) -> datetime:
        return self.follow_up.opened_at

    @property
    def due_on(self) -> date | None:
        return self.follow_up.due_on

    @property
    def clock_ends_at(self) -> datetime | None:
        """When a class A result must have been told."""
        return self.follow_up.due_at

    @property
    def is_critical(self) -> bool:
        return self.follow_up.urgency == Urgency.CLASS_A

    @property
    def in_pool(self) -> bool:
        return self.follow_up.assignee_id is None

    @property
    def action_label(self) -> Promise:
        if self.is_critical:
            return _("Tell again") if self.follow_up.tries else _("Start telling")
        return _("Take it") if self.in_pool else _("Write the outcome")

    @property
    def action_url(self) -> str:
        """A page for the outcome; for the pool a form to post that takes it (`action_posts`)."""
        return reverse("followups:claim" if self.action_posts else "followups:done", args=[self.id])

    @property
    def action_posts(self) -> bool:
        return self.in_pool and not self.is_critical


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of one kind, the most urgent first. `total` counts no further than `MOST_COUNTED` in all groups."""

    code: GroupCode
    rows: tuple[Row, ...]
    total: int

    @property
    def name(self) -> Promise:
        return GROUP_NAMES[self.code]

    @property
    def hidden(self) -> int:
        """How many more there are than are shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """My day. `counted_all` is false when there is more than was counted."""

    groups: tuple[Group, ...]
    counted_all: bool

    def __getitem__(self, code: str) -> Group:
        return {group.code.value: group for group in self.groups}[
            code
        ]  # KeyError, so that templates go on to attributes

    @property
    def is_empty(self) -> bool:
        return not any(group.total for group in self.groups)


def workbench(actor: Actor, clinic_id: UUID, at: datetime) -> Workbench:
    """What this member of staff has to do now: their own, their teams' pool, and every critical result they may see."""
    today = policy().day_of(at)
    pending = _on_the_board(actor, clinic_id, today).order_by(
        F("due_at").asc(nulls_last=True), F("due_on").asc(nulls_last=True), "pk"
    )
    light = list(pending.values_list("pk", "urgency", "state", "due_on", "assignee_id")[: MOST_COUNTED + 1])
    placed: dict[GroupCode, list[UUID]] = {code: [] for code in GroupCode}
    for pk, urgency, state, due_on, assignee_id in light[:MOST_COUNTED]:
        placed[_group(urgency, state, due_on, assignee_id, today)].append(pk)
    shown = {pk for ids in placed.values() for pk in ids[:MOST_SHOWN]}
    rows = {row.id: row for row in _rows(FollowUp.objects.filter(pk__in=shown), actor, today)}
    groups = tuple(
        Group(code=code, rows=tuple(rows[pk] for pk in ids if pk in rows), total=len(ids))
        for code, ids in placed.items()
    )
    return Workbench(groups=groups, counted_all=len(light) <= MOST_COUNTED)


def open_count(actor: Actor, clinic_id: UUID, at: datetime | None = None) -> int:
    """How many to-dos are mine and due, and how many critical ones I may see; no further than `MOST_COUNTED`."""
    if actor.user_id is None:
        return 0
    who = grantees_asked(actor.user_id, clinic_id, Permission.SEE_PATIENTS, _now())
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [*who, policy().day_of(at or _now()), MOST_COUNTED])
        (count,) = cursor.fetchone()
    return int(count)


def visible_follow_ups(actor: Actor, clinic_id: UUID) -> QuerySet[FollowUp]:
    """Every to-do of the patients the actor sees, whatever became of it, with its pathway and without what is sealed."""
    seen = FollowUp.objects.filter(clinic_id=clinic_id, patient__in=visible_patients(actor, clinic_id))
    return seen.select_related("enrolment").defer("note", "enrolment__why")


def follow_up_for(actor: Actor, follow_up_id: UUID) -> FollowUp:
    """The to-do, if its patient is one the actor may see. Raises FollowUpNotFound, the same for missing and forbidden."""
    if actor.clinic_id is None:
        raise FollowUpNotFound
    found = FollowUp.objects.filter(
        pk=follow_up_id,
        clinic_id=actor.clinic_id,
        patient__in=visible_patients(actor, actor.clinic_id),
    ).select_related("patient", "enrolment")
    follow_up = found.first()
    if follow_up is None:
        raise FollowUpNotFound(str(follow_up_id))
    relate_all(actor, actor.clinic_id, [follow_up.patient])
    return follow_up


def row_of(actor: Actor, follow_up: FollowUp, at: datetime) -> Row:
    """One to-do as the workbench shows it."""
    return _row(follow_up, actor, policy().day_of(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMessage:
    """A message and what it is about; its words were never kept."""

    message: Message
    about: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientBoard:
    """What happens next for one patient, and what happened last."""

    pending: tuple[Row, ...]
    closed: tuple[Row, ...]
    messages: tuple[ShownMessage, ...]
    paused: tuple[Pathway, ...]


def board_of(actor: Actor, patient: Patient, at: datetime) -> PatientBoard:
    """For the chart: the pending to-dos, the last closed ones, the last messages. The caller has passed `patient_for`."""
    today = policy().day_of(at)
    own = FollowUp.objects.filter(patient=patient)
    paused = Enrolment.objects.filter(patient=patient, state=EnrolmentState.PAUSED)
    return PatientBoard(
        pending=tuple(
            _rows(own.filter(state__in=PENDING).order_by("due_on", "pk")[:MOST_SHOWN], actor, today)
        ),
        closed=tuple(_rows(own.exclude(state__in=PENDING).order_by("-closed_at", "pk")[:5], actor, today)),
        messages=tuple(
            ShownMessage(message=message, about=_about(message))
            for message in Message.objects.filter(patient=patient).order_by("-due_at", "pk")[:8]
        ),
        paused=tuple(pathway_of(e.pathway, e.version) for e in paused),
    )


def _about(message: Message) -> Words:
    template = templates()[message.template, message.template_version]
    return Words(template.zh.subject, template.en.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One thing coming up, in the patient's own view."""

    name: Words
    prepare: Words
    due_on: date | None
    reminder_on: date | None


def plan_of(patient: Patient) -> list[PlanItem]:
    """What comes up for this patient, soonest first: for their own phone, behind its sign-in. Calls by staff are not in it."""
    follow_ups = list(
        FollowUp.objects.filter(patient=patient, state__in=PENDING, urgency=Urgency.ROUTINE)
        .select_related("enrolment")
        .defer("note", "enrolment__why")
        .order_by(F("due_on").asc(nulls_last=True), "pk")[:MOST_SHOWN]
    )
    waiting = Message.objects.filter(
        follow_up__in=[follow_up.pk for follow_up in follow_ups],
        state__in=[MessageState.PLANNED, MessageState.QUEUED],
    ).order_by("-due_at")
    soonest = {message.follow_up_id: policy().day_of(message.due_at) for message in waiting}
    return [
        PlanItem(
            name=step.name, prepare=step.plan, due_on=follow_up.due_on, reminder_on=soonest.get(follow_up.pk)
        )
        for follow_up, step in ((f, _step(f)) for f in follow_ups)
        if str(step.plan)
    ]


def last_contact_at(patient_id: UUID) -> datetime | None:
    """When a to-do was last finished with the patient, or one was tried; None where there was none. Opens nothing."""
    tried = FollowUp.objects.filter(patient_id=patient_id).exclude(outcome="")
    newest: datetime | None = tried.aggregate(at=Max("last_try_at"))["at"]
    return newest


def _pending(actor: Actor, clinic_id: UUID) -> QuerySet[FollowUp]:
    return FollowUp.objects.filter(
        clinic_id=clinic_id, state__in=PENDING, patient__in=visible_patients(actor, clinic_id)
    )


def _on_the_board(actor: Actor, clinic_id: UUID, today: date) -> QuerySet[FollowUp]:
    teams = teams_of(actor.user_id, clinic_id).values("pk") if actor.user_id else ()
    mine = Q(assignee_id=actor.user_id) & (
        Q(due_on__lte=today) | Q(due_on=None) | Q(state=FollowUpState.WAITING) | Q(urgency=Urgency.CLASS_B)
    )
    pool = (
        Q(assignee_id=None)
        & (Q(team_id=None) | Q(team_id__in=teams))
        & (Q(due_on__lte=today + POOL_AHEAD) | Q(due_on=None))
    )
    return _pending(actor, clinic_id).filter(Q(urgency=Urgency.CLASS_A) | mine | pool)


def _group(urgency: str, state: str, due_on: date | None, assignee_id: UUID | None, today: date) -> GroupCode:
    if urgency == Urgency.CLASS_A:
        return GroupCode.CRITICAL
    if assignee_id is None:
        return GroupCode.POOL
    if due_on is not None and due_on < today:
        return GroupCode.OVERDUE
    if state == FollowUpState.WAITING:
        return GroupCode.WAITING
    return GroupCode.UNDATED if due_on is None else GroupCode.TODAY


def _rows(follow_ups: QuerySet[FollowUp], actor: Actor, today: date) -> list[Row]:
    return [_row(f, actor, today) for f in follow_ups.select_related("patient", "enrolment").defer("note")]


def _row(follow_up: FollowUp, actor: Actor, today: date) -> Row:
    due_on = follow_up.due_on
    facts = shown(lambda: _facts(follow_up)) if "clinical" in actor.field_sets else ()
    return Row(
        follow_up=follow_up,
        patient=follow_up.patient,
        pathway=pathway_of(follow_up.enrolment.pathway, follow_up.enrolment.version),
        step=_step(follow_up),
        facts=() if isinstance(facts, Unreadable) else facts,
        days_overdue=(today - due_on).days if due_on and due_on < today else 0,
        unreadable=facts if isinstance(facts, Unreadable) else None,
    )


def _step(follow_up: FollowUp) -> Step:
    return pathway_of(follow_up.enrolment.pathway, follow_up.enrolment.version).step(follow_up.step)


def _facts(follow_up: FollowUp) -> tuple[Fact, ...]:
    why: Mapping[str, Any] = follow_up.enrolment.why or {}
    kept: Sequence[Mapping[str, Any]] = why.get("facts", ())
    return tuple(
        Fact(
            name=Words(fact["name_zh"], fact["name_en"]),
            value=fact["value"],
            unit=fact["unit"],
            flag=fact["flag"],
        )
        for fact in kept
    )
