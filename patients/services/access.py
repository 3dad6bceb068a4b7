"""Who cares for whom, who else may look, and who sees their own chart on the phone."""

from datetime import datetime

from django.contrib.auth.models import Permission

from audit.actors import Actor
from audit.services import record
from audit.wrote import wrote_rows
from clinics.models import CareTeam, User
from patients.choices import CareRole, GrantReason, PortalRelation
from patients.models import CareRelationship, Patient, PatientUserObjectPermission, PortalAccess
from patients.queries.access import patient_for
from patients.queries.portal import proxies_of


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


def open_chart_to(
    patient: Patient,
    user: User,
    *,
    reason: GrantReason,
    by: Actor,
    at: datetime,
    until: datetime | None = None,
) -> PatientUserObjectPermission:
    """Open one chart to one account outside its care relationships. Raises PatientNotFound when `by` may not see it."""
    patient_for(by, patient.pk)
    return grant_chart(patient, user, reason=reason, by=by, at=at, until=until)


def grant_chart(
    patient: Patient,
    user: User,
    *,
    reason: GrantReason,
    by: Actor,
    at: datetime,
    until: datetime | None = None,
) -> PatientUserObjectPermission:
    """The same by somebody who may not see the chart themselves; whoever calls knows that they may grant it."""
    grant: PatientUserObjectPermission
    grant, opened = PatientUserObjectPermission.objects.get_or_create(
        user=user,
        permission=Permission.objects.get_by_natural_key("view_patient", "patients", "patient"),
        content_object=patient,
        defaults={"reason": reason, "granted_by_id": by.user_id, "granted_at": at, "valid_until": until},
    )
    if opened:
        record("chart.opened_to", object=grant, subjects=[patient.subject_id])
    return grant


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


def restrict_patient(patient: Patient, *, by: Actor, at: datetime) -> None:
    """The record is only stored from now on: nobody sees it, nothing is entered. By a statement of its own: the event of a
    save would put the year of birth and the sex into the log once more."""
    if Patient.objects.filter(pk=patient.pk, restricted_at=None).update(restricted_at=at):
        record("patient.restricted", object=patient, subjects=[patient.subject_id])
