"""The desk's page of permissions, as a browser without scripts sees it."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from consent.choices import EventKind, State
from consent.models import ConfirmationCode, ConsentEvent
from consent.queries import states_of
from patients.choices import PhoneOwner
from patients.models import Patient
from tests.factories.patients import PatientFactory

pytestmark = pytest.mark.django_db
OnCommit = Callable[..., Any]
Hire = Callable[..., User]


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    """The nurse's browser, signed in, in English."""
    client.force_login(nurse_account)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


def address(patient: Patient) -> str:
    return reverse("consent:record", args=[patient.pk])


def answers(*yes: Purpose, **changed: str) -> dict[str, str]:
    """The form as the desk fills it in: what is not named stays off."""
    return {
        "form_token": str(uuid4()),
        "told": "on",
        "expressed_by": "self",
        "method": "verbal_witnessed",
        "witness": "陈护士",
        **{f"yes_{purpose.value}": "on" for purpose in yes},
        **changed,
    }


def standings(patient: Patient, nurse: Actor) -> dict[Purpose, State]:
    from django.utils import timezone

    with acting(nurse):
        return {purpose: standing.state for purpose, standing in states_of(patient, timezone.now()).items()}


@pytest.mark.requirement("PIPL-14a", "HIPAA-520")
def test_the_page_tells_everything_and_nothing_is_on_by_default(desk: Client, patient: Patient) -> None:
    page = desk.get(address(patient)).content.decode()
    assert page.count('role="switch"') == 4
    assert not re.search(r'role="switch"[^>]*checked', page)
    assert "邓*英" in page
    assert "邓淑英" not in page
    for words in ("Reminders", "Why they are needed", "If you say no", "15 years", "010-5550 0100"):
        assert words.casefold() in page.casefold()


@pytest.mark.requirement("PIPL-29", "GBT35273-5.3")
def test_each_purpose_is_recorded_by_itself(desk: Client, patient: Patient, nurse: Actor) -> None:
    sent = desk.post(address(patient), answers(Purpose.CARE, Purpose.FOLLOWUP))
    assert sent.status_code == 302
    states = standings(patient, nurse)
    assert states[Purpose.CARE] is State.GRANTED
    assert states[Purpose.FOLLOWUP] is State.GRANTED
    assert states[Purpose.REPORT] is State.REFUSED
    assert states[Purpose.RISK] is State.REFUSED
    with acting(nurse):
        assert ConsentEvent.objects.values("purpose").distinct().count() == 4
        assert AuditEvent.objects.filter(action="consent.granted").count() == 2
        assert AuditEvent.objects.filter(action="consent.refused").count() == 2


def test_sending_the_form_twice_is_harmless(desk: Client, patient: Patient, nurse: Actor) -> None:
    form = answers(Purpose.CARE)
    assert desk.post(address(patient), form).status_code == 302
    assert desk.post(address(patient), form).status_code == 302
    with acting(nurse):
        assert ConsentEvent.objects.filter(purpose="care").count() == 3


@pytest.mark.parametrize("token", ["portal", "%", "a\x00b", "x" * 100_000, ""])
def test_a_form_token_that_is_none_is_told_and_never_breaks_the_page(
    desk: Client, patient: Patient, nurse: Actor, token: str
) -> None:
    assert desk.post(address(patient), answers(Purpose.CARE, form_token=token)).status_code == 200
    with acting(nurse):
        assert not ConsentEvent.objects.exists()


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"told": ""}, "not been told"),
        ({"method": ""}, "how the person confirms"),
        ({"witness": ""}, "Name the witness"),
        ({"method": "otp"}, "Send a code"),
        ({"method": "tap"}, "valid choice"),
    ],
)
def test_what_is_missing_is_said_nothing_is_recorded_and_nothing_typed_is_lost(
    desk: Client, patient: Patient, nurse: Actor, changed: dict[str, str], complaint: str
) -> None:
    page = desk.post(address(patient), answers(Purpose.FOLLOWUP, **changed))
    assert page.status_code == 200
    assert complaint in page.content.decode()
    assert re.search(r'name="yes_followup"[^>]*checked', page.content.decode())
    with acting(nurse):
        assert not ConsentEvent.objects.exists()


def test_after_a_no_the_page_does_not_ask_unless_the_person_brings_it_up(
    desk: Client, patient: Patient, nurse: Actor
) -> None:
    desk.post(address(patient), answers(Purpose.CARE))
    page = desk.get(address(patient)).content.decode()
    assert "Do not ask before" in page
    refused = desk.post(address(patient), answers(Purpose.FOLLOWUP)).content.decode()
    assert "only if they brought it up" in refused
    assert standings(patient, nurse)[Purpose.FOLLOWUP] is State.REFUSED
    desk.post(address(patient), answers(Purpose.FOLLOWUP, own_followup="on"))
    states = standings(patient, nurse)
    assert states[Purpose.FOLLOWUP] is State.GRANTED
    with acting(nurse):
        assert ConsentEvent.objects.filter(purpose="risk").count() == 4  # it was not asked about again


def test_a_code_goes_to_their_own_phone_and_confirms_once(
    desk: Client, patient: Patient, nurse: Actor, django_capture_on_commit_callbacks: OnCommit
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        page = desk.post(
            address(patient), {**answers(Purpose.CARE, method="otp", witness=""), "send_code": "1"}
        )
    assert re.search(r'name="yes_care"[^>]*checked', page.content.decode())
    (text,) = mail.outbox
    code = re.search(r"\d{6}", str(text.body))
    assert code
    wrong = desk.post(address(patient), answers(Purpose.CARE, method="otp", witness="", code="000000"))
    assert "does not fit" in wrong.content.decode()
    with acting(nurse):
        assert ConfirmationCode.objects.get().tries == 1
        assert code[0].encode() not in bytes(ConfirmationCode.objects.get().code_mac)
    form = answers(Purpose.CARE, method="otp", witness="", code=code[0])
    assert desk.post(address(patient), form).status_code == 302
    with acting(nurse):
        assert {e.method for e in ConsentEvent.objects.all()} == {"otp"}
    again = answers(Purpose.FOLLOWUP, own_followup="on", method="otp", witness="", code=code[0])
    assert "does not fit" in desk.post(address(patient), again).content.decode()


def test_a_code_is_tried_three_times_and_sent_once_a_minute(
    desk: Client, patient: Patient, nurse: Actor, django_capture_on_commit_callbacks: OnCommit
) -> None:
    send = {**answers(Purpose.CARE, method="otp", witness=""), "send_code": "1"}
    with django_capture_on_commit_callbacks(execute=True):
        desk.post(address(patient), send)
        assert "Wait a minute" in desk.post(address(patient), send).content.decode()
    code = re.search(r"\d{6}", str(mail.outbox[0].body))
    assert code
    for _try in range(3):
        desk.post(address(patient), answers(Purpose.CARE, method="otp", witness="", code="000000"))
    tried_out = desk.post(address(patient), answers(Purpose.CARE, method="otp", witness="", code=code[0]))
    assert "does not fit" in tried_out.content.decode()
    with acting(nurse):
        assert not ConsentEvent.objects.exists()


def test_no_code_goes_to_somebody_elses_phone(desk: Client, clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, phone_owner=PhoneOwner.CHILD)
    page = desk.post(address(patient), {**answers(Purpose.CARE), "send_code": "1"})
    assert "no phone number of their own" in page.content.decode()
    with acting(nurse):
        assert not ConfirmationCode.objects.exists()


def test_a_permission_is_taken_back_at_the_desk_and_the_page_says_what_goes_on(
    desk: Client, patient: Patient, nurse: Actor
) -> None:
    desk.post(address(patient), answers(Purpose.CARE, Purpose.FOLLOWUP))
    where = reverse("consent:withdraw", args=[patient.pk, "followup"])
    assert "Take back" in desk.get(where).content.decode()
    stopped = desk.post(where).content.decode()
    assert "It has stopped" in stopped
    assert "critical result" in stopped
    assert standings(patient, nurse)[Purpose.FOLLOWUP] is State.WITHDRAWN
    with acting(nurse):
        assert {e.event for e in ConsentEvent.objects.filter(purpose="followup")} == {
            EventKind.GRANTED,
            EventKind.WITHDRAWN,
        }
    assert "nothing to take back" in desk.get(where).content.decode()


@pytest.mark.parametrize("purpose", ["billing", "everything"])
def test_what_cannot_be_taken_back_has_no_page(desk: Client, patient: Patient, purpose: str) -> None:
    assert desk.get(reverse("consent:withdraw", args=[patient.pk, purpose])).status_code == 404


def test_the_panel_says_what_is_allowed_and_what_is_not(desk: Client, patient: Patient) -> None:
    desk.post(address(patient), answers(Purpose.CARE))
    where = reverse("consent:panel", args=[patient.pk])
    fragment = desk.get(where, headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith("<section")
    assert "Care and health management · until" in fragment
    assert "Follow-up and reminders · Declined" in fragment
    assert "<html" in desk.get(where).content.decode()


def test_strangers_and_roles_without_the_right_see_nothing(
    client: Client, clinic: Clinic, patient: Patient, hire: Hire
) -> None:
    for user, status in ((hire(clinic), 404), (hire(clinic, role=Role.MANAGER), 403)):
        client.force_login(user)
        assert client.get(address(patient)).status_code == status
        assert client.post(address(patient), answers(Purpose.CARE)).status_code == status
    client.logout()
    assert client.get(address(patient)).status_code == 302


def test_the_page_costs_a_bounded_number_of_statements(desk: Client, patient: Patient) -> None:
    desk.get(address(patient))  # publishes the notices
    with CaptureQueriesContext(connection) as asking:
        desk.get(address(patient))
    desk.post(address(patient), answers(*Purpose))
    with CaptureQueriesContext(connection) as decided:
        desk.get(address(patient))
    assert max(len(asking), len(decided)) <= 18
