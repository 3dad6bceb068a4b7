"""The register of recipients: who comes on it, what was given to each, and that a cut-off says first what stops."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from clinics.roles import Role
from consent.errors import NotARecipient
from consent.models import Disclosure, Recipient
from patients.models import Patient
from tests.consent.conftest import Hire
from tests.consent.test_recipients import hand_over
from tests.factories.consent import AssessmentFactory, ConsentFactory, RecipientFactory, published
from tests.laid_out import laid_out

AGREED = {
    "code": "west", "name": "城西医院", "kind": "provider", "role": "handler", "contact": "010-5550 0300", "country": "CN",
    "purposes": ["referral"], "categories": ["health"], "agreement": "HT-1", "keeps_it": "on",
}  # fmt: skip


@pytest.fixture
def manager(client: Client, clinic: Clinic, hire: Hire) -> Client:
    client.force_login(hire(clinic, role=Role.MANAGER))
    return client


@laid_out
def hospital(clinic: Clinic, patient: Patient, nurse: Actor) -> Recipient:
    """The hospital, to which this patient has agreed to be referred."""
    now = timezone.now()
    with acting(nurse):
        hospital = RecipientFactory(clinic, by=nurse, at=now)
        notice = published(clinic, Purpose.REFERRAL, by=nurse, at=now)
        ConsentFactory(patient, Purpose.REFERRAL, by=nurse, at=now, notice=notice, recipient=hospital.code)
    return hospital


def days(**typed: Any) -> dict[str, Any]:
    today = timezone.localdate()
    ends = {
        "begins_on": today,
        "ends_on": today + timedelta(days=300),
        "review_on": today + timedelta(days=90),
    }
    return {**AGREED, **{name: day.isoformat() for name, day in ends.items()}, **typed}


def test_somebody_comes_on_the_register_by_agreement_and_assessment(
    manager: Client, clinic: Clinic, nurse: Actor
) -> None:
    with acting(nurse):
        number = AssessmentFactory(clinic, Purpose.REFERRAL, by=nurse, at=timezone.now())
    for typed, where in (
        ({"assessment": "PIA-0"}, "assessment"),
        ({"keeps_it": ""}, "keeps_it"),
        ({"kind": "employer"}, "__all__"),
        ({"country": "DE"}, "route"),
        ({"ends_on": "2020-01-01"}, "ends_on"),
        ({"review_on": "2020-01-01"}, "review_on"),
    ):
        answer = manager.post("/recipients/new/", days(**{"assessment": number, **typed}))
        assert where in answer.context["form"].errors, typed
    with acting(nurse):
        assert not Recipient.objects.exists()
    assert manager.post("/recipients/new/", days(assessment=number)).status_code == 302
    assert "code" in manager.post("/recipients/new/", days(assessment=number)).context["form"].errors
    with acting(nurse):
        assert Recipient.objects.get().name == "城西医院"
    assert "城西医院" in manager.get("/recipients/").content.decode()


def test_the_sharing_log_stands_with_the_recipient_by_service_number(
    manager: Client, hospital: Recipient, patient: Patient, nurse: Actor
) -> None:
    with acting(nurse):
        hand_over(patient, nurse, at=timezone.now(), what="record")
    page = manager.get(f"/recipients/{hospital.pk}/").content.decode()

    assert patient.service_number in page
    assert "整份档案" in page
    with acting(nurse):
        assert AuditEvent.objects.filter(action="data.given").count() == 1


def test_a_cut_off_says_first_what_stops_and_then_it_stops_for_good(
    manager: Client, hospital: Recipient, patient: Patient, nurse: Actor
) -> None:
    address = f"/recipients/{hospital.pk}/"
    said = manager.get(f"{address}cut-off/")
    assert (said.context["permits"], said.context["given"]) == (1, 0)
    with acting(nurse):
        hand_over(patient, nurse, at=timezone.now())
    assert manager.post(f"{address}cut-off/").status_code == 302

    with acting(nurse), pytest.raises(NotARecipient):
        hand_over(patient, nurse, at=timezone.now())
    with acting(nurse):
        assert AuditEvent.objects.filter(action="recipient.cut_off").count() == 1
    review = {"review_on": (timezone.localdate() + timedelta(days=9)).isoformat()}
    assert manager.post(address, review).status_code == 409


def test_a_review_moves_the_day_and_what_was_asked_back_is_confirmed_once_seen(
    manager: Client, hospital: Recipient, patient: Patient, nurse: Actor
) -> None:
    address, day = f"/recipients/{hospital.pk}/", timezone.localdate() + timedelta(days=9)
    assert manager.post(address, {"review_on": "2020-01-01"}).status_code == 200
    assert manager.post(address, {"review_on": day.isoformat()}).status_code == 302
    now = timezone.now()
    with acting(nurse):
        assert Recipient.objects.get().review_on == day
        given = hand_over(patient, nurse, at=now)
    back = f"{address}given/{given.pk}/recalled/"
    assert manager.post(back).status_code == 404  # nobody asked for it
    with acting(nurse):
        Disclosure.objects.update(recall_asked_at=now, recall_due_at=now)
    assert manager.post(f"/recipients/{uuid4()}/given/{given.pk}/recalled/").status_code == 404
    assert manager.post(back).status_code == 302
    with acting(nurse):
        assert Disclosure.objects.get().recalled_at is not None


def test_the_register_is_closed_to_those_who_care_for_people_and_to_another_clinic(
    hospital: Recipient, other_clinic: Clinic, hire: Hire, nurse_account: Any
) -> None:
    for account, status in ((nurse_account, 403), (hire(other_clinic, role=Role.MANAGER), 404)):
        visitor = Client()
        visitor.force_login(account)
        for way in ("", "cut-off/"):
            assert (
                visitor.post(f"/recipients/{hospital.pk}/{way}", {"review_on": "2030-01-01"}).status_code
                == status
            )
