"""Work by service number: neither name nor phone opens, calls are put through, and results and to-dos stay usable."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from clinics.models import CareTeam, Clinic, StaffRole, User
from clinics.roles import Role
from patients.errors import SearchByNumberOnly
from patients.models import Patient
from patients.queries import search_patients
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]
HTMX = {"HX-Request": "true"}


@laid_out
def patient(clinic: Clinic, nurse: Actor) -> Patient:
    with acting(nurse):
        return PatientFactory(clinic=clinic, by=nurse, name="邓淑英", phone="+8613800001111")


@laid_out
def caller(clinic: Clinic, team: CareTeam, hire: Hire) -> User:
    return hire(clinic, team, role=Role.CALLER)


@pytest.fixture
def phone(caller: User, client: Client) -> Client:
    client.force_login(caller)
    return client


def identity_in_log(clinic: Clinic, nurse: Actor, caller: User) -> set[str]:
    with acting(nurse):
        seen = AuditEvent.objects.filter(action="access", actor_id=caller.pk).exclude(kind="computed")
        return {name for event in seen for name in event.changes or () if name.startswith("patient.identity")}


@pytest.mark.parametrize("also", [None, Role.DOCTOR])
def test_no_page_shows_name_or_phone_whatever_else_the_caller_is(
    also: Role | None, patient: Patient, caller: User, phone: Client, clinic: Clinic, nurse: Actor
) -> None:
    if also:
        StaffRole.objects.create(user=caller, clinic=clinic, role=also)
    for address in ("/", "/patients/", f"/patients/{patient.pk}/", f"/patients/{patient.pk}/results/"):
        page = phone.get(address)
        text = page.content.decode()
        assert page.status_code == 200, address
        assert "邓" not in text, address
        assert not [part for part in ("13800001111", "138****") if part in text], address
    assert patient.service_number in phone.get("/patients/").content.decode()
    assert identity_in_log(clinic, nurse, caller) == set()


def test_nothing_can_be_revealed_to_them(patient: Patient, phone: Client) -> None:
    for part in ("name", "phone", "id_number"):
        answer = phone.post(f"/patients/{patient.pk}/reveal/", {"part": part, "reason": "call"}, headers=HTMX)
        assert answer.status_code == 403


@pytest.mark.parametrize("typed", ["邓淑英", "邓淑", "13800001111", "1111", "dsy"])
def test_they_cannot_ask_who_has_which_name_or_phone(
    typed: str, patient: Patient, caller: User, clinic: Clinic
) -> None:
    actor = actor_for(caller, clinic)
    with acting(actor), pytest.raises(SearchByNumberOnly):
        search_patients(actor, clinic.pk, typed)


def test_they_find_people_by_service_number(
    patient: Patient, caller: User, clinic: Clinic, phone: Client
) -> None:
    actor = actor_for(caller, clinic)
    with acting(actor):
        (match,) = search_patients(actor, clinic.pk, patient.service_number)
    assert match.patient == patient
    assert "邓" not in phone.post("/patients/search/", {"q": patient.service_number}).content.decode()


def test_a_call_is_put_through_and_the_number_is_in_no_answer(
    patient: Patient, caller: User, phone: Client, clinic: Clinic, nurse: Actor
) -> None:
    answer = phone.post(f"/patients/{patient.pk}/call/", follow=True)

    assert answer.status_code == 200
    assert "13800001111" not in answer.content.decode()
    assert [(sent.to, sent.body) for sent in mail.outbox] == [
        (["8613800001111@calls.mailbox.invalid"], caller.get_full_name())
    ]
    with acting(nurse):
        (asked,) = AuditEvent.objects.filter(action="call.asked_for")
        assert asked.actor_id == caller.pk


def test_a_call_to_a_stranger_or_to_nobody_is_not_put_through(
    patient: Patient, clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor, client: Client
) -> None:
    with acting(nurse):
        without = PatientFactory(clinic=clinic, by=nurse, phone=None)
    client.force_login(hire(clinic, other_team, role=Role.CALLER))
    assert client.post(f"/patients/{patient.pk}/call/").status_code == 404
    client.force_login(User.objects.get(pk=str(nurse.user_id)))
    assert client.post(f"/patients/{without.pk}/call/").status_code == 409
    assert mail.outbox == []


def test_a_telephone_system_that_is_away_is_said_and_leaves_nothing(
    patient: Patient, phone: Client, nurse: Actor, settings: Any
) -> None:
    settings.TELEPHONY = "clinics.channels.NoTelephony"

    assert phone.post(f"/patients/{patient.pk}/call/").status_code == 503
    with acting(nurse):
        assert not AuditEvent.objects.filter(action="call.asked_for").exists()
