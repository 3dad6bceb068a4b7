"""One clinic, a nurse of its care team, and a patient in her care."""

from collections.abc import Iterator
from datetime import date

import pytest

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.models import Patient
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def nurse_account(clinic: Clinic) -> User:
    user: User = StaffFactory()
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    TeamMemberFactory(team=CareTeamFactory(clinic=clinic), user=user)
    return user


@laid_out
def nurse(nurse_account: User, clinic: Clinic) -> Actor:
    return actor_for(nurse_account, clinic)


@pytest.fixture
def at_work(nurse: Actor, clinic: Clinic) -> Iterator[Actor]:
    """The test is one unit of work of the nurse."""
    with acting(nurse, clinic.pk):
        yield nurse


@laid_out
def patient(nurse: Actor, clinic: Clinic) -> Patient:
    """A woman born on 17 May 1968, in the nurse's care."""
    with acting(nurse, clinic.pk):
        return PatientFactory(
            clinic=clinic, by=nurse, name="陈雅琴", birth_date=date(1968, 5, 17), phone="+8613800001234"
        )


@pytest.fixture
def house(clinic: Clinic) -> Actor:
    """The house's own jobs."""
    return system_actor("records", clinic.pk)
