"""The one gate: which patients somebody may see. Lists, charts, search, exports and papers all pass it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from audit.access import relate
from audit.actors import Actor
from audit.relations import Relation
from clinics.models import StaffRole
from clinics.roles import Permission, Reach, roles_with
from crypto.fields import seal_reader
from patients.errors import PatientNotFound
from patients.models import Patient, PortalAccess

PAGE_SIZE: Final = 50
COUNT_BOUND: Final = 1000
OF_ONE_S_OWN: Final = frozenset(
    {Permission.SEE_PATIENTS, Permission.EXPORT_PATIENTS, Permission.PRINT_PATIENTS}
)
"""What people may do with their own chart on their own phone."""

# Whose rights an account may use in one clinic at a moment: its own, its care teams', its groups'. An inactive account, one
# whose roles in the clinic do not include the action, and a program that works there no longer, have none. Parameters: `grantees_asked`.
GRANTEES: Final = "patients_grantees(%s, %s, %s, %s)"

# Parameters: those of GRANTEES, then clinic, now, now.
SEEN: Final = f"""
SELECT a.patient_id FROM patient_access a JOIN {GRANTEES} AS g(grantee) ON g.grantee = a.grantee
 WHERE a.clinic_id = %s AND a.valid_from <= %s AND a.valid_until > %s
"""  # noqa: S608  # constants; every value is a parameter

# The nearest way in which somebody sees the patient of the outer query. Parameters: `tied_by`.
TIE: Final = f"""
SELECT min(CASE WHEN a.source = 4 THEN 3 WHEN a.source = 1 AND a.grantee = %s THEN 1 ELSE 2 END)
  FROM patient_access a JOIN {GRANTEES} AS g(grantee) ON g.grantee = a.grantee
 WHERE a.patient_id = patients_patient.id AND a.clinic_id = %s AND a.valid_from <= %s AND a.valid_until > %s
"""  # noqa: S608  # constants; every value is a parameter
GLASS_TIE: Final = 3
TIES: Final = {
    1: Relation.OWN,
    2: Relation.TEAM,
    GLASS_TIE: Relation.BREAK_GLASS,
    None: Relation.NONE,
}

# A page of them with all that is known of each, and how many there are, in one statement. Parameters: `_newest_rights`.
# A key that is nearly always absent comes as a text, because the driver asks Python what becomes of every UUID, also of none.
NEWEST: Final = """
SELECT id, other_subject::text, sealed_elsewhere::text, service_number, sex, birth_year, phone_owner, identity, watched, watched_for,
       created_at, reached
  FROM patients_page(%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
COLUMNS: Final = (
    "id", "subject_id", "sealed_by_clinic", "clinic_id", "service_number", "sex", "birth_year", "phone_owner", "identity", "watched",
    "watched_for", "created_at", "restricted_at",
)  # fmt: skip
# The care teams among whose patients somebody is. Parameters: those of GRANTEES.
THROUGH: Final = "SELECT id, name FROM patients_teams(%s, %s, %s, %s)"
COUNTED: Final = "SELECT reached FROM patients_newest(%s, %s, %s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list ends, newest first. It says when a card was opened and nothing of the person."""

    created_at: datetime
    patient_id: UUID


BEFORE_ALL: Final = Place(datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class Page:
    """Patients, newest first, and the place where the next page begins when there is one.

    `count` is how many there are from the page's own place on, no further than COUNT_BOUND + 1; None where nobody asked.
    """

    patients: list[Patient]
    next: Place | None
    count: int | None = None


def visible_patients(
    actor: Actor,
    clinic_id: UUID,
    action: Permission = Permission.SEE_PATIENTS,
    *,
    at: datetime | None = None,
) -> QuerySet[Patient]:
    """The patients of one clinic with whom the actor may do `action` at a moment (now).

    Staff, and programs as they do, reach whom they, their care teams or their groups care for or were granted, and the whole clinic where their role's
    `action` goes so far; a portal account reaches its own charts; the house's own jobs reach all. Nobody reaches a restricted
    patient, or a clinic they are not acting in.
    """
    patients = Patient.objects.filter(clinic_id=clinic_id, restricted_at=None)
    moment = at or timezone.now()
    if actor.clinic_id not in (None, clinic_id):
        return patients.none()
    if actor.kind == "system":
        return patients
    if actor.user_id is None:
        return patients.none()
    if actor.is_at_work:
        return patients.filter(_reached(actor.user_id, clinic_id, action, moment))
    if actor.kind == "patient" and action in OF_ONE_S_OWN:
        own = open_portal_access(actor.user_id, at=moment).filter(patient=OuterRef("pk"))
        return patients.filter(Exists(own))
    return patients.none()


def _reached(user_id: UUID, clinic_id: UUID, action: Permission, moment: datetime) -> Q:
    in_care = Q(pk__in=RawSQL(SEEN, seen_by(user_id, clinic_id, action, moment)))  # noqa: S611  # constant text, values as parameters
    if everywhere := roles_with(action, Reach.CLINIC):
        roles = StaffRole.objects.at_work(user_id).filter(clinic_id=clinic_id, role__in=everywhere)
        return Q(Exists(roles)) | in_care
    return in_care


def seen_by(user_id: UUID, clinic_id: UUID, action: Permission, moment: datetime) -> list[Any]:
    """The parameters of SEEN."""
    return [*grantees_asked(user_id, clinic_id, action, moment), clinic_id, moment, moment]


def grantees_asked(user_id: UUID, clinic_id: UUID, action: Permission, moment: datetime) -> list[Any]:
    """The parameters of GRANTEES."""
    return [user_id, clinic_id, roles_with(action, Reach.CARE), moment]


def open_portal_access(user_id: UUID, *, at: datetime) -> QuerySet[PortalAccess]:
    """The charts a portal account may open at a moment, as rows of PortalAccess."""
    return PortalAccess.objects.filter(
        Q(valid_until=None) | Q(valid_until__gt=at), user_id=user_id, user__is_active=True, given_at__lte=at
    )


def patient_for(
    actor: Actor,
    patient_id: UUID,
    action: Permission = Permission.SEE_PATIENTS,
    *,
    lock: bool = False,
) -> Patient:
    """The patient with whom the actor may do `action`, in the clinic they act in.

    What is opened of them from here on carries in the log how the actor is related to them. Raises PatientNotFound, the same
    for missing and for not theirs.
    """
    if actor.clinic_id is None:
        raise PatientNotFound
    moment = timezone.now()
    patients = visible_patients(actor, actor.clinic_id, action, at=moment).filter(pk=patient_id)
    if actor.is_at_work and actor.user_id:
        ties = tied_by(actor.user_id, actor.clinic_id, action, moment)
        patients = patients.annotate(tie=RawSQL(TIE, ties))  # noqa: S611  # constant text, values as parameters
    if lock:
        patients = patients.select_for_update(of=("self",))
    patient = patients.first()
    if patient is None:
        raise PatientNotFound
    if actor.is_at_work:
        relate(patient.subject_id, TIES[getattr(patient, "tie", None)], vip=patient.watched)
    return patient


def relate_all(actor: Actor, clinic_id: UUID, patients: Iterable[Patient]) -> None:
    """The same for patients that were found in another way: one statement, however many."""
    by_id = {patient.pk: patient for patient in patients}
    if not actor.is_at_work or not actor.user_id or not by_id:
        return
    ties = tied_by(actor.user_id, clinic_id, Permission.SEE_PATIENTS, timezone.now())
    found = Patient.objects.filter(clinic_id=clinic_id, pk__in=by_id)
    for patient_id, tie in found.annotate(tie=RawSQL(TIE, ties)).values_list("pk", "tie"):  # noqa: S611
        relate(by_id[patient_id].subject_id, TIES[tie], vip=by_id[patient_id].watched)


def tied_by(user_id: UUID, clinic_id: UUID, action: Permission, moment: datetime) -> list[Any]:
    """The parameters of TIE."""
    return [user_id, *grantees_asked(user_id, clinic_id, action, moment), clinic_id, moment, moment]


def page_of_visible(
    actor: Actor,
    clinic_id: UUID,
    *,
    after: Place | None = None,
    size: int = PAGE_SIZE,
    through: UUID | None = None,
    counted: bool = False,
    at: datetime | None = None,
) -> Page:
    """One page of the patients the actor sees, newest first. The cost depends on the page, not on the clinic.

    `through` is a care team of theirs, or their own account: those alone whom they see by it.
    """
    place, moment = after or BEFORE_ALL, at or timezone.now()
    bound = COUNT_BOUND + 1 if counted else 0
    if _sees_by_rights(actor, clinic_id):
        asked = _newest_rights(actor, clinic_id, place, moment, through, wanted=size + 1, bound=bound)
        rows, reached = _by_rights(clinic_id, asked)
    else:
        newest = _newest(actor, clinic_id, place, moment)
        rows = list(newest[: size + 1])
        reached = newest[:bound].count() if counted else 0
    shown = rows[:size]
    more = len(rows) > size
    return Page(
        shown, Place(shown[-1].created_at, shown[-1].pk) if more else None, reached if counted else None
    )


def count_of_visible(
    actor: Actor, clinic_id: UUID, *, through: UUID | None = None, bound: int = COUNT_BOUND
) -> int:
    """How many patients the actor sees, counted no further than `bound` + 1: lists say “1,000+”."""
    moment = timezone.now()
    if not _sees_by_rights(actor, clinic_id):
        return _newest(actor, clinic_id, BEFORE_ALL, moment)[: bound + 1].count()
    asked = _newest_rights(actor, clinic_id, BEFORE_ALL, moment, through, wanted=1, bound=bound + 1)
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, asked)
        (reached,) = cursor.fetchone() or (0,)
    return int(reached)


def teams_seen_through(actor: Actor, clinic_id: UUID) -> dict[UUID, str]:
    """The names of the care teams through which somebody at work sees patients, in their order."""
    if not _sees_by_rights(actor, clinic_id):
        return {}
    carers = roles_with(Permission.SEE_PATIENTS, Reach.CARE)
    with connection.cursor() as cursor:
        cursor.execute(THROUGH, [actor.user_id, clinic_id, carers, timezone.now()])
        return dict(cursor.fetchall())


def _sees_by_rights(actor: Actor, clinic_id: UUID) -> bool:
    return actor.is_at_work and actor.user_id is not None and actor.clinic_id in (None, clinic_id)


def _by_rights(clinic_id: UUID, asked: list[Any]) -> tuple[list[Patient], int]:
    """The patients of NEWEST, whole, and how many were counted.

    What a list of models costs beyond its columns is saved: the statement says each key once, and the rows become patients here.
    """
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, asked)
        found = cursor.fetchall()
    sealed, alias = seal_reader(), connection.alias
    patients = [
        Patient.from_db(
            alias, COLUMNS,
            (
                pk, UUID(subject) if subject else pk, UUID(elsewhere) if elsewhere else clinic_id, clinic_id,
                *facts, sealed(identity), watched, why and sealed(why), at, None,
            ),
        )
        for pk, subject, elsewhere, *facts, identity, watched, why, at, _reached in found
    ]  # fmt: skip
    return patients, found[0][-1] if found else 0


def _newest(actor: Actor, clinic_id: UUID, place: Place, moment: datetime) -> QuerySet[Patient]:
    """Whom somebody sees who has no rights of a member of staff, from a place of the list on."""
    later = Q(created_at__lt=place.created_at) | Q(created_at=place.created_at, pk__lt=place.patient_id)
    return visible_patients(actor, clinic_id, at=moment).filter(later).order_by("-created_at", "-pk")


def _newest_rights(
    actor: Actor,
    clinic_id: UUID,
    place: Place,
    moment: datetime,
    through: UUID | None,
    *,
    wanted: int,
    bound: int,
) -> list[Any]:
    """The parameters of NEWEST: `wanted` patients, and a count of them no further than `bound`. Somebody at work asks."""
    carers = roles_with(Permission.SEE_PATIENTS, Reach.CARE)
    who = [actor.user_id, clinic_id, carers, moment, through]
    return [*who, place.created_at, place.patient_id, wanted, bound]
