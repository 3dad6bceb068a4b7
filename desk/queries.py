"""What the chart's head puts together from several apps."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from audit.actors import Actor
from consent.queries import PurposeStanding, states_of
from patients.choices import CareRole
from patients.models import CareRelationship, Patient
from patients.queries import ShownTag, tags_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Carer:
    """Who looks after the patient: a person or a care team, and as what."""

    name: str
    role: str
    is_reader: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartHead:
    """What stands above every chart. `allowed` and `not_allowed` are the purposes that are asked of people."""

    patient: Patient
    tags: list[ShownTag]
    carers: list[Carer]
    allowed: list[PurposeStanding]
    not_allowed: list[PurposeStanding]


def chart_head(actor: Actor, patient: Patient, at: datetime) -> ChartHead:
    """The head of a chart the actor may see; the caller has passed `patient_for`."""
    asked = [standing for standing in states_of(patient, at).values() if standing.offered]
    return ChartHead(
        patient=patient,
        tags=tags_of(actor, patient),
        carers=carers_of(actor, patient),
        allowed=[standing for standing in asked if standing.granted],
        not_allowed=[standing for standing in asked if not standing.granted],
    )


def carers_of(actor: Actor, patient: Patient) -> list[Carer]:
    """Who looks after the patient now: responsible people before teams."""
    now = timezone.now()
    rows = (
        CareRelationship.objects.filter(Q(valid_until=None) | Q(valid_until__gt=now), patient=patient, valid_from__lte=now)
        .select_related("staff", "team")
        .order_by("staff__display_name", "team__name")
    )
    carers = [_carer(row, actor) for row in rows]
    return sorted(carers, key=lambda carer: carer.role != CareRole.RESPONSIBLE.label)


def _carer(row: CareRelationship, actor: Actor) -> Carer:
    name = row.staff.display_name if row.staff else row.team.name if row.team else ""
    return Carer(name=name, role=str(row.get_role_display()), is_reader=bool(actor.user_id) and row.staff_id == actor.user_id)
