"""What the chart's head and the workbench put together from several apps."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actors import Actor
from audit.purposes import Purpose
from clinics.guards import ClinicRequest
from clinics.roles import Permission
from consent.choices import State
from consent.complaints import open_complaints
from consent.models import ConsentState
from consent.purposes import PurposeRule, Words, rule_of
from consent.queries import PurposeStanding, states_of
from followups.choices import FollowUpState, Outcome
from followups.models import FollowUp
from patients.choices import ONE_AT_A_TIME
from patients.models import CareRelationship, Patient
from patients.queries import ShownTag, has_portal, tags_to_show, visible_patients
from patients.queries.access import GLASS_TIE
from patients.queries.glass import glass_to_review, open_glass

ENDS_SOON: Final = timedelta(days=30)
MOST_ENDING: Final = 5
_RESPONSIBLE = {str(role.label) for role in ONE_AT_A_TIME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carer:
    """Who looks after the patient: a person or a care team, and as what."""

    name: str
    role: str
    is_reader: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TagReason:
    """One fact that set a tag: what was measured, which test it met, when."""

    name: Words
    value: str
    unit: str
    test: str
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class ExplainedTag:
    """A tag and the facts behind it."""

    tag: ShownTag
    reasons: list[TagReason]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartHead:
    """What stands above every chart. `allowed` and `not_allowed` are the purposes that are asked of people."""

    patient: Patient
    tags: list[ExplainedTag]
    carers: list[Carer]
    allowed: list[PurposeStanding]
    not_allowed: list[PurposeStanding]
    has_portal: bool
    open_until: datetime | None


def chart_head(actor: Actor, patient: Patient, at: datetime) -> ChartHead:
    """The head of a chart the actor may see; the caller has passed `patient_for`."""
    asked = [standing for standing in states_of(patient, at).values() if standing.offered]
    return ChartHead(
        patient=patient,
        tags=[ExplainedTag(tag, _reasons(tag)) for tag in tags_to_show(actor, patient)],
        carers=carers_of(actor, patient),
        allowed=[standing for standing in asked if standing.granted],
        not_allowed=[standing for standing in asked if not standing.granted],
        has_portal=has_portal(patient, at=at),
        open_until=_emergency_of(actor, patient, at),
    )


def _emergency_of(actor: Actor, patient: Patient, at: datetime) -> datetime | None:
    """Until when the chart is open by an emergency, where nothing else lets the reader see it."""
    if actor.user_id is None or getattr(patient, "tie", None) != GLASS_TIE:
        return None
    glass = open_glass(actor.user_id, patient.pk, at=at)
    return glass.valid_until if glass else None


def _reasons(tag: ShownTag) -> list[TagReason]:
    """The evidence a rule wrote down. What is not a measured thing, such as an age, has only its test."""
    return [
        TagReason(
            name=Words(fact.get("name_zh", ""), fact.get("name_en", "")),
            value=str(fact.get("value", "")),
            unit=str(fact.get("unit", "")),
            test=str(fact.get("test", "")).replace(">=", "≥").replace("<=", "≤"),
            taken_at=datetime.fromisoformat(fact["taken_at"]) if "taken_at" in fact else None,
        )
        for fact in tag.facts.get("evidence", ())
    ]


def carers_of(actor: Actor, patient: Patient) -> list[Carer]:
    """Who looks after the patient now: responsible people before teams."""
    now = timezone.now()
    rows = (
        CareRelationship.objects.filter(
            Q(valid_until=None) | Q(valid_until__gt=now), patient=patient, valid_from__lte=now
        )
        .select_related("staff", "team")
        .order_by("staff__display_name", "team__name")
    )
    carers = [_carer(row, actor) for row in rows]
    return sorted(carers, key=lambda carer: carer.role not in _RESPONSIBLE)


def _carer(row: CareRelationship, actor: Actor) -> Carer:
    name = row.staff.display_name if row.staff else row.team.name if row.team else ""
    return Carer(
        name=name,
        role=str(row.get_role_display()),
        is_reader=bool(actor.user_id) and row.staff_id == actor.user_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingPermission:
    """A permission that ends by itself within a month, unless the person renews it."""

    patient: Patient
    rule: PurposeRule
    valid_until: datetime


def ending_permissions(actor: Actor, clinic_id: UUID, at: datetime) -> list[EndingPermission]:
    """The soonest of them among the patients the actor sees. Two statements."""
    seen = visible_patients(actor, clinic_id)
    rows = list(
        ConsentState.objects.filter(
            clinic_id=clinic_id,
            patient__in=seen,
            state=State.GRANTED,
            valid_until__gt=at,
            valid_until__lte=at + ENDS_SOON,
        )
        .values("patient_id", "purpose")
        .annotate(ends_at=Min("valid_until"))
        .order_by("ends_at", "patient_id", "purpose")[:MOST_ENDING]
    )
    patients = seen.in_bulk([row["patient_id"] for row in rows])
    return [
        EndingPermission(
            patient=patients[row["patient_id"]],
            rule=rule_of(Purpose(row["purpose"])),
            valid_until=row["ends_at"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Week:
    """What one member of staff has done since Monday."""

    done: int
    reached: int


def week_of(actor: Actor, clinic_id: UUID, at: datetime) -> Week:
    """To-dos closed by this account since Monday morning, and how many of them reached the person."""
    today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    mine = FollowUp.objects.filter(
        clinic_id=clinic_id,
        state=FollowUpState.DONE,
        closed_by=actor.ref,
        closed_at__gte=today - timedelta(days=today.weekday()),
    )
    told = Count("pk", filter=Q(outcome__in=[Outcome.REACHED, Outcome.AGREED]))
    counted = mine.aggregate(done=Count("pk"), reached=told)
    return Week(counted["done"], counted["reached"])


@dataclass(frozen=True, slots=True)
class Duty:
    """What waits for this person's decision: how much of it, and the page where it is decided."""

    words: str
    count: int
    url: str


def duties_of(request: ClinicRequest) -> list[Duty]:
    """Of whoever looks after no patient: what waits for them beside the alarms, which the frame has counted. One statement for each."""
    clinic_id = request.clinic.pk
    may = (
        (Permission.REVIEW_GLASS, _("Emergencies to review"), "patients:review_glass", glass_to_review(clinic_id).count),
        (Permission.ANSWER_COMPLAINTS, _("Complaints to answer"), "consent:complaints", open_complaints(clinic_id).count),
    )  # fmt: skip
    duties = (
        Duty(words, count(), reverse(view))
        for permission, words, view, count in may
        if permission in request.permissions
    )
    return [duty for duty in duties if duty.count]
