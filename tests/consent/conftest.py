"""One clinic, a nurse at its desk, and a patient in her care."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from audit.acting import acting
from audit.actors import Actor
from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.roles import Role
from clinics.services import open_clinic
from patients.models import Patient
from tests.factories.patients import PatientFactory, actor_for

Hire = Callable[..., User]


@pytest.fixture
def hire(db: None) -> Hire:
    """Give a clinic one more member of staff, in these care teams."""
    numbers = count(1)

    def hire(clinic: Clinic, *teams: CareTeam, role: Role = Role.NURSE) -> User:
        user = User.objects.create_user(f"staff{next(numbers)}", display_name="林晓")
        StaffRole.objects.create(user=user, clinic=clinic, role=role)
        for team in teams:
            TeamMember.objects.create(team=team, user=user)
        return user

    return hire


@pytest.fixture
def chain(db: None) -> Chain:
    return Chain.objects.create(name="云溪健康")


@pytest.fixture
def clinic(chain: Chain) -> Clinic:
    return open_clinic(
        chain=chain,
        code="east",
        name="云溪健康城东门诊",
        short_name="云溪健康",
        phone="010-5550 0100",
    )


@pytest.fixture
def other_clinic(chain: Chain) -> Clinic:
    return open_clinic(
        chain=chain,
        code="west",
        name="云溪健康城西门诊",
        short_name="云溪健康",
        phone="010-5550 0200",
    )


@pytest.fixture
def nurse_account(clinic: Clinic, hire: Hire) -> User:
    return hire(clinic, CareTeam.objects.create(clinic=clinic, name="一组"))


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
