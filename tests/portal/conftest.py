"""A clinic, a patient with portal access, and a phone that receives texts."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.core import mail
from django.test import Client

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.models import Clinic, User
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from patients.services import give_portal_access
from portal import services
from tests.factories.clinics import ClinicFactory
from tests.factories.patients import OPENED_AT, PatientFactory
from tests.laid_out import laid_out

PHONE = "+8613800000001"
TYPED = "138 0000 0001"


@dataclass(frozen=True)
class Person:
    """A patient and the account on their phone."""

    patient: Patient
    user: User


Register = Callable[..., Person]


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def other_clinic() -> Clinic:
    return ClinicFactory("west")


def system(clinic: Clinic) -> Actor:
    return system_actor("test", clinic.pk)


@laid_out
def register() -> Register:
    def register(clinic: Clinic, phone: str = PHONE, name: str = "邓淑英") -> Person:
        with acting(system(clinic)):
            patient = PatientFactory(clinic=clinic, phone=phone, name=name)
            access = give_portal_access(patient, PortalRelation.SELF, by=system(clinic), at=OPENED_AT)
        return Person(patient, access.user)

    return register


@laid_out
def person(clinic: Clinic, register: Register) -> Person:
    return register(clinic)


@laid_out
def daughter(clinic: Clinic, register: Register) -> Person:
    return register(clinic, phone="+8613800000002", name="邓小雨")


@laid_out
def given(person: Person, daughter: Person, clinic: Clinic) -> PortalAccess:
    """The daughter looks after the person's pages."""
    by = system(clinic)
    with acting(by):
        return give_portal_access(person.patient, PortalRelation.PROXY, by, at=OPENED_AT, user=daughter.user)


@pytest.fixture
def phone_client(person: Person, client: Client) -> Client:
    """The patient's phone, signed in."""
    client.force_login(person.user)
    return client


@pytest.fixture(autouse=True)
def prompt_postman(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are posted at once instead of beside the answer, so that a test can read them."""

    class Prompt:
        def submit(self, post: Callable[..., None], *args: object) -> None:
            post(*args)

    monkeypatch.setattr(services, "_postman", Prompt())


def as_proxy(daughter: Person, person: Person) -> Client:
    """The daughter's phone, turned to the person's pages."""
    phone = Client()
    phone.force_login(daughter.user)
    assert phone.post("/p/east/people/", {"patient": str(person.patient.pk)}).status_code == 302
    return phone


def about(phone: Client) -> dict[str, str]:
    """What a form of the pages that are open on this phone says of whom it is about."""
    return {"about": str(phone.get("/p/east/").context["screen"].shown.patient_id)}


def texts() -> list[str]:
    """What arrived on phones."""
    return [str(message.body) for message in mail.outbox]


def code_in(text: str) -> str:
    found = re.search(r"\d{6}", text)
    assert found, text
    return found.group()
