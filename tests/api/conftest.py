"""A clinic with a doctor, a patient of theirs with results and a to-do, and programs with tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from clinics.tokens import make_token
from followups.loop import take_changes
from followups.models import FollowUp
from patients.models import Patient
from records.models import Observation
from tests.api.machine import Machine, call
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.consent import ConsentFactory, NoticeFactory
from tests.factories.followups import file_results
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

Hire = Callable[..., User]


@pytest.fixture(autouse=True)
def nobody_has_knocked_yet() -> None:
    """Requests are counted by the minute, and other tests come from the same address."""
    cache.clear()


@dataclass(frozen=True)
class House:
    clinic: Clinic
    team: CareTeam
    doctor: User
    officer: User
    patient: Patient
    ids: dict[str, Any]

    @property
    def actor(self) -> Actor:
        return actor_for(self.doctor, self.clinic)


@laid_out
def hire() -> Hire:
    """Somebody at work in a clinic, with a second factor."""

    def hire(clinic: Clinic, role: Role = Role.DOCTOR, *, team: CareTeam | None = None) -> User:
        user = StaffFactory()
        StaffRoleFactory(user=user, clinic=clinic, role=role)
        if team is not None:
            TeamMemberFactory(team=team, user=user)
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
        return user

    return hire


@laid_out
def house(hire: Hire) -> House:
    clinic = ClinicFactory("east")
    team = CareTeamFactory(clinic=clinic)
    doctor, officer = hire(clinic, team=team), hire(clinic, Role.PRIVACY_OFFICER)
    actor, now = actor_for(doctor, clinic), timezone.now()
    with acting(actor):
        patient = PatientFactory(clinic=clinic, by=actor, name="陈雅琴", phone="+8613900001234")
        for purpose in (Purpose.CARE, Purpose.REPORT, Purpose.FOLLOWUP, Purpose.RISK):
            ConsentFactory(patient, purpose, by=actor, at=now)
        file_results(patient, by=actor, at=now, ldl="4.60", k="7.10")
    take_changes(clinic, now)
    with acting(actor):
        todo = FollowUp.objects.filter(patient=patient, urgency="class_a").defer("note")[0]
        ids = {
            "patient_id": patient.pk,
            "follow_up_id": todo.pk,
            "observation_id": Observation.objects.filter(patient=patient)[0].pk,
            "purpose": "followup",
            "notice": NoticeFactory(patient, Purpose.FOLLOWUP, at=now).pk,
        }
    return House(clinic, team, doctor, officer, patient, ids)


@laid_out
def token_for() -> Callable[..., str]:
    """The secret of a token, made by the service."""

    def token_for(user: User, clinic: Clinic, *scopes: str, days: int = 30, by: User | None = None) -> str:
        from clinics.tokens import scopes_open_to

        with acting(system_actor("test", clinic.pk), clinic.pk):
            made = make_token(
                uuid4(),
                user,
                clinic,
                label="化验室",
                scopes=scopes or scopes_open_to(user, clinic),
                days=days,
                by=by or user,
                at=timezone.now(),
            )
        assert made.secret is not None
        return made.secret

    return token_for


TokenFor = Callable[..., str]


@laid_out
def doctors_token(house: House, token_for: TokenFor) -> str:
    return token_for(house.doctor, house.clinic)


@laid_out
def officers_token(house: House, token_for: TokenFor) -> str:
    return token_for(house.officer, house.clinic)


@pytest.fixture
def doctor(doctors_token: str) -> Machine:
    """A program with everything the doctor may."""
    return Machine(doctors_token)


@pytest.fixture
def officer(officers_token: str) -> Machine:
    return Machine(officers_token)


def machine_for(name: str, doctor: Machine, officer: Machine) -> Machine:
    """Who may call this address: the log is the privacy officer's."""
    return officer if name == "events" else doctor


def browser(user: User, *, csrf: bool = False) -> Client:
    client = Client(raise_request_exception=False, enforce_csrf_checks=csrf)
    client.force_login(user, backend="clinics.accounts.backend.AccountBackend")
    return client


def etag(machine: Machine, house: House, name: str = "patient") -> str:
    return str(machine.get(call(name).path(house.ids)).headers["ETag"])
