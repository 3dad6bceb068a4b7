"""A masked value opens for a reason from the list, for sixty seconds, and leaves one line in the log."""

import pytest
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.models import Patient
from tests.desk.conftest import Hire, system

HTMX = {"HX-Request": "true"}


def path(patient: Patient) -> str:
    return f"/patients/{patient.pk}/reveal/"


def reveals(clinic: Clinic) -> list[AuditEvent]:
    with acting(system(clinic)):
        return list(AuditEvent.objects.filter(action="access", kind="revealed"))


def test_the_value_is_shown_with_its_seconds(patient: Patient, desk: Client) -> None:
    answer = desk.post(path(patient), {"part": "name", "reason": "call"}, headers=HTMX)

    text = answer.content.decode()
    assert "邓淑英" in text
    assert 'data-seconds="60"' in text
    assert "<html" not in text


def test_one_reveal_is_one_event_with_its_reason(
    patient: Patient, desk: Client, clinic: Clinic, manager: User
) -> None:
    desk.post(path(patient), {"part": "phone", "reason": "verify"}, headers=HTMX)

    (event,) = reveals(clinic)
    assert (event.reason, event.actor_ref) == ("verify", f"user:{manager.pk}")
    assert set(event.changes or ()) == {"patient.identity.phone"}


def test_without_a_script_the_whole_chart_comes_and_goes_again_after_a_minute(
    patient: Patient, desk: Client
) -> None:
    answer = desk.post(path(patient), {"part": "id_number", "reason": "papers"})

    assert answer.headers["Refresh"] == f"60;url=/patients/{patient.pk}/"
    assert "99010119600229002" in answer.content.decode()
    assert "邓淑英" not in answer.content.decode()


@pytest.mark.requirement("GBT35273-7.2")
@pytest.mark.parametrize(
    "asked",
    [
        {"part": "phone"},
        {"part": "phone", "reason": "curiosity"},
        {"part": "email", "reason": "call"},
        {"reason": "call"},
    ],
)
def test_without_a_listed_reason_nothing_opens(
    asked: dict[str, str], patient: Patient, desk: Client, clinic: Clinic
) -> None:
    answer = desk.post(path(patient), asked, headers=HTMX)

    assert answer.status_code == 422
    assert "1380000" not in answer.content.decode()
    assert reveals(clinic) == []


def test_a_get_reveals_nothing(patient: Patient, desk: Client) -> None:
    assert desk.get(path(patient), {"part": "name", "reason": "call"}).status_code == 405


def test_a_stranger_reveals_nothing(patient: Patient, hire: Hire, client: Client, clinic: Clinic) -> None:
    client.force_login(hire(Role.DOCTOR, in_team=False))

    assert client.post(path(patient), {"part": "name", "reason": "call"}).status_code == 404
    assert reveals(clinic) == []


def test_the_answer_is_never_kept_by_the_browser(patient: Patient, desk: Client) -> None:
    answer = desk.post(path(patient), {"part": "name", "reason": "call"}, headers=HTMX)

    assert "no-store" in answer.headers["Cache-Control"]
