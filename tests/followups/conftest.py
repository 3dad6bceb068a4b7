"""One clinic, a health manager of its care team, and a patient in her care."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from clinics.models import CareTeam, Chain, Clinic, User
from clinics.roles import Role
from clinics.services import open_clinic
from patients.models import Patient
from tests.factories.clinics import hired
from tests.factories.consent import MONDAY, ConsentFactory
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
def team(clinic: Clinic) -> CareTeam:
    return CareTeam.objects.create(clinic=clinic, name="一组")


@laid_out
def manager_account(clinic: Clinic, team: CareTeam, hire: Hire) -> User:
    return hire(clinic, team, role=Role.HEALTH_MANAGER)


@laid_out
def manager(manager_account: User, clinic: Clinic) -> Actor:
    """A health manager."""
    return actor_for(manager_account, clinic)


@laid_out
def colleague_account(clinic: Clinic, team: CareTeam, hire: Hire) -> User:
    return hire(clinic, team)


@laid_out
def colleague(colleague_account: User, clinic: Clinic) -> Actor:
    """A nurse of the same care team."""
    return actor_for(colleague_account, clinic)


@laid_out
def house(clinic: Clinic) -> Actor:
    """The house's own jobs."""
    return system_actor("followups", clinic.pk)


@pytest.fixture
def at_work(manager: Actor, clinic: Clinic) -> Iterator[Actor]:
    """The test is one unit of work of the health manager."""
    with acting(manager, clinic.pk):
        yield manager


@laid_out
def patient(manager: Actor, clinic: Clinic) -> Patient:
    """A woman born on 17 May 1968 who agreed to everything the desk asks."""
    with acting(manager, clinic.pk):
        patient = PatientFactory(
            clinic=clinic, by=manager, name="陈雅琴", birth_date=date(1968, 5, 17), phone="+8613800001234"
        )
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK):
            ConsentFactory(patient, purpose, by=manager, at=MONDAY.replace(day=20))
    return patient


@laid_out
def silent_patient(manager: Actor, clinic: Clinic) -> Patient:
    """Somebody who agreed to care and risk, but not to follow-up."""
    with acting(manager, clinic.pk):
        patient = PatientFactory(clinic=clinic, by=manager, name="王建国", birth_date=date(1958, 3, 8))
        for purpose in (Purpose.CARE, Purpose.RISK):
            ConsentFactory(patient, purpose, by=manager, at=MONDAY.replace(day=20))
    return patient
