"""One clinic, a nurse at its desk, and a patient in her care."""

from collections.abc import Callable, Iterator

import pytest

from audit.acting import acting
from audit.actors import Actor
from clinics.models import CareTeam, Chain, Clinic, User
from clinics.services import open_clinic
from patients.models import Patient
from tests.factories.clinics import hired
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

Hire = Callable[..., User]


@laid_out
def hire() -> Hire:
    """Give a clinic one more member of staff, in these care teams."""
    return hired


@laid_out
def chain() -> Chain:
    return Chain.objects.create(name="云溪健康")


@laid_out
def clinic(chain: Chain) -> Clinic:
    return open_clinic(
        chain=chain,
        code="east",
        name="云溪健康城东门诊",
        short_name="云溪健康",
        phone="010-5550 0100",
    )


@laid_out
def other_clinic(chain: Chain) -> Clinic:
    return open_clinic(
        chain=chain,
        code="west",
        name="云溪健康城西门诊",
        short_name="云溪健康",
        phone="010-5550 0200",
    )


@laid_out
def nurse_account(clinic: Clinic, hire: Hire) -> User:
    return hire(clinic, CareTeam.objects.create(clinic=clinic, name="一组"))


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
    with acting(nurse, clinic.pk):
        return PatientFactory(clinic=clinic, by=nurse)
