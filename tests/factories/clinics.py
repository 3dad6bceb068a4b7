"""Clinics and staff for tests: the dullest valid thing. Every person in them is invented."""

from itertools import count
from typing import TypeVar

from django.db.models import Model

from audit.actors import unit_or_none
from audit.services import record
from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.roles import Role
from clinics.services import open_clinic

M = TypeVar("M", bound=Model)
_numbers = count()


def said(row: M) -> M:
    """What is arranged in somebody's name has its event, as everything has."""
    if unit_or_none() is not None:
        record("test.arranged", object=row)
    return row


def ChainFactory() -> Chain:
    return Chain.objects.get_or_create(name="云溪健康")[0]


CLINICS = {"east": ("云溪健康城东门诊", "010-5550 0100"), "west": ("云溪健康城西门诊", "010-5550 0200")}


def ClinicFactory(code: str = "east") -> Clinic:
    """A whole clinic, with its keys, opened by the real service."""
    name, phone = CLINICS[code]
    return open_clinic(chain=ChainFactory(), code=code, name=name, short_name="云溪健康", phone=phone)


def an_unsaved_clinic() -> Clinic:
    """Enough of a clinic to sign a message."""
    return Clinic(code="east", name="城东门诊", short_name="云溪健康", phone="010-5550 0100")


def StaffFactory(*, username: str = "", display_name: str = "林晓") -> User:
    """An account of staff without a role; `StaffRoleFactory(user=…, clinic=…)` gives it one."""
    return said(
        User.objects.create(
            username=username or f"staff{next(_numbers)}", password="!", display_name=display_name
        )
    )


def hired(clinic: Clinic, *teams: CareTeam, role: Role = Role.NURSE) -> User:
    """One more member of staff of a clinic, in these care teams."""
    user = User.objects.create_user(f"hired{next(_numbers)}", display_name="林晓")
    StaffRole.objects.create(user=user, clinic=clinic, role=role)
    for team in teams:
        TeamMember.objects.create(team=team, user=user)
    return user


def StaffRoleFactory(*, user: User, clinic: Clinic, role: Role = Role.DOCTOR) -> StaffRole:
    return said(StaffRole.objects.create(user=user, clinic=clinic, role=role))


def CareTeamFactory(*, clinic: Clinic, name: str = "") -> CareTeam:
    return said(CareTeam.objects.create(clinic=clinic, name=name or f"{next(_numbers)}组"))


def TeamMemberFactory(*, team: CareTeam, user: User) -> TeamMember:
    return said(TeamMember.objects.create(team=team, user=user))
