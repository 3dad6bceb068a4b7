"""Who cares for whom, who else may look, and who sees their own chart on the phone."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import transaction

from audit.actors import Actor
from audit.services import record
from audit.wrote import wrote_rows
from clinics.accounts.models import NoticeKind
from clinics.accounts.notices import give_notice
from clinics.errors import NotOfThisClinic
from clinics.models import CareTeam, User
from clinics.roles import Permission as Action
from clinics.sessions import end_sessions
from clinics.staffing import member_of_staff, team_of_clinic
from patients.choices import CareRole, GrantReason, PortalRelation
from patients.errors import LastToLook, NoOwnPages, PatientNotFound, StillResponsible
from patients.models import CareRelationship, Patient, PatientUserObjectPermission, PortalAccess
from patients.queries.access import patient_for
from patients.queries.portal import proxies_of
from patients.queries.rights import rights_on


def begin_care(
    patient: Patient,
    *,
    role: CareRole,
    by: Actor,
    at: datetime,
    staff: User | None = None,
    team: CareTeam | None = None,
    until: datetime | None = None,
) -> CareRelationship:
    """A member of staff or a care team looks after the patient from now on. The same relationship twice is one."""
    relationship, begun = CareRelationship.objects.get_or_create(
        clinic_id=patient.clinic_id,
        patient=patient,
        staff=staff,
        team=team,
        role=role,
        valid_until=until,
        defaults={"valid_from": at},
    )
    if begun:
        record("care.begun", object=relationship, subjects=[patient.subject_id])
    return relationship


def end_care(relationship: CareRelationship, *, by: Actor, at: datetime) -> None:
    """The relationship ends at `at`; whoever had only this one sees the patient no longer."""
    relationship.valid_until = at
    relationship.save(update_fields=["valid_until"])
    record("care.ended", object=relationship, subjects=[relationship.patient.subject_id])


def grant_chart(
    patient: Patient,
    user: User,
    *,
    reason: GrantReason,
    by: Actor,
    at: datetime,
    until: datetime | None = None,
) -> PatientUserObjectPermission:
    """Open one chart to one account outside its care relationships; whoever calls knows that `by` may grant it.

    One account has one grant of a chart: given again, it is the new reason's, from now until the new end.
    """
    grant: PatientUserObjectPermission
    grant, _made = PatientUserObjectPermission.objects.update_or_create(
        user=user,
        permission=Permission.objects.get_by_natural_key("view_patient", "patients", "patient"),
        content_object=patient,
        defaults={"reason": reason, "granted_by_id": by.user_id, "granted_at": at, "valid_until": until},
    )
    record("chart.opened_to", object=grant, subjects=[patient.subject_id])
    return grant


@transaction.atomic
def let_look(
    patient_id: UUID,
    *,
    team_id: UUID | None = None,
    user_id: UUID | None = None,
    why: CareRole | GrantReason,
    until: datetime | None,
    by: Actor,
    at: datetime,
) -> None:
    """One more care team, or one more colleague until `until`, sees this chart from now on.

    `why` is a part in the care, or the reason of a single look. Raises PatientNotFound, and NotOfThisClinic for a team or an
    account that is not of the patient's clinic.
    """
    patient = patient_for(by, patient_id, Action.ASSIGN_PATIENTS, lock=True)
    if team_id is not None:
        team = team_of_clinic(patient.clinic_id, team_id)
        begin_care(patient, role=CareRole.CARE_TEAM, team=team, by=by, at=at, until=until)
        return
    if user_id is None:
        raise NotOfThisClinic
    user = member_of_staff(patient.clinic_id, user_id)
    if isinstance(why, CareRole):
        begin_care(patient, role=why, staff=user, by=by, at=at, until=until)
    else:
        grant_chart(patient, user, reason=why, by=by, at=at, until=until)


@transaction.atomic
def end_look(patient_id: UUID, right_id: UUID, *, by: Actor, at: datetime) -> None:
    """A right that `rights_on` lists is over: the care of a team or a colleague, or a single grant.

    Raises PatientNotFound, the same for a right that is not there; StillResponsible for who is responsible, which is handed
    over; and LastToLook for the last right of all, after which nobody would look after the person.
    """
    patient = patient_for(by, patient_id, Action.ASSIGN_PATIENTS, lock=True)
    rights = rights_on(patient, at)
    right = next((right for right in rights if right.id == right_id), None)
    if right is None:
        raise PatientNotFound
    if right.is_responsible:
        raise StillResponsible
    if len(rights) == 1:
        raise LastToLook
    if isinstance(right.row, CareRelationship):
        end_care(right.row, by=by, at=at)
        return
    right.row.valid_until = at
    right.row.save(update_fields=["valid_until"])
    record("chart.closed_to", object=right.row, subjects=[patient.subject_id])


def give_portal_access(
    patient: Patient,
    relation: PortalRelation,
    by: Actor,
    *,
    at: datetime,
    user: User | None = None,
    until: datetime | None = None,
) -> PortalAccess:
    """Let somebody see this chart on their phone: the person with an account of their own, or `user` as proxy or guardian.

    The person's own access is given once: asking again returns it. Somebody else's begins anew, until `until`.
    """
    if relation == PortalRelation.SELF:
        own = PortalAccess.objects.filter(patient=patient, relation=PortalRelation.SELF).first()
        if own is not None:
            return own
    opened = [] if user else [User.objects.create_patient_account()]
    access, _made = PortalAccess.objects.update_or_create(
        patient=patient,
        user=user or opened[0],
        defaults={
            "clinic_id": patient.clinic_id,
            "relation": relation,
            "given_at": at,
            "valid_until": until,
        },
    )
    record("portal.access_given", object=access, subjects=[patient.subject_id], wrote=wrote_rows(opened))
    return access


def end_proxies(patient: Patient, *, at: datetime) -> int:
    """Proxies see the chart no longer; guardians do what the law gives them. Answers how many were ended."""
    proxies = list(proxies_of(patient, at).select_for_update(of=("self",)).order_by("pk"))
    for access in proxies:
        end_portal_access(access, at=at)
    return len(proxies)


def end_portal_access(access: PortalAccess, *, at: datetime) -> None:
    """Whoever saw the chart through this access sees it no longer, from the next page on."""
    ended = ("patients.portalaccess", str(access.pk))
    if access.given_at < at:
        access.valid_until = at
        access.save(update_fields=["valid_until"])
    else:
        access.delete()
    record("portal.access_ended", object=ended, subjects=[access.patient.subject_id])


def end_portal_sessions(patient: Patient) -> None:
    """For a phone that was lost: whoever is signed in on the person's own pages is signed out, and the person reads of it there.

    Raises NoOwnPages for somebody who has none, and LogUnavailable; then nobody is signed out.
    """
    own = PortalAccess.objects.filter(patient=patient, relation=PortalRelation.SELF).select_related("user")
    access = own.first()
    if access is None:
        raise NoOwnPages(str(patient.pk))
    record("account.sessions_ended", object=access.user, subjects=[patient.subject_id], reason="desk")
    give_notice(access.user, NoticeKind.SESSIONS_ENDED)
    end_sessions(access.user_id)


def restrict_patient(patient: Patient, *, by: Actor, at: datetime) -> None:
    """The record is only stored from now on: nobody sees it, nothing is entered. By a statement of its own: the event of a
    save would put the year of birth and the sex into the log once more."""
    if Patient.objects.filter(pk=patient.pk, restricted_at=None).update(restricted_at=at):
        record("patient.restricted", object=patient, subjects=[patient.subject_id])
