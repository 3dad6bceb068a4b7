"""The one gate: which patients somebody may see. Lists, charts, search, exports and papers all pass it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from audit.access import relate
from audit.actors import Actor
from audit.relations import Relation
from patients.errors import PatientNotFound
from patients.models import Patient, PatientAccess, PortalAccess
from patients.models.access import AccessSource

PAGE_SIZE: Final = 50
COUNT_BOUND: Final = 1000

# Whose rights an account may use in one clinic now: its own, its care teams', its groups'. An inactive account, and one
# without a role in the clinic, has none. Parameters: user, clinic, clinic.
GRANTEES: Final = """
WITH me AS MATERIALIZED (
  SELECT u.id FROM clinics_user u
   WHERE u.id = %s AND u.is_active AND u.kind = 'staff'
     AND EXISTS (SELECT FROM clinics_staffrole r WHERE r.user_id = u.id AND r.clinic_id = %s))
SELECT me.id AS grantee FROM me
UNION ALL
SELECT t.id FROM me JOIN clinics_teammember m ON m.user_id = me.id
  JOIN clinics_careteam t ON t.id = m.team_id AND t.clinic_id = %s
UNION ALL
SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(g.group_id), 12, '0'))::uuid
  FROM me JOIN clinics_user_groups g ON g.user_id = me.id
"""

# Parameters: those of GRANTEES, then clinic, now, now.
SEEN: Final = f"""
SELECT a.patient_id FROM patient_access a JOIN ({GRANTEES}) g ON g.grantee = a.grantee
 WHERE a.clinic_id = %s AND a.valid_from <= %s AND a.valid_until > %s
"""  # noqa: S608  # constants; every value is a parameter

# The newest of each grantee, then the newest of all. A patient held by two grantees, or twice by one, counts once
# before each limit, else the page would come out short.
# Parameters: those of GRANTEES, then clinic, now, now, created_at and id to go on from, limit, limit.
NEWEST: Final = f"""
SELECT page.patient_id FROM (
  SELECT DISTINCT newest.created_at, newest.patient_id
    FROM ({GRANTEES}) g CROSS JOIN LATERAL (
      SELECT DISTINCT a.created_at, a.patient_id FROM patient_access a
       WHERE a.clinic_id = %s AND a.grantee = g.grantee AND a.valid_from <= %s AND a.valid_until > %s
         AND (a.created_at, a.patient_id) < (%s, %s)
       ORDER BY a.created_at DESC, a.patient_id DESC LIMIT %s) newest
   ORDER BY newest.created_at DESC, newest.patient_id DESC LIMIT %s) page
"""  # noqa: S608  # constants; every value is a parameter


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list ends, newest first. It says when a card was opened and nothing of the person."""

    created_at: datetime
    patient_id: UUID


BEFORE_ALL: Final = Place(datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class Page:
    """Patients, newest first, and the place where the next page begins when there is one."""

    patients: list[Patient]
    next: Place | None


def visible_patients(actor: Actor, clinic_id: UUID, *, at: datetime | None = None) -> QuerySet[Patient]:
    """The patients of one clinic that the actor may see at a moment (now).

    Staff see whom they, their care teams or their groups care for or were granted; a portal account sees its own charts;
    the house's own jobs see all. Nobody sees a restricted patient, or a clinic they are not acting in.
    """
    patients = Patient.objects.filter(clinic_id=clinic_id, restricted_at=None)
    moment = at or timezone.now()
    if actor.clinic_id not in (None, clinic_id):
        return patients.none()
    if actor.kind == "system":
        return patients
    if actor.user_id is None:
        return patients.none()
    if actor.kind == "staff":
        rights = [actor.user_id, clinic_id, clinic_id, clinic_id, moment, moment]
        return patients.filter(pk__in=RawSQL(SEEN, rights))  # noqa: S611  # constant text, values as parameters
    if actor.kind == "patient":
        return patients.filter(
            Exists(open_portal_access(actor.user_id, at=moment).filter(patient=OuterRef("pk")))
        )
    return patients.none()


def open_portal_access(user_id: UUID, *, at: datetime) -> QuerySet[PortalAccess]:
    """The charts a portal account may open at a moment, as rows of PortalAccess."""
    return PortalAccess.objects.filter(
        Q(valid_until=None) | Q(valid_until__gt=at), user_id=user_id, user__is_active=True, given_at__lte=at
    )


def patient_for(actor: Actor, patient_id: UUID, *, lock: bool = False) -> Patient:
    """The patient, in the clinic the actor acts in. Raises PatientNotFound, the same for missing and for not theirs.

    What is opened of them from here on carries in the log how the actor is related to them.
    """
    if actor.clinic_id is None:
        raise PatientNotFound
    moment = timezone.now()
    patients = visible_patients(actor, actor.clinic_id, at=moment).filter(pk=patient_id)
    if actor.kind == "staff" and actor.user_id is not None:
        patients = patients.annotate(is_own=_care_of_their_own(actor.user_id, actor.clinic_id, at=moment))
    if lock:
        patients = patients.select_for_update(of=("self",))
    patient = patients.first()
    if patient is None:
        raise PatientNotFound
    if actor.kind == "staff":
        relate(patient.subject_id, Relation.OWN if getattr(patient, "is_own", False) else Relation.TEAM)
    return patient


def _care_of_their_own(user_id: UUID, clinic_id: UUID, *, at: datetime) -> Exists:
    """That the account itself looks after the patient of the outer query; what comes from a team or a grant is not here."""
    return Exists(
        PatientAccess.objects.filter(
            clinic_id=clinic_id, patient_id=OuterRef("pk"), grantee=user_id, source=AccessSource.CARE,
            valid_from__lte=at, valid_until__gt=at,
        )
    )  # fmt: skip


def page_of_visible(
    actor: Actor,
    clinic_id: UUID,
    *,
    after: Place | None = None,
    size: int = PAGE_SIZE,
    at: datetime | None = None,
) -> Page:
    """One page of the patients the actor sees, newest first. The cost depends on the page, not on the clinic."""
    rows = list(_newest(actor, clinic_id, after or BEFORE_ALL, size + 1, at or timezone.now()))
    shown = rows[:size]
    more = len(rows) > size
    return Page(shown, Place(shown[-1].created_at, shown[-1].pk) if more else None)


def count_of_visible(actor: Actor, clinic_id: UUID, *, bound: int = COUNT_BOUND) -> int:
    """How many patients the actor sees, counted no further than `bound` + 1: lists say “1,000+”."""
    return _newest(actor, clinic_id, BEFORE_ALL, bound + 1, timezone.now()).count()


def _newest(actor: Actor, clinic_id: UUID, place: Place, limit: int, moment: datetime) -> QuerySet[Patient]:
    """The newest `limit` patients the actor sees, from a place of the list on."""
    patients = visible_patients(actor, clinic_id, at=moment)
    if actor.kind == "staff" and actor.user_id is not None and actor.clinic_id in (None, clinic_id):
        rights: list[Any] = [actor.user_id, clinic_id, clinic_id, clinic_id, moment, moment]
        newest = RawSQL(NEWEST, [*rights, place.created_at, place.patient_id, limit, limit])  # noqa: S611
        patients = Patient.objects.filter(clinic_id=clinic_id, restricted_at=None, pk__in=newest)
    else:
        later = Q(created_at__lt=place.created_at) | Q(created_at=place.created_at, pk__lt=place.patient_id)
        patients = patients.filter(later)
    return patients.order_by("-created_at", "-pk")[:limit]
