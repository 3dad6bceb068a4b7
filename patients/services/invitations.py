"""The first way to the portal. Whoever has a phone of their own signs in with it, by code: then nobody at the desk holds a key.

Whoever has none gets a link, opened once by who knows the birth date. The link alone opens nothing, so that a slip left on a bench is
no key; nor does the birth date, which many know. Who makes the link has both, so a colleague confirms that the person is there.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from secrets import compare_digest, token_urlsafe

from django.utils.crypto import salted_hmac

from audit.actors import Actor
from audit.removal import delete_rows
from audit.services import record
from clinics.models import Clinic
from patients.choices import PhoneOwner, PortalRelation
from patients.errors import BirthDateMissing, InvitationEnded, InvitationWaits, NoInvitation, OwnInvitation
from patients.models import Patient, PortalAccess, PortalInvitation
from patients.queries.access import open_portal_access
from patients.queries.portal import portal_accounts_by_phone
from patients.services.access import give_portal_access

GOOD_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Invited:
    """A fresh invitation and its token, which is told this once and kept nowhere."""

    invitation: PortalInvitation
    token: str


def has_phone_alone(patient: Patient, clinic: Clinic, *, at: datetime) -> bool:
    """Whether a code to the phone on the card would sign in this person and nobody else. Opens the card."""
    phone = patient.identity.phone
    if not phone or patient.phone_owner != PhoneOwner.SELF:
        return False
    return {access.patient_id for access in portal_accounts_by_phone(clinic, phone, at=at)} <= {patient.pk}


def invite_to_portal(patient: Patient, *, by: Actor, at: datetime) -> Invited:
    """Let the person see their own pages, and make the link that first leads there once a colleague confirmed. Earlier links end.

    Raises BirthDateMissing where nobody could tell the person from whoever finds the link.
    """
    born = patient.identity.birth_date  # ISO 8601
    if not born:
        raise BirthDateMissing(str(patient.pk))
    access = give_portal_access(patient, PortalRelation.SELF, by, at=at)
    earlier = PortalInvitation.objects.filter(access=access)
    delete_rows("portal.invitations_ended", earlier, about=patient.pk, subjects=[patient.subject_id])
    token = token_urlsafe(24)
    invitation = PortalInvitation(
        clinic_id=patient.clinic_id,
        access=access,
        token_hash=_keyed("invitation", token),
        made_at=at,
        made_by=by.ref,
        expires_at=at + GOOD_FOR,
    )
    invitation.birth_hash = _keyed("birth", f"{invitation.pk}:{born}")
    invitation.save(force_insert=True)
    record("portal.invited", object=invitation, subjects=[patient.subject_id])
    return Invited(invitation, token)


def waiting_invitation(patient: Patient, *, at: datetime) -> PortalInvitation | None:
    """The link of this person that waits for a colleague."""
    newest = (
        PortalInvitation.objects.filter(access__patient=patient, confirmed_by="").order_by("-made_at").first()
    )
    return newest if newest is not None and newest.is_open(at) else None


def confirm_invitation(patient: Patient, *, by: Actor, at: datetime) -> None:
    """Somebody else saw the person with the link. Raises NoInvitation, and OwnInvitation for whoever made it."""
    invitation = waiting_invitation(patient, at=at)
    if invitation is None:
        raise NoInvitation(str(patient.pk))
    if invitation.made_by == by.ref:
        raise OwnInvitation(str(patient.pk))
    invitation.confirmed_by = by.ref
    invitation.save(update_fields=["confirmed_by"])
    record("portal.invitation_confirmed", object=invitation, subjects=[patient.subject_id])


def invitation_of(clinic: Clinic, token: str, *, at: datetime, lock: bool = False) -> PortalInvitation:
    """The invitation a link leads to. Raises InvitationEnded for one that is used, too old, tried too often or invented."""
    found = PortalInvitation.objects.filter(clinic=clinic, token_hash=_keyed("invitation", token))
    invitation = (found.select_for_update() if lock else found).first()
    if invitation is None or not invitation.is_open(at):
        raise InvitationEnded
    return invitation


def redeem_invitation(clinic: Clinic, token: str, born: date, *, at: datetime) -> PortalAccess | None:
    """Use the link; None for the wrong birth date, which is counted: the third ends it. Raises InvitationEnded, and
    InvitationWaits while no colleague has confirmed: then nothing is counted.
    """
    invitation = invitation_of(clinic, token, at=at, lock=True)
    if not invitation.confirmed_by:
        raise InvitationWaits
    right = compare_digest(invitation.birth_hash, _keyed("birth", f"{invitation.pk}:{born.isoformat()}"))
    access = _still_open(invitation, at)
    if access is None:
        raise InvitationEnded
    subjects = [access.patient.subject_id]
    if not right:
        invitation.tries += 1
        invitation.save(update_fields=["tries"])
        record("portal.invitation_missed", object=invitation, subjects=subjects)
        return None
    invitation.used_at = at
    invitation.save(update_fields=["used_at"])
    record("portal.invitation_used", object=invitation, subjects=subjects)
    return access


def forget_old_invitations(clinic: Clinic, at: datetime) -> None:
    """Links are over after a day, opened or not."""
    over = PortalInvitation.objects.filter(clinic=clinic, expires_at__lt=at)
    delete_rows("portal.invitations_forgotten", over, about=clinic.pk)


def _still_open(invitation: PortalInvitation, at: datetime) -> PortalAccess | None:
    """The access, unless it or its account has ended meanwhile, or the chart is only stored."""
    access = PortalAccess.objects.select_related("user", "patient").get(pk=invitation.access_id)
    living = open_portal_access(access.user_id, at=at).filter(pk=access.pk, patient__restricted_at=None)
    return access if living.exists() else None


def _keyed(what: str, text: str) -> str:
    """A hash that only this installation can make, so that a stolen table opens nothing."""
    return salted_hmac(f"zhizhi/portal/{what}", text, algorithm="sha256").hexdigest()
