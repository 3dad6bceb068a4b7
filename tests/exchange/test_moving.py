"""A person moves to another provider: their own yes to this very one, then the bundle, once, on the sharing log."""

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from clinics.roles import Role
from consent.choices import GivenThrough, RequestKind
from consent.models import ConsentEvent, Disclosure, PersonRequest
from consent.requests import ask
from exchange.fhir import parse_bundle
from patients.choices import CareRole, PortalRelation
from patients.services import give_portal_access
from patients.services.access import begin_care
from tests.factories.clinics import StaffFactory, StaffRoleFactory
from tests.factories.consent import ConsentFactory, RecipientFactory, published
from tests.factories.followups import file_results
from tests.factories.patients import OPENED_AT, PatientFactory
from tests.portal.conftest import about

pytestmark = pytest.mark.django_db
Moving = tuple[PersonRequest, Client, Client]


@pytest.fixture
def moving(clinic: Clinic) -> Moving:
    """What somebody with results asked for: to move; their phone, and their doctor's browser."""
    at, doctor = timezone.now(), StaffFactory()
    StaffRoleFactory(user=doctor, clinic=clinic, role=Role.DOCTOR)
    with acting(system_actor("test", clinic.pk)) as house:
        patient = PatientFactory(clinic=clinic, name="邓淑英")
        begin_care(patient, role=CareRole.DOCTOR, staff=doctor, by=house, at=OPENED_AT)
        ConsentFactory(patient, Purpose.CARE, by=house, at=OPENED_AT)
        file_results(patient, by=house, at=at, ldl="4.60")
        for code in ("hospital", "laboratory"):
            RecipientFactory(clinic, by=house, code=code)
        published(clinic, Purpose.REFERRAL, by=house)
        own = give_portal_access(patient, PortalRelation.SELF, by=house, at=OPENED_AT).user
        asked = ask(patient, RequestKind.MOVE, asked_through=GivenThrough.PORTAL, by=house, at=at)
    phone, browser = Client(), Client()
    phone.force_login(own)
    browser.force_login(doctor)
    return asked, phone, browser


@pytest.mark.requirement("PIPL-45b", "NDR-25")
def test_the_record_goes_to_whom_the_person_agreed_and_to_nobody_else(moving: Moving, clinic: Clinic) -> None:
    asked, phone, browser = moving
    address = f"/import/hand-over/{asked.pk}/"
    assert browser.post(address, {"to": "hospital"}).context["refused"]

    page = phone.get("/p/east/data/ask/move/")
    assert [one.code for one in page.context["recipients"]] == ["hospital", "laboratory"]
    permission = "/p/east/permissions/referral/"
    assert phone.get(f"{permission}?to=nobody").status_code == 404
    question = phone.get(f"{permission}?to=hospital")
    said = {**about(phone), "answer": "yes", "token": question.context["token"], "to": "hospital"}
    assert phone.post(permission, said).status_code == 302

    assert browser.post(address, {"to": "laboratory"}).context["refused"]
    answer = browser.post(address, {"to": "hospital"})
    assert parse_bundle(answer.content).person.name == "邓淑英"
    with acting(system_actor("test", clinic.pk)):
        disclosure = Disclosure.objects.get()
        assert (disclosure.recipient.code, disclosure.what) == ("hospital", "record")
        own_word = ConsentEvent.objects.defer("evidence").filter(event="granted", recipient="hospital")
        assert disclosure.decision_id in set(own_word.values_list("pk", flat=True))
        assert PersonRequest.objects.defer("words", "answer").get().state == "done"
        assert AuditEvent.objects.filter(kind="exported", purpose="referral").exists()
    assert browser.post(address, {"to": "hospital"}).status_code == 409  # once


def test_nobody_outside_the_persons_care_hands_it_over(moving: Moving, clinic: Clinic) -> None:
    asked, _phone, _browser = moving
    for role, status in ((Role.DOCTOR, 404), (Role.FRONT_DESK, 403), (Role.PRIVACY_OFFICER, 403)):
        user, stranger = StaffFactory(), Client()
        StaffRoleFactory(user=user, clinic=clinic, role=role)
        stranger.force_login(user)
        assert stranger.post(f"/import/hand-over/{asked.pk}/", {"to": "hospital"}).status_code == status
