"""Opening clinics and giving people their work."""

from uuid import UUID

from django.db import transaction

from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.roles import Role
from clinics.sessions import end_sessions
from crypto.ids import uuid7
from crypto.services import open_clinic_keys


@transaction.atomic
def open_clinic(*, chain: Chain, code: str, name: str, short_name: str, phone: str) -> Clinic:
    """A clinic with its keys. Without keys nothing of a patient could be written there."""
    clinic_id = uuid7()
    with acting(system_actor("setup", clinic_id), clinic_id):
        clinic = Clinic.objects.create(
            id=clinic_id, chain=chain, code=code, name=name, short_name=short_name, phone=phone
        )
        open_clinic_keys(clinic_id)
        record("clinic.opened", object=clinic)
    return clinic


def give_role(user: User, clinic_id: UUID, role: Role) -> StaffRole:
    """Let a person work in a clinic; giving the same role again changes nothing."""
    staff_role, created = StaffRole.objects.get_or_create(user=user, clinic_id=clinic_id, role=role)
    if created:
        record("role.given", object=user, result=role.value)
    return staff_role


def join_team(user: User, team: CareTeam) -> TeamMember:
    """From the next query on, the person sees whom the team cares for."""
    member, created = TeamMember.objects.get_or_create(user=user, team=team)
    if created:
        record("team.joined", object=user, result=str(team.pk))
    return member


def close_account(user: User) -> None:
    """Nobody signs in with it again, and whoever is signed in with it is signed out. Twice changes nothing."""
    end_sessions(user.pk)
    if user.is_active:
        user.is_active = False
        user.save(update_fields=["is_active"])
        record("account.closed", object=user)
