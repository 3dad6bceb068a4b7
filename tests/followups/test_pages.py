"""Pages of to-dos, as a browser without scripts sees them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from followups.models import FollowUp
from patients.models import Patient
from tests.factories.consent import ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]


@laid_out
def busy(manager: Actor, clinic: Clinic) -> Patient:
    """A patient with a high LDL and a critical potassium, as of now."""
    at = timezone.now()
    with acting(manager, clinic.pk):
        patient = PatientFactory(clinic=clinic, by=manager, name="陈雅琴", at=at - timedelta(days=2))
        for purpose in (Purpose.RISK, Purpose.FOLLOWUP):
            ConsentFactory(patient, purpose, by=manager, at=at - timedelta(days=1))
        file_results(patient, by=manager, at=at, ldl=HIGH_LDL, k="6.80")
    take(clinic, at)
    return patient


@pytest.fixture
def desk(client: Client, manager_account: User) -> Client:
    client.force_login(manager_account)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


def page_of(patient: Patient, step: str, manager: Actor) -> str:
    with acting(manager):
        return reverse("followups:done", args=[FollowUp.objects.get(patient=patient, step=step).pk])


def test_the_page_says_why_and_what_to_do(desk: Client, busy: Patient, manager: Actor) -> None:
    page = desk.get(page_of(busy, "notify", manager)).content.decode()
    for words in ("Tell the critical result", "Potassium", "6.80", "Call the person", "陈*琴", "repeated it"):
        assert words in page
    assert "陈雅琴" not in page


def test_the_call_is_made_from_the_page_and_leads_back_to_it(
    desk: Client, busy: Patient, manager: Actor
) -> None:
    where = page_of(busy, "notify", manager)
    page = desk.get(where).content.decode()
    with acting(manager), access(Purpose.CARE, Kind.VIEWED):
        phone = Patient.objects.get(pk=busy.pk).identity.phone or ""
    assert phone[-4:] in page
    assert phone[-8:] not in page
    assert reverse("desk:reveal", args=[busy.pk]) in page
    called = desk.post(
        reverse("patients:call", args=[busy.pk]), headers={"referer": f"http://testserver{where}"}
    )
    assert called.headers["Location"] == where


def test_an_outcome_closes_it(desk: Client, busy: Patient, manager: Actor) -> None:
    where = page_of(busy, "explain", manager)
    assert desk.post(where, {"outcome": "reached"}).status_code == 302
    with acting(manager):
        assert FollowUp.objects.get(step="explain").state == "done"
    assert "What came of it" not in desk.get(where).content.decode()
    assert desk.post(where, {"outcome": "reached"}).status_code == 409


@pytest.mark.parametrize(
    ("step", "sent", "complaint"),
    [
        ("explain", {}, "Say what came of it"),
        ("explain", {"outcome": "agreed"}, "Choose the day."),
        ("explain", {"outcome": "call_later", "again_on": "2020-01-01"}, "Choose today or a later day."),
        ("explain", {"outcome": "call_later", "again_on": "someday"}, "valid date"),
        ("notify", {"outcome": "reached"}, "which number was called"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_closed(
    desk: Client, busy: Patient, manager: Actor, step: str, sent: dict[str, str], complaint: str
) -> None:
    page = desk.post(page_of(busy, step, manager), sent)
    assert page.status_code == 200
    assert complaint in page.content.decode()
    with acting(manager):
        assert not FollowUp.objects.filter(state="done").exists()


def test_taking_one_from_the_pool_leads_to_it(desk: Client, busy: Patient, manager: Actor) -> None:
    with acting(manager):
        FollowUp.objects.filter(step="explain").update(assignee=None)
        follow_up = FollowUp.objects.get(step="explain")
    taken = desk.post(reverse("followups:claim", args=[follow_up.pk]))
    assert taken.headers["Location"] == reverse("followups:done", args=[follow_up.pk])
    assert desk.get(reverse("followups:claim", args=[follow_up.pk])).status_code == 405


def test_the_panel_shows_to_dos_and_reminders(desk: Client, busy: Patient) -> None:
    where = reverse("followups:panel", args=[busy.pk])
    fragment = desk.get(where, headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith("<section")
    for words in (
        "Explain the lipid result",
        "Fasting lipid recheck",
        "4.60",
        "Text message",
        "Your visit tomorrow",
        "Planned",
    ):
        assert words in fragment
    assert "<html" in desk.get(where).content.decode()


def test_strangers_and_the_front_desk_are_refused(
    client: Client, clinic: Clinic, busy: Patient, manager: Actor, hire: Hire
) -> None:
    where = page_of(busy, "notify", manager)
    for user, status in ((hire(clinic), 404), (hire(clinic, role=Role.FRONT_DESK), 403)):
        client.force_login(user)
        assert client.get(where).status_code == status
        assert client.post(where, {"outcome": "reached"}).status_code == status
        assert client.get(reverse("followups:panel", args=[busy.pk])).status_code == status
