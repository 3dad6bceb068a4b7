"""One clinic, a nurse at its desk, and a patient in her care."""

from collections.abc import Iterator

import pytest

from audit.acting import acting
from audit.actors import Actor
from clinics.models import Clinic, User
from clinics.roles import Role
from clinics.services import open_clinic
from patients.models import Patient
from tests.factories.clinics import (
    CareTeamFactory,
    ChainFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.patients import PatientFactory, actor_for


@pytest.fixture
def clinic(db: None) -> Clinic:
    return open_clinic(
        chain=ChainFactory(),
        code="east",
        name="云溪健康城东门诊",
        short_name="云溪健康",
        phone="010-5550 0100",
    )


@pytest.fixture
def other_clinic(db: None) -> Clinic:
    return open_clinic(
        chain=ChainFactory(),
        code="west",
        name="云溪健康城西门诊",
        short_name="云溪健康",
        phone="010-5550 0200",
    )


@pytest.fixture
def nurse_account(clinic: Clinic) -> User:
    user: User = StaffFactory()
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    TeamMemberFactory(team=CareTeamFactory(clinic=clinic), user=user)
    return user


@pytest.fixture
def nurse(nurse_account: User, clinic: Clinic) -> Actor:
    return actor_for(nurse_account, clinic)


@pytest.fixture
def at_work(nurse: Actor, clinic: Clinic) -> Iterator[Actor]:
    """The test is one unit of work of the nurse."""
    with acting(nurse, clinic.pk):
        yield nurse


@pytest.fixture
def patient(nurse: Actor, clinic: Clinic) -> Patient:
    with acting(nurse, clinic.pk):
        return PatientFactory(clinic=clinic, by=nurse)
