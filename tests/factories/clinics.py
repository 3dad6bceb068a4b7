"""Clinics and staff for tests. Every person in them is invented."""

import factory
from factory.django import DjangoModelFactory

from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.roles import Role


class ChainFactory(DjangoModelFactory[Chain]):
    class Meta:
        model = Chain
        django_get_or_create = ("name",)

    name = "云溪健康"


class ClinicFactory(DjangoModelFactory[Clinic]):
    """A clinic without keys: `clinics.services.open_clinic` makes a whole one."""

    class Meta:
        model = Clinic

    chain = factory.SubFactory(ChainFactory)
    code = factory.Sequence(lambda n: f"clinic-{n}")
    name = factory.Sequence(lambda n: f"云溪健康第{n}门诊")
    short_name = "云溪健康"
    phone = "010-5550 0100"


class StaffFactory(DjangoModelFactory[User]):
    """An account of staff without a role; `StaffRoleFactory(user=…, clinic=…)` gives it one."""

    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"staff{n}")
    display_name = "林晓"


class StaffRoleFactory(DjangoModelFactory[StaffRole]):
    class Meta:
        model = StaffRole

    user = factory.SubFactory(StaffFactory)
    clinic = factory.SubFactory(ClinicFactory)
    role = Role.DOCTOR


class CareTeamFactory(DjangoModelFactory[CareTeam]):
    class Meta:
        model = CareTeam

    clinic = factory.SubFactory(ClinicFactory)
    name = factory.Sequence(lambda n: f"{n}组")


class TeamMemberFactory(DjangoModelFactory[TeamMember]):
    class Meta:
        model = TeamMember

    team = factory.SubFactory(CareTeamFactory)
    user = factory.SubFactory(StaffFactory)
