"""Who is responsible for whom: one patient given to somebody, a whole panel moved page by page, and what leaving ends."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from audit.actors import Actor
from audit.participation import call
from audit.services import record
from audit.wrote import wrote
from clinics.models import User
from clinics.roles import Permission
from patients.choices import CareRole
from patients.errors import CannotBeResponsible
from patients.models import CareRelationship
from patients.queries.access import patient_for
from patients.queries.assigning import candidates, movable
from patients.services.access import begin_care, end_care

PAGE: Final = 200  # patients moved in one transaction


@transaction.atomic
def assign(
    patient_id: UUID, role: CareRole, user_id: UUID, *, by: Actor, at: datetime, today: date
) -> CareRelationship:
    """From now on `user_id` is responsible in this part, and whoever was before is no longer.

    Their pending to-dos of this patient go along. The same person again changes nothing. Raises PatientNotFound, and
    CannotBeResponsible for somebody who has not the role in this clinic.
    """
    patient = patient_for(by, patient_id, Permission.ASSIGN_PATIENTS, lock=True)
    staff = _candidate(patient.clinic_id, role, user_id, today)
    now_responsible = CareRelationship.objects.filter(patient=patient, role=role, valid_until=None)
    current = now_responsible.select_related("patient").first()
    if current is not None and current.staff_id == staff.pk:
        return current
    if current is not None:
        end_care(current, by=by, at=at)
    care = begin_care(patient, role=role, staff=staff, by=by, at=at)
    if current is not None and current.staff_id is not None:
        _hand_over(patient.clinic_id, [patient.pk], current.staff_id, staff.pk)
    return care


@transaction.atomic
def move_panel(
    clinic_id: UUID, role: CareRole, *, giver_id: UUID, taker_id: UUID, by: Actor, at: datetime, today: date
) -> int:
    """Move one page of somebody's patients to somebody else, oldest first; answers how many. Call again until it is 0.

    Each page is whole or not there, so a transfer that was cut short goes on where it ended. Raises CannotBeResponsible.
    """
    taker = _candidate(clinic_id, role, taker_id, today)
    if taker.pk == giver_id:
        raise CannotBeResponsible
    page = (
        movable(by, clinic_id, giver_id, role, at=at)
        .select_related("patient")
        .select_for_update(of=("self",))
    )
    rows = list(page[:PAGE])
    if not rows:
        return 0
    ended = CareRelationship.objects.filter(pk__in=[row.pk for row in rows]).update(valid_until=at)
    begun = CareRelationship.objects.bulk_create(
        CareRelationship(clinic_id=clinic_id, patient=row.patient, staff=taker, role=role, valid_from=at)
        for row in rows
    )
    record(
        "panel.moved",
        object=taker,
        subjects=[row.patient.subject_id for row in rows],
        count=len(rows),
        reason=role.value,
        wrote=(*wrote(CareRelationship, count=ended), *wrote(CareRelationship, count=len(begun))),
    )
    _hand_over(clinic_id, [row.patient_id for row in rows], giver_id, taker.pk)
    return len(rows)


def _candidate(clinic_id: UUID, role: CareRole, user_id: UUID, today: date) -> User:
    for candidate in candidates(clinic_id, role, today=today):
        if candidate.user.pk == user_id:
            return candidate.user
    raise CannotBeResponsible


def _hand_over(clinic_id: UUID, patient_ids: Sequence[UUID], giver_id: UUID, taker_id: UUID) -> None:
    """What one of them had to do for these patients is for the other to do: every app that keeps such things takes part."""
    call("on_reassigned", clinic_id=clinic_id, patient_ids=patient_ids, giver_id=giver_id, taker_id=taker_id)
