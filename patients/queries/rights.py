"""Through what anybody of the staff sees one chart now: the rows behind its rights, one by one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from patients.choices import ONE_AT_A_TIME
from patients.models import (
    CareRelationship,
    Patient,
    PatientGroupObjectPermission,
    PatientUserObjectPermission,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One right: of whom, why, since when, until when, and who gave it where that is known."""

    row: CareRelationship | PatientUserObjectPermission | PatientGroupObjectPermission
    who: str
    why: str
    since: datetime
    until: datetime | None
    giver: str = ""
    is_responsible: bool = False

    @property
    def id(self) -> UUID:
        found: UUID = self.row.pk
        return found


def rights_on(patient: Patient, at: datetime) -> list[Right]:
    """What holds at a moment, that of the care first, each in the order they were given. Three statements."""
    still = Q(valid_until=None) | Q(valid_until__gt=at)
    care = CareRelationship.objects.filter(still, patient=patient, valid_from__lte=at).select_related(
        "staff", "team"
    )
    granted = Q(content_object=patient, granted_at__lte=at)
    to_users = PatientUserObjectPermission.objects.filter(still, granted)
    to_groups = PatientGroupObjectPermission.objects.filter(still, granted)
    found = [
        Right(
            row=row,
            who=row.team.name if row.team else row.staff.get_full_name() if row.staff else "",
            why=row.get_role_display(),
            since=row.valid_from,
            until=row.valid_until,
            is_responsible=row.role in ONE_AT_A_TIME,
        )
        for row in care.order_by("valid_from", "pk")
    ]
    for grant in to_users.select_related("user", "granted_by").order_by("granted_at", "pk"):
        found.append(_granted(grant, grant.user.get_full_name()))
    for grant in to_groups.select_related("group", "granted_by").order_by("granted_at", "pk"):
        found.append(_granted(grant, grant.group.name))
    return found


def _granted(grant: PatientUserObjectPermission | PatientGroupObjectPermission, who: str) -> Right:
    return Right(
        row=grant,
        who=who,
        why=grant.get_reason_display(),
        since=grant.granted_at,
        until=grant.valid_until,
        giver=grant.granted_by.get_full_name(),
    )
