"""Opening clinics and giving people their work."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from audit.wrote import wrote_rows
from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.roles import Role
from clinics.sessions import end_sessions
from clinics.tokens import end_tokens
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
        record("role.given", object=user, result=role.value, wrote=wrote_rows([staff_role]))
    return staff_role


def join_team(
    user: User, team: CareTeam, *, at: datetime | None = None, until: datetime | None = None
) -> TeamMember:
    """From `at` (now) on, and until `until`, the person sees whom the team cares for. Whoever was in it before begins anew."""
    moment = at or now()
    member, joined = TeamMember.objects.get_or_create(
        user=user, team=team, defaults={"valid_from": moment, "valid_until": until}
    )
    if not joined and member.valid_until != until:
        is_back = member.valid_until is not None and member.valid_until <= moment
        member.valid_from = moment if is_back else member.valid_from
        member.valid_until = until
        member.save(update_fields=["valid_from", "valid_until"])
        joined = True
    if joined:
        record("team.joined", object=user, result=str(team.pk), wrote=wrote_rows([member]))
    return member


def close_account(user: User) -> None:
    """Nobody signs in with it again, and whoever is signed in with it is signed out. Twice changes nothing."""
    end_sessions(user.pk)
    end_tokens(user.pk, at=now())
    if user.is_active:
        user.is_active = False
        user.save(update_fields=["is_active"])
        record("account.closed", object=user)
