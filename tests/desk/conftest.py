"""A health manager at work, a patient in her care, and one of another team."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from patients.models import Patient
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import PatientFactory, id_number
from tests.laid_out import laid_out

Hire = Callable[..., User]
Enter = Callable[..., Patient]


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def other_clinic() -> Clinic:
    return ClinicFactory("west")


@laid_out
def team(clinic: Clinic) -> CareTeam:
    team: CareTeam = CareTeamFactory(clinic=clinic, name="一组")
    return team


@laid_out
def hire(clinic: Clinic, team: CareTeam) -> Hire:
    def hire(role: Role, *, in_team: bool = True, at: Clinic = clinic) -> User:
        user: User = StaffFactory()
        StaffRoleFactory(user=user, clinic=at, role=role)
        if in_team:
            TeamMemberFactory(team=team, user=user)
        return user

    return hire


def system(clinic: Clinic) -> Actor:
    return system_actor("test", clinic.pk)


@laid_out
def enter(clinic: Clinic, team: CareTeam) -> Enter:
    """A patient of the team who agreed to everything; with results, one who needs something."""

    def enter(**person: Any) -> Patient:
        results: dict[str, Any] = {key: person.pop(key) for key in ("ldl", "k") if key in person}
        by = system(clinic)
        with acting(by):
            patient: Patient = PatientFactory(
                clinic=clinic, team=team, id_number=id_number("99010119600229002"), **person
            )
            for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK):
                ConsentFactory(patient, purpose, by=by, at=MONDAY)
            if results:
                file_results(patient, by=by, **results)
        take(clinic)
        return patient

    return enter


@laid_out
def patient(enter: Enter) -> Patient:
    return enter(ldl=HIGH_LDL)


@laid_out
def manager(hire: Hire) -> User:
    return hire(Role.HEALTH_MANAGER)


@pytest.fixture
def desk(manager: User, client: Client) -> Client:
    """The health manager's browser."""
    client.force_login(manager)
    return client
