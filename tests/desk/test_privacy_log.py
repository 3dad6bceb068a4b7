"""The privacy desk's reading of the log: for its officers alone, in words, by service number, and itself on the log."""

import ast
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from audit.services import record
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from desk.privacy.words import DEEDS
from patients.models import Patient
from tests.desk.conftest import Hire, system
from tests.factories.clinics import CareTeamFactory, StaffRoleFactory
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

LOG = "/privacy/log/"


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
        return PatientFactory(
            clinic=clinic, team=CareTeamFactory(clinic=clinic), name="陈雅琴", phone="+8613900001111"
        )


def look(patient: Patient, by: User, kind: Kind = Kind.VIEWED, reason: str = "") -> None:
    with acting(actor_for(by, patient.clinic)), access(Purpose.CARE, kind, reason=reason):
        assert Patient.objects.get(pk=patient.pk).identity.phone


def deeds(page: Any) -> list[tuple[str, str]]:
    return [(row.who, row.did) for row in page.context["board"].rows]


def on_the_log(clinic: Clinic, **wanted: Any) -> list[AuditEvent]:
    with acting(system(clinic)):
        return list(AuditEvent.objects.filter(**wanted).order_by("uid"))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("page", ["/privacy/", LOG, f"{LOG}{UUID(int=7)}/"])
def test_only_the_privacy_officer_comes_in(page: str, role: Role, hire: Hire, client: Client) -> None:
    client.force_login(hire(role))

    answer = client.get(page).status_code
    assert answer in ((200, 404) if role == Role.PRIVACY_OFFICER else (403,))


@pytest.mark.requirement("HIPAA-312b")
def test_who_saw_this_patient_in_words_and_without_a_name(
    patient: Patient, manager: User, privacy: Client
) -> None:
    look(patient, manager, Kind.REVEALED, reason="call")
    page = privacy.get(LOG, {"patient": str(patient.pk), "kind": "revealed"})
    (row,) = page.context["board"].rows

    assert (row.who, row.role, row.whose) == (
        manager.get_full_name(),
        str(Role.HEALTH_MANAGER.label),
        [(patient.pk, patient.service_number)],
    )
    assert row.told.fields == ["patient.identity.phone"]
    text = page.content.decode()
    assert patient.service_number in text
    assert "陈" not in text
    assert "13900001111" not in text


@pytest.mark.requirement("PIPL-57")
def test_what_this_account_did_leaves_out_everybody_else(
    patient: Patient, manager: User, hire: Hire, privacy: Client
) -> None:
    look(patient, manager)
    colleague = hire(Role.DOCTOR)
    look(patient, colleague)
    page = privacy.get(LOG, {"who": f"user:{colleague.pk}"})

    assert {row.told.event.actor_ref for row in page.context["board"].rows} == {f"user:{colleague.pk}"}


def test_what_happened_to_this_record_shows_its_rows_too(
    patient: Patient, privacy: Client, clinic: Clinic
) -> None:
    with acting(system(clinic)), connection.cursor() as cursor:
        cursor.execute("UPDATE patients_patient SET sex = 'male' WHERE id = %s", [patient.pk])
    page = privacy.get(LOG, {"type": "patients.patient", "id": str(patient.pk)})

    assert [row.change.op for row in page.context["changes"]] == ["U", "I"]
    assert page.context["changes"][0].columns == ["sex"]
    assert page.context["board"].rows


def test_the_chips_say_what_was_asked_and_take_it_away(patient: Patient, privacy: Client) -> None:
    page = privacy.get(LOG, {"patient": str(patient.pk), "kind": "viewed"})

    words = [words for words, _url in page.context["chips"]]
    assert words[0] == patient.service_number
    assert len(words) == 2
    without = page.context["chips"][0][1]
    assert (f"patient={patient.pk}" in without, "kind=viewed" in without) == (False, True)


def test_the_chart_leads_to_who_has_looked_for_those_alone_who_may_read_the_log(
    clinic: Clinic, team: CareTeam, hire: Hire, client: Client
) -> None:
    with acting(system(clinic)):
        patient = PatientFactory(clinic=clinic, team=team)
    way = f'href="{LOG}?patient={patient.pk}"'
    doctor = hire(Role.DOCTOR)
    client.force_login(doctor)
    assert way not in client.get(f"/patients/{patient.pk}/").content.decode()

    StaffRoleFactory(user=doctor, clinic=clinic, role=Role.PRIVACY_OFFICER)
    assert way in client.get(f"/patients/{patient.pk}/").content.decode()


# --- finding the patient ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["number", "陈雅琴", "13900001111"])
def test_a_patient_is_found_by_what_one_was_told_and_the_address_holds_an_id(
    typed: str, patient: Patient, privacy: Client
) -> None:
    words = patient.service_number if typed == "number" else typed
    answer = privacy.post(f"{LOG}find/?kind=viewed", {"q": words})

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{LOG}?kind=viewed&patient={patient.pk}"


def test_several_are_told_apart_without_a_name(patient: Patient, clinic: Clinic, privacy: Client) -> None:
    with acting(system(clinic)):
        other = PatientFactory(clinic=clinic, name="陈雅琴")
    page = privacy.post(f"{LOG}find/", {"q": "陈雅琴"})
    text = page.content.decode()

    assert {match.patient.pk for match, _url in page.context["found"]} == {patient.pk, other.pk}
    assert "陈雅琴" not in re.sub(r'value="陈雅琴"', "", text)


def test_finding_opens_for_comparison_alone_and_says_for_which_purpose(
    patient: Patient, privacy: Client, clinic: Clinic
) -> None:
    privacy.post(f"{LOG}find/", {"q": "陈雅琴"})
    (event,) = on_the_log(clinic, kind="matched")

    assert (event.purpose, event.count) == ("security", 1)


def test_a_patient_of_the_sister_clinic_is_not_found_and_not_asked_about(
    other_clinic: Clinic, privacy: Client
) -> None:
    with acting(system(other_clinic)):
        theirs = PatientFactory(clinic=other_clinic, name="陈雅琴")

    assert privacy.post(f"{LOG}find/", {"q": theirs.service_number}).context["found"] == []
    assert privacy.get(LOG, {"patient": str(theirs.pk)}).status_code == 404


# --- attacks ----------------------------------------------------------------------------------------------------------------


def test_an_entry_of_the_sister_clinic_looks_like_none(
    other_clinic: Clinic, privacy: Client, clinic: Clinic
) -> None:
    with acting(system(other_clinic)):
        theirs = record("card.opened", object=("patients.card", "17")).uid
    with acting(system(clinic)):
        own = record("card.opened", object=("patients.card", "18")).uid

    assert privacy.get(f"{LOG}{theirs}/").status_code == 404
    assert privacy.get(f"{LOG}{own}/").status_code == 200


def test_the_log_of_the_installation_is_for_who_answers_for_every_clinic(
    privacy: Client, officer: User, other_clinic: Clinic
) -> None:
    with acting(system_actor("setup", None)):
        signed = record("role.given", object=("clinics.user", "17")).uid

    refused = privacy.get(LOG, {"log": "system"})
    assert "log" not in refused.context["form"].fields
    assert signed not in {row.told.event.uid for row in refused.context["board"].rows}
    assert privacy.get(f"{LOG}{signed}/").status_code == 404

    StaffRoleFactory(user=officer, clinic=other_clinic, role=Role.PRIVACY_OFFICER)
    allowed = privacy.get(LOG, {"log": "system"})
    assert signed in {row.told.event.uid for row in allowed.context["board"].rows}
    assert privacy.get(f"{LOG}{signed}/").status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"id": "13900001111", "type": "patients.patient"},
        {"who": "陈雅琴"},
        {"patient": "ZZ-0000-0000"},
        {"since": "1999-01-01"},
        {"since": "2026-03-02", "until": "2026-03-01"},
        {"since": "2026-01-01", "until": "2026-11-01"},
        {"id": "17"},
        {"type": "patients.patient"},
        {"kind": "a\x00b"},
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_said_beside_its_field(
    asked: dict[str, str], privacy: Client
) -> None:
    page = privacy.get(LOG, asked)

    assert page.status_code == 200
    assert page.context["form"].errors
    assert "board" not in page.context


def test_a_place_that_was_cut_short_shows_the_first_page(privacy: Client) -> None:
    assert privacy.get(LOG, {"before": "nonsense"}).status_code == 200


# --- on the log -------------------------------------------------------------------------------------------------------------


def test_reading_the_log_is_on_it_and_names_whose_record_was_asked_about(
    patient: Patient, privacy: Client, officer: User, clinic: Clinic
) -> None:
    privacy.get(LOG, {"patient": str(patient.pk)})
    (event,) = on_the_log(clinic, action="log.viewed")

    assert (event.actor_ref, event.kind, event.purpose) == (f"user:{officer.pk}", "viewed", "security")
    assert str(patient.subject_id) in bytes(event.canon).decode()


def test_when_reading_cannot_be_written_down_nothing_is_shown(
    patient: Patient, privacy: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DatabaseError

    def broken(*_args: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr("audit.events._insert", broken)
    answer = privacy.get(LOG, {"patient": str(patient.pk)})

    assert answer.status_code == 503
    assert patient.service_number not in answer.content.decode()


def test_an_entry_in_full_is_the_text_that_is_sealed(
    patient: Patient, privacy: Client, clinic: Clinic
) -> None:
    (event,) = on_the_log(clinic, action="card.opened")
    page = privacy.get(f"{LOG}{event.uid}/")

    assert page.context["entry"]["uid"] == str(event.uid)
    assert page.context["changes"]
    assert page.context["place"] is None


def test_the_page_costs_the_same_for_one_entry_and_for_many(
    patient: Patient, manager: User, privacy: Client
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as ran:
            privacy.get(LOG, {"patient": str(patient.pk)})
        return len(ran)

    look(patient, manager)
    cost()
    few = cost()
    for _time in range(20):
        look(patient, manager)
    assert cost() == few


# --- words ------------------------------------------------------------------------------------------------------------------


def test_every_deed_of_ours_has_words() -> None:
    """Each action named in the code is told in plain words; `{…}` stands for a code of a closed list."""
    apps = ["audit", "clinics", "patients", "consent", "records", "followups", "exchange", "desk", "portal"]
    named = {
        action
        for app in apps
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py")
        if "migrations" not in path.parts
        for action in _actions(path.read_text("utf-8"))
    }

    assert len(named) > 40
    assert sorted(named - set(DEEDS)) == []


def _actions(code: str) -> set[str]:
    """The first argument of `record`, and the `action` of a draft, where they are written out."""
    found: set[str] = set()
    if "record(" not in code and "Draft(" not in code:
        return found
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        given = node.args[:1] if name in ("record", "_record") else []
        given += [word.value for word in node.keywords if word.arg == "action" and name == "Draft"]
        for value in given:
            found |= {
                leaf.value
                for leaf in ast.walk(value)
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str) and "." in leaf.value[:-1]
            }
    return found
