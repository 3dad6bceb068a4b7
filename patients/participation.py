"""What patients do when a person is erased (nobody finds, sees or signs in as them), and when somebody leaves the clinic."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q

from audit.actors import current_actor
from audit.removal import delete_rows
from audit.services import record
from audit.wrote import wrote
from clinics.models import User
from clinics.services import close_account
from crypto.core.scopes import Scope
from patients.choices import ONE_AT_A_TIME, CardState, PhoneOwner, PortalRelation, Sex
from patients.models import (
    BreakGlass,
    Card,
    CareRelationship,
    Patient,
    PatientGroupObjectPermission,
    PatientTag,
    PatientUserObjectPermission,
    PortalAccess,
    PortalInvitation,
    TwinOverride,
)
from patients.services.access import end_care, end_portal_access


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """`scopes` are those whose keys are destroyed; the others are only stored from now on."""
    patient = Patient.objects.get(pk=patient_id)
    _forget_tokens(clinic_id, subject_ids)
    _close_to_staff(patient, at)
    _close_portal(patient, at)
    subjects = [patient.subject_id]
    delete_rows("tag.erased", PatientTag.objects.filter(patient=patient), about=patient.pk, subjects=subjects)
    twins = TwinOverride.objects.filter(Q(patient=patient) | Q(twin=patient))
    delete_rows("twin.erased", twins, about=patient.pk, subjects=subjects)
    cards = Card.objects.filter(patient=patient).exclude(state=CardState.CLOSED, form_token=None)
    count = cards.update(state=CardState.CLOSED, form_token=None)
    if count:
        record("card.closed", object=("patients.card", str(patient.pk)), subjects=subjects, count=count)
    _restrict(patient, at, nameless=Scope.IDENTITY in scopes)


_LOCK_PEOPLE = """
SELECT FROM patient_search_person WHERE clinic_id = %s AND subject_id = ANY (%s) ORDER BY search_id FOR UPDATE
"""
_FORGET = """
WITH person AS (DELETE FROM patient_search_person WHERE clinic_id = %s AND subject_id = ANY (%s) RETURNING search_id)
DELETE FROM patient_search s USING person WHERE s.clinic_id = %s AND s.search_id = person.search_id
"""


def _forget_tokens(clinic_id: UUID, subject_ids: Collection[UUID]) -> None:
    """In one statement: no moment in which a token is left that leads to nobody, or a person whom half a name finds.

    The people are locked before it: whoever is just building new tokens of theirs ends first, and the statement sees them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_PEOPLE, [clinic_id, list(subject_ids)])
        cursor.execute(_FORGET, [clinic_id, list(subject_ids), clinic_id])


def _close_to_staff(patient: Patient, at: datetime) -> None:
    by = current_actor()
    still = Q(valid_until=None) | Q(valid_until__gt=at)
    for relationship in CareRelationship.objects.filter(still, patient=patient).select_related("patient"):
        if relationship.valid_from < at:
            end_care(relationship, by=by, at=at)
        else:
            relationship.delete()
    PatientUserObjectPermission.objects.filter(content_object=patient).delete()
    PatientGroupObjectPermission.objects.filter(content_object=patient).delete()


def _close_portal(patient: Patient, at: datetime) -> None:
    """Whoever looked after the chart sees it no longer; the person's own account ends, whatever else it was for."""
    own = list(
        User.objects.filter(portal_access__patient=patient, portal_access__relation=PortalRelation.SELF)
    )
    links = PortalInvitation.objects.filter(access__patient=patient)
    delete_rows("portal.invitations_ended", links, about=patient.pk, subjects=[patient.subject_id])
    still = Q(valid_until=None) | Q(valid_until__gt=at)
    for access in PortalAccess.objects.filter(still, patient=patient):
        end_portal_access(access, at=at)
    for user in own:
        close_account(user)


def _restrict(patient: Patient, at: datetime, *, nameless: bool) -> None:
    """By a statement of its own: the event of a save would put the year of birth and the sex into the log once more."""
    columns: dict[str, object] = {"restricted_at": patient.restricted_at or at, "watched": False}
    if nameless:
        columns |= {"sex": Sex.UNKNOWN, "birth_year": None, "phone_owner": PhoneOwner.SELF}
    Patient.objects.filter(pk=patient.pk).update(**columns)
    record("patient.restricted", object=patient, subjects=[patient.subject_id])


def on_left(*, clinic_id: UUID, user_id: UUID, at: datetime) -> None:
    """Somebody leaves the clinic: care, grants and emergencies end. For whom they are responsible stays until others take over."""
    still = Q(valid_until=None) | Q(valid_until__gt=at)
    care = CareRelationship.objects.filter(still, clinic_id=clinic_id, staff_id=user_id)
    care = care.exclude(role__in=ONE_AT_A_TIME, valid_until=None)
    delete_rows("care.called_off", care.filter(valid_from__gte=at), about=user_id)
    grants = PatientUserObjectPermission.objects.filter(still, clinic_id=clinic_id, user_id=user_id)
    delete_rows("grants.called_off", grants.filter(granted_at__gte=at), about=user_id)
    glass = BreakGlass.objects.filter(
        clinic_id=clinic_id, user_id=user_id, opened_at__lt=at, valid_until__gt=at
    )
    for rows in (care.filter(valid_from__lt=at), grants.filter(granted_at__lt=at), glass):
        count = rows.update(valid_until=at)
        if count:
            record(
                "care.left",
                object=("clinics.user", str(user_id)),
                count=count,
                wrote=wrote(rows.model, count=count),
            )
