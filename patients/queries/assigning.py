"""Who could be responsible for a patient, how much they have already, and whose patients a transfer would move."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.actors import Actor
from clinics.models import StaffAbsence, StaffRole, User, UserKind
from clinics.roles import Permission, Role
from patients.choices import ONE_AT_A_TIME, CareRole
from patients.models import CareRelationship, Patient
from patients.queries.access import visible_patients

ROLE_OF: Final = {CareRole.DOCTOR: Role.DOCTOR, CareRole.MANAGER: Role.HEALTH_MANAGER}
"""Which role in the clinic each part in the care of a patient asks for."""
MOST_LEFT_OUT: Final = 50  # named on the page; the number tells of all


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who could be responsible. `active` is for how many patients they are so already."""

    user: User
    active: int
    is_away: bool
    is_suggested: bool = False


def candidates(clinic_id: UUID, role: CareRole, *, today: date) -> list[Candidate]:
    """Whoever could take the part: those at work with the fewest patients first, and the first of them suggested.

    Who is away today comes last and is never suggested. Two statements.
    """
    has_role = StaffRole.objects.filter(user=OuterRef("pk"), clinic_id=clinic_id, role=ROLE_OF[role])
    away = StaffAbsence.objects.filter(
        user=OuterRef("pk"), clinic_id=clinic_id, first_on__lte=today, last_on__gte=today
    )
    people = User.objects.filter(Exists(has_role), kind=UserKind.STAFF, is_active=True).annotate(
        is_away=Exists(away)
    )
    loads = Counter(loads_of(clinic_id, role))
    found = sorted(people, key=lambda user: (user.is_away, loads[user.pk], user.display_name, user.pk))
    return [
        Candidate(
            user=user,
            active=loads[user.pk],
            is_away=user.is_away,
            is_suggested=place == 0 and not user.is_away,
        )
        for place, user in enumerate(found)
    ]


def loads_of(clinic_id: UUID, role: CareRole) -> dict[UUID, int]:
    """By account, for how many patients somebody is responsible now. Restricted ones are no work."""
    current = CareRelationship.objects.filter(
        clinic_id=clinic_id, role=role, valid_until=None, patient__restricted_at=None, staff__isnull=False
    )
    return dict(current.values_list("staff_id").annotate(number=Count("pk")).order_by())


def panel_of(clinic_id: UUID, user_id: UUID, role: CareRole) -> QuerySet[CareRelationship]:
    """Whom somebody is responsible for in one part, oldest first."""
    return CareRelationship.objects.filter(
        clinic_id=clinic_id, staff_id=user_id, role=role, valid_until=None
    ).order_by("valid_from", "pk")


def panels_of(clinic_id: UUID, user_id: UUID) -> dict[CareRole, int]:
    """For how many patients somebody is responsible in each part: what must be given to others when they leave."""
    counted = (
        CareRelationship.objects.filter(
            clinic_id=clinic_id, staff_id=user_id, role__in=ONE_AT_A_TIME, valid_until=None
        )
        .values_list("role")
        .annotate(number=Count("pk"))
        .order_by()
    )
    return {CareRole(role): number for role, number in counted}


LEFT_OUT: Final[dict[str, Promise]] = {
    "restricted": _("only stored: nobody works with this record"),
    "not_begun": _("the care has not begun yet"),
    "not_yours": _("not in your care: ask the clinic manager"),
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A patient whom a transfer would not move, and why, by service number."""

    service_number: str
    why: Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a transfer would do: how many would move, how many would stay, and the first of those by number."""

    moves: int
    stays: int
    left_out: list[LeftOut]


def movable(
    by: Actor, clinic_id: UUID, user_id: UUID, role: CareRole, *, at: datetime
) -> QuerySet[CareRelationship]:
    """Of somebody's panel, what `by` may give to somebody else."""
    reached = visible_patients(by, clinic_id, Permission.ASSIGN_PATIENTS, at=at)
    return panel_of(clinic_id, user_id, role).filter(valid_from__lt=at, patient__in=reached)


def plan_transfer(by: Actor, clinic_id: UUID, user_id: UUID, role: CareRole, *, at: datetime) -> Plan:
    """Whom a transfer of the whole panel would move, who is left out, and why. Opens nothing."""
    panel = panel_of(clinic_id, user_id, role)
    moves = movable(by, clinic_id, user_id, role, at=at)
    staying = panel.exclude(pk__in=moves.values("pk")).annotate(
        number=F("patient__service_number"), stored_since=F("patient__restricted_at")
    )
    return Plan(
        moves=moves.count(),
        stays=staying.count(),
        left_out=[
            LeftOut(row.number, LEFT_OUT[_why(row.stored_since, row.valid_from, at)])
            for row in staying[:MOST_LEFT_OUT]
        ],
    )


def _why(stored_since: datetime | None, begins: datetime, at: datetime) -> str:
    if stored_since is not None:
        return "restricted"
    return "not_begun" if begins >= at else "not_yours"


def givers_of(clinic_id: UUID, role: CareRole) -> list[tuple[User, int]]:
    """Whoever is responsible for somebody in this part, also who does not work here any more; and for how many."""
    loads = loads_of(clinic_id, role)
    people = User.objects.filter(pk__in=loads).order_by("display_name", "pk")
    return [(user, loads[user.pk]) for user in people]


def responsible_for(patient: Patient) -> dict[CareRole, User]:
    """Who is responsible for a patient now, in each part that somebody has."""
    current = CareRelationship.objects.filter(patient=patient, role__in=ONE_AT_A_TIME, valid_until=None)
    return {CareRole(care.role): care.staff for care in current.select_related("staff") if care.staff}
