"""A guardian and the pages of who they look after: all of a child's, of a young person's what they allow, of an adult's nothing."""

from datetime import date, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import ExpressedBy, GivenThrough
from consent.errors import OwnWordNeeded
from consent.services import withdraw_consent
from patients.choices import PortalRelation
from patients.models import Patient
from patients.services import give_portal_access
from tests.factories.consent import ConsentFactory, published
from tests.factories.patients import OPENED_AT, PatientFactory
from tests.portal.conftest import Person, about, system

pytestmark = pytest.mark.django_db
CLOSED = ("results/", "permissions/", "history/", "data/", "data/ask/copy/", "history/consents.json")


def looked_after(
    clinic: Clinic, person: Person, age: int, *, since: datetime = OPENED_AT
) -> tuple[Patient, Client]:
    """Somebody of this age, and their guardian's phone turned to their pages."""
    today = timezone.localdate()
    with acting(system(clinic)) as by:
        born = date(today.year - age, 1, 1)
        child = PatientFactory(clinic=clinic, name="邓小雨", birth_date=born, phone="+8613800000009")
        give_portal_access(child, PortalRelation.GUARDIAN, by, at=since, user=person.user)
    phone = Client()
    phone.force_login(person.user)
    phone.post("/p/east/people/", {"patient": str(child.pk)})
    return child, phone


def answers(phone: Client) -> set[int]:
    return {phone.get(f"/p/east/{page}").status_code for page in CLOSED}


def test_a_guardian_sees_the_pages_of_a_child(clinic: Clinic, person: Person) -> None:
    _child, phone = looked_after(clinic, person, 13)
    assert answers(phone) == {200}


@pytest.mark.requirement("PIPL-31")
def test_a_young_person_is_asked_themselves_and_the_law_alone_tells_the_guardian(
    clinic: Clinic, person: Person
) -> None:
    young, phone = looked_after(clinic, person, 15)
    assert answers(phone) == {403}
    assert phone.get("/p/east/").templates[0].name == "portal/young.html"
    assert phone.get("/p/east/emergencies/").status_code == 200
    assert (
        phone.post("/p/east/emergencies/", about(phone)).status_code == 404
    )  # the young person has not read it
    no = {**about(phone), "answer": "no", "token": "0" * 32}
    assert phone.post("/p/east/permissions/followup/", no).status_code == 403

    with acting(system(clinic)) as by:
        notice = published(clinic, Purpose.FAMILY, by=by)
        ConsentFactory(young, Purpose.FAMILY, by=by, notice=notice, at=OPENED_AT)
    assert answers(phone) == {200}

    with acting(system(clinic)) as by:
        for purpose in (Purpose.FAMILY, Purpose.CARE):
            with pytest.raises(OwnWordNeeded):
                withdraw_consent(
                    young,
                    purpose,
                    by=by,
                    at=timezone.now(),
                    given_through=GivenThrough.PORTAL,
                    expressed_by=ExpressedBy.GUARDIAN,
                )
        withdraw_consent(young, Purpose.FAMILY, by=by, at=timezone.now(), given_through=GivenThrough.PORTAL)
    assert answers(phone) == {403}


def test_on_the_eighteenth_birthday_a_guardians_view_ends(clinic: Clinic, person: Person) -> None:
    adult, phone = looked_after(clinic, person, 18, since=timezone.now() - timedelta(days=400))
    assert adult.pk not in {access.patient_id for access in phone.get("/p/east/").context["screen"].others}
    assert phone.post("/p/east/people/", {"patient": str(adult.pk)}).status_code == 404


def test_who_became_the_guardian_of_an_adult_sees_their_pages(clinic: Clinic, person: Person) -> None:
    _adult, phone = looked_after(clinic, person, 70)
    assert answers(phone) == {200}
