"""A relative is let in at the desk with the person's own consent, its proof and an end; and let out at once."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor
from audit.purposes import Purpose
from clinics.models import Clinic, User
from consent.choices import GivenThrough, Operation
from consent.models import ConsentEvent
from consent.queries import check
from consent.services import withdraw_consent
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from patients.queries import who_else_sees
from patients.services import give_portal_access
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


@laid_out
def daughter(clinic: Clinic, nurse: Actor) -> Patient:
    """Somebody with a card and pages of her own."""
    with acting(nurse):
        daughter = PatientFactory(clinic=clinic, by=nurse)
        give_portal_access(daughter, PortalRelation.SELF, nurse, at=timezone.now())
    return daughter


def let_in(desk: Client, patient: Patient, whom: str, **typed: Any) -> Any:
    said = {"form_token": str(uuid4()), "number": whom, "last_on": (timezone.localdate() + timedelta(days=30)).isoformat(),
            "told": "on", "expressed_by": "self", "method": "verbal_witnessed", "witness": "王敏", "proof": "户口本"}  # fmt: skip
    return desk.post(reverse("consent:proxies_of", args=[patient.pk]), {**said, **typed})


def others(patient: Patient, nurse: Actor) -> list[PortalAccess]:
    with acting(nurse):
        return list(who_else_sees(patient, at=timezone.now()))


def test_a_relative_is_let_in_with_the_persons_consent_until_a_day_and_out_at_once(
    desk: Client, patient: Patient, daughter: Patient, nurse: Actor
) -> None:
    assert let_in(desk, patient, daughter.service_number).status_code == 302
    (given,) = others(patient, nurse)
    assert (given.relation, given.valid_until is not None) == (PortalRelation.PROXY, True)
    with acting(nurse):
        assert check(patient.pk, Purpose.FAMILY, op=Operation.SHARE, at=timezone.now()).allowed
    assert (
        daughter.service_number in desk.get(reverse("consent:proxies_of", args=[patient.pk])).content.decode()
    )

    assert desk.post(reverse("consent:end_proxy", args=[patient.pk, given.pk])).status_code == 302
    assert others(patient, nurse) == []
    assert let_in(desk, patient, daughter.service_number).status_code == 302  # asked anew, it begins anew
    with acting(nurse):
        withdraw_consent(
            patient, Purpose.FAMILY, by=nurse, at=timezone.now(), given_through=GivenThrough.PORTAL
        )
    assert others(patient, nurse) == []


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ({"proof": ""}, "proof"),
        ({"witness": ""}, "witness"),
        ({"told": ""}, "told"),
        ({"last_on": "2020-01-01"}, "last_on"),
        ({"method": "paper"}, "scan"),
        ({"number": "ZZ-0000-0000"}, "number"),
    ],
)
def test_nobody_is_let_in_without_proof_or_by_a_number_of_nobody(
    desk: Client, patient: Patient, daughter: Patient, nurse: Actor, typed: dict[str, Any], where: str
) -> None:
    assert where in let_in(desk, patient, daughter.service_number, **typed).context["form"].errors
    assert others(patient, nurse) == []
    with acting(nurse):
        assert not ConsentEvent.objects.filter(purpose="family").exists()


def test_for_a_child_a_guardian_says_it_and_a_young_person_says_it_alone(
    desk: Client, daughter: Patient, clinic: Clinic, nurse: Actor
) -> None:
    year = timezone.localdate().year
    for born, said, refused in ((year - 5, "guardian", "self"), (year - 16, "self", "guardian")):
        with acting(nurse):
            young = PatientFactory(clinic=clinic, by=nurse, birth_date=date(born, 1, 1))
        assert (
            "expressed_by"
            in let_in(desk, young, daughter.service_number, expressed_by=refused).context["form"].errors
        )
        assert let_in(desk, young, daughter.service_number, expressed_by=said).status_code == 302
        assert others(young, nurse)[0].relation == PortalRelation.GUARDIAN


def test_nobody_ends_what_is_not_this_persons(
    desk: Client, patient: Patient, daughter: Patient, nurse: Actor
) -> None:
    with acting(nurse):
        own = give_portal_access(patient, PortalRelation.SELF, nurse, at=timezone.now())
        hers = PortalAccess.objects.get(patient=daughter)
    for pk in (own.pk, hers.pk, uuid4()):
        assert desk.post(reverse("consent:end_proxy", args=[patient.pk, pk])).status_code == 404
