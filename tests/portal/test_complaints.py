"""A complaint goes to the privacy officer alone, sealed, with a clock; its answer stands on the person's own page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.models import Alarm, AuditEvent
from clinics.models import Clinic
from clinics.roles import Role
from consent.complaints import MOST_OPEN, complain, raise_overdue_complaints
from consent.errors import TooManyComplaints
from consent.models import Complaint
from tests.factories.clinics import StaffFactory, StaffRoleFactory
from tests.portal.conftest import Person, Register, about, system

pytestmark = pytest.mark.django_db
HERE, DESK = "/p/east/complaint/", "/complaints/"
WORDS = "前台大声念了我的化验结果"


def staff(clinic: Clinic, role: Role) -> Client:
    user = StaffFactory()
    StaffRoleFactory(user=user, clinic=clinic, role=role)
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.mark.requirement("PIPL-50")
def test_it_is_read_and_answered_by_the_privacy_officer_and_by_nobody_who_cares_for_the_person(
    person: Person, clinic: Clinic, phone_client: Client, register: Register
) -> None:
    assert phone_client.post(HERE, {**about(phone_client), "words": WORDS}).status_code == 302
    assert phone_client.post(HERE, {**about(phone_client), "words": "  "}).status_code == 200
    officer = staff(clinic, Role.PRIVACY_OFFICER)
    page = officer.get(DESK).content.decode()
    assert WORDS in page
    assert person.patient.service_number in page
    assert "邓淑英" not in page
    for role in (Role.DOCTOR, Role.FRONT_DESK, Role.MANAGER, Role.ADMINISTRATOR):
        assert staff(clinic, role).get(DESK).status_code == 403

    with acting(system(clinic)):
        complaint = Complaint.objects.defer("words", "answer").get()
    for answer in ("", "已换到诊室内告知，谢谢您。", "另一个回答"):
        officer.post(DESK, {"complaint": str(complaint.pk), "answer": answer})
    own = phone_client.get(HERE).content.decode()
    assert WORDS in own
    assert "已换到诊室内告知" in own
    assert "另一个回答" not in own
    assert WORDS not in officer.get(DESK).content.decode()
    with acting(system(clinic)):
        assert AuditEvent.objects.filter(action="complaint.answered").count() == 1

    other = register(clinic, phone="+8613800000002", name="李四")
    stranger = Client()
    stranger.force_login(other.user)
    assert WORDS not in stranger.get(HERE).content.decode()


def test_another_clinic_neither_sees_nor_answers_it(
    clinic: Clinic, other_clinic: Clinic, phone_client: Client
) -> None:
    phone_client.post(HERE, {**about(phone_client), "words": WORDS})
    with acting(system(clinic)):
        complaint = Complaint.objects.defer("words", "answer").get()
    elsewhere = staff(other_clinic, Role.PRIVACY_OFFICER)
    assert elsewhere.get(DESK).context["count"] == 0
    assert elsewhere.post(DESK, {"complaint": str(complaint.pk), "answer": "好"}).status_code == 404


def test_after_thirty_days_an_alarm_rings_and_nobody_buries_their_own_complaints(
    person: Person, clinic: Clinic
) -> None:
    at = timezone.now()
    with acting(system(clinic)) as by:
        for number in range(MOST_OPEN):
            complain(person.patient, f"{WORDS} {number}", by=by, at=at)
        with pytest.raises(TooManyComplaints):
            complain(person.patient, WORDS, by=by, at=at)
        assert raise_overdue_complaints(clinic.pk, at + timedelta(days=29)) == 0
        assert raise_overdue_complaints(clinic.pk, at + timedelta(days=30)) == MOST_OPEN
        assert Alarm.objects.filter(rule="request.overdue").count() == MOST_OPEN
