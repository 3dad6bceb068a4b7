"""Each message carries a link that ends such messages: one tap, no sign-in, once, and nobody guesses it."""

import re

import pytest
from django.core import mail
from django.test import Client

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough, StartedBy
from consent.models import ConsentEvent, OptOutLink
from consent.queries import check
from followups import sending
from followups.choices import FollowUpState, MessageState
from followups.loop import claim_due, send_queued
from followups.models import FollowUp, Message
from followups.sending import start
from patients.models import Patient
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import PatientFactory
from tests.followups.test_sending import MINUTE, Carrier

STOP = re.compile(r"http://testserver(/p/east/stop/[\w-]{22}/)")


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Carrier:
    carrier = Carrier()
    monkeypatch.setattr(sending, "send_sms", carrier)
    return carrier


@pytest.fixture
def link(patient: Patient, manager: Actor, clinic: Clinic, carrier: Carrier) -> str:
    """The address in a reminder that has just arrived; another reminder waits."""
    with acting(manager, clinic.pk):
        file_results(patient, by=manager, ldl=HIGH_LDL)
    take(clinic)
    claim_due(clinic, MONDAY)
    send_queued(clinic, MONDAY)
    ((_phone, body),) = carrier.delivered.values()
    found = STOP.search(body)
    assert found, body
    return found.group(1)


def permitted(patient: Patient, channel: str) -> bool:
    return check(patient.pk, Purpose.FOLLOWUP, channel=channel, at=MONDAY).allowed


@pytest.mark.requirement("PIPL-15a")
def test_looking_changes_nothing_and_one_tap_ends_such_messages_and_nothing_else(
    link: str, at_work: Actor, patient: Patient, client: Client
) -> None:
    waiting = Message.objects.filter(patient=patient, state=MessageState.PLANNED)
    assert waiting.exists()
    asked = client.get(link).content.decode()
    assert permitted(patient, "sms")
    assert patient.service_number not in asked
    assert client.post(link).status_code == 200
    assert not permitted(patient, "sms")
    assert permitted(patient, "email")
    assert not waiting.exists()
    assert FollowUp.objects.filter(patient=patient, state=FollowUpState.OPEN).exists()


def test_it_works_once_and_says_so_again(link: str, at_work: Actor, patient: Patient, client: Client) -> None:
    client.post(link)
    lines = ConsentEvent.objects.filter(given_through=GivenThrough.LINK).count()
    ConsentFactory(patient, by=at_work)  # the person wants them again
    assert permitted(patient, "sms")
    assert client.post(link).status_code == 200
    assert permitted(patient, "sms")
    assert ConsentEvent.objects.filter(given_through=GivenThrough.LINK).count() == lines == 2
    assert AuditEvent.objects.filter(action="consent.opted_out").count() == 1


def test_the_desk_cannot_open_what_the_person_shut_by_a_link(
    link: str, at_work: Actor, patient: Patient, client: Client
) -> None:
    client.post(link)
    ConsentFactory(patient, by=at_work, started_by=StartedBy.CLINIC)
    assert not permitted(patient, "sms")


def test_a_link_that_nobody_sent_leads_nowhere_and_the_table_makes_none(
    link: str, at_work: Actor, clinic: Clinic, client: Client
) -> None:
    kept = bytes(OptOutLink.objects.get().token_mac).hex()
    token = link.split("/")[-2]
    for guess in (kept, kept[:22], token[:-1], token.swapcase(), str(OptOutLink.objects.get().pk)):
        for ask in (client.get, client.post):
            assert ask(f"/p/east/stop/{guess}/").status_code == 404
    assert OptOutLink.objects.get().used_at is None


def test_of_two_who_share_a_phone_the_one_whose_message_it_was(
    link: str, at_work: Actor, patient: Patient, clinic: Clinic, client: Client
) -> None:
    spouse = PatientFactory(clinic=clinic, by=at_work, phone="+8613800001234")
    ConsentFactory(spouse, by=at_work)
    client.post(link)
    assert (permitted(patient, "sms"), permitted(spouse, "sms")) == (False, True)


def test_a_message_that_is_sent_again_carries_the_same_link(
    patient: Patient, manager: Actor, clinic: Clinic, carrier: Carrier
) -> None:
    with acting(manager, clinic.pk):
        file_results(patient, by=manager, ldl=HIGH_LDL)
    take(clinic)
    claim_due(clinic, MONDAY)
    first = start(clinic, MONDAY)
    again = start(clinic, MONDAY + MINUTE)
    assert first[0].stop == again[0].stop
    with acting(manager, clinic.pk):
        assert OptOutLink.objects.count() == 1


def test_a_mail_program_can_end_it_with_one_click(
    at_work: Actor, patient: Patient, clinic: Clinic, client: Client
) -> None:
    patient.identity.replace(phone=None, email="chen@example.invalid")
    patient.save()
    file_results(patient, by=at_work, ldl=HIGH_LDL)
    take(clinic)
    claim_due(clinic, MONDAY)
    send_queued(clinic, MONDAY)
    headers = mail.outbox[0].extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = headers["List-Unsubscribe"].strip("<>").removeprefix("http://testserver")
    program = Client(enforce_csrf_checks=True)
    assert program.post(address, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not permitted(patient, "email")
    assert Message.objects.filter(patient=patient, state=MessageState.PLANNED).count() == 0
