"""Giving a person's data to somebody outside is asked at the desk too: one recipient at a time, with evidence, nothing bundled."""

from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic, User
from consent.choices import SELF_RECIPIENT, Operation
from consent.models import ConsentEvent, Recipient
from consent.queries import check
from consent.recipients import cut_off
from patients.models import Patient
from tests.consent.test_pages import answers
from tests.factories.consent import RecipientFactory, published
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


@laid_out
def hospitals(clinic: Clinic, nurse: Actor) -> None:
    """Two hospitals on the register, and a notice that asks for referrals."""
    with acting(nurse):
        published(clinic, Purpose.REFERRAL, by=nurse, at=timezone.now())
        for code, name in (("hospital", "城西医院"), ("other", "城东医院")):
            RecipientFactory(clinic, by=nurse, at=timezone.now(), code=code, name=name)


def page(patient: Patient, code: str = "hospital") -> str:
    with acting(system_actor("test", patient.clinic_id)):
        recipient = Recipient.objects.get(code=code)
    return reverse("consent:share", args=[patient.pk, recipient.pk])


def allowed(patient: Patient, recipient: str, by: Actor) -> bool:
    with acting(by):
        at = timezone.now()
        return check(patient.pk, Purpose.REFERRAL, recipient=recipient, op=Operation.SHARE, at=at).allowed


@pytest.mark.usefixtures("hospitals")
def test_a_yes_holds_for_one_recipient_and_is_taken_back_there(
    desk: Client, patient: Patient, nurse: Actor
) -> None:
    listed = desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
    assert page(patient) in listed
    assert page(patient, "other") in listed
    asked = desk.get(page(patient)).content.decode()
    assert asked.count('role="switch"') == 1
    assert "checked" not in asked.split('role="switch"')[1].split(">")[0]

    assert desk.post(page(patient), answers(Purpose.REFERRAL)).status_code == 302
    assert [allowed(patient, to, nurse) for to in ("hospital", "other", SELF_RECIPIENT)] == [
        True,
        False,
        False,
    ]
    with acting(nurse), access(Purpose.CARE, Kind.VIEWED):
        assert {line.evidence for line in ConsentEvent.objects.all()} == {"陈护士"}

    assert desk.post(page(patient), {"withdraw": "referral"}).status_code == 302
    assert not allowed(patient, "hospital", nurse)


@pytest.mark.usefixtures("hospitals")
def test_nobody_is_given_anything_without_evidence_or_off_the_register(
    desk: Client, patient: Patient, nurse: Actor, clinic: Clinic
) -> None:
    assert desk.post(page(patient), answers(Purpose.REFERRAL, witness="")).status_code == 200
    assert desk.post(page(patient), answers(Purpose.REFERRAL, told="")).status_code == 200
    assert desk.post(page(patient), {"withdraw": "care"}).status_code == 404
    nobody = reverse("consent:share", args=[patient.pk, uuid4()])
    assert desk.post(nobody, answers(Purpose.REFERRAL)).status_code == 404
    other = page(patient, "other")
    with acting(nurse):
        cut_off(Recipient.objects.get(code="other").pk, by=nurse, at=timezone.now())
    assert desk.post(other, answers(Purpose.REFERRAL)).status_code == 404
    with acting(nurse):
        assert not ConsentEvent.objects.exists()
