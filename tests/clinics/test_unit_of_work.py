"""One request is one transaction with one actor: it happens, it is refused, and what was refused is still told."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.http import HttpResponseBase
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from clinics.models import Clinic, User
from clinics.queries import account_at_work, roles_at_work
from clinics.roles import Role
from clinics.services import give_role
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services.cards import open_card
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    TeamMemberFactory,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.clinics.pages")]
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass
class Place:
    clinic: Clinic
    doctor: User
    patient: Patient


@pytest.fixture
def place() -> Place:
    clinic = ClinicFactory("east")
    doctor = StaffFactory()
    team = CareTeamFactory(clinic=clinic)
    TeamMemberFactory(team=team, user=doctor)
    by = system_actor("test", clinic.pk)
    with acting(by, clinic.pk):
        give_role(doctor, clinic.pk, Role.DOCTOR)
        patient = open_card(clinic=clinic, identity=NewIdentity(name="欧阳静"), by=by, at=AT, team=team)
    return Place(clinic, doctor, patient)


@pytest.fixture
def doctor(place: Place, client: Client) -> Client:
    client.force_login(place.doctor, backend="clinics.accounts.backend.AccountBackend")
    return client


def events(clinic: Clinic, **filters: str) -> list[AuditEvent]:
    with acting(system_actor("test", clinic.pk), clinic.pk):
        return list(AuditEvent.objects.filter(**filters).order_by("uid"))


def test_a_value_opens_while_the_template_renders_and_one_event_tells_it(
    place: Place, doctor: Client
) -> None:
    answer = doctor.get(f"/t/name/{place.patient.pk}/")

    assert answer.content.decode() == "欧阳静"
    (event,) = events(place.clinic, action="access")
    assert (event.kind, event.purpose, event.actor_ref) == ("viewed", "care", f"user:{place.doctor.pk}")


def test_a_page_without_a_purpose_opens_nothing(place: Place, doctor: Client) -> None:
    answer = doctor.get(f"/t/without-purpose/{place.patient.pk}/")

    assert answer.status_code == 500
    assert "欧阳静" not in answer.content.decode()


def test_a_role_without_the_permission_is_refused_and_the_refusal_is_told(
    place: Place, doctor: Client
) -> None:
    answer = doctor.get("/t/log/")

    assert answer.status_code == 403
    assert [event.actor_ref for event in events(place.clinic, action="access.denied")] == [
        f"user:{place.doctor.pk}"
    ]


def test_a_missing_patient_and_a_forbidden_one_look_the_same(place: Place, doctor: Client) -> None:
    stranger = ClinicFactory("west")
    by = system_actor("test", stranger.pk)
    with acting(by, stranger.pk):
        theirs = open_card(clinic=stranger, identity=NewIdentity(name="周宁"), by=by, at=AT)

    forbidden = doctor.get(f"/t/name/{theirs.pk}/")
    missing = doctor.get(f"/t/name/{place.clinic.pk}/")

    def shown(answer: HttpResponseBase) -> str:  # the CSP nonce differs in every answer
        return str(answer.content.decode().split("<body")[1])  # type: ignore[attr-defined]

    assert (
        (forbidden.status_code, shown(forbidden))
        == (missing.status_code, shown(missing))
        == (404, shown(missing))
    )
    assert len(events(place.clinic, action="access.denied")) == 2


@pytest.mark.parametrize("path", ["/t/fails/", "/t/answers-400/"])
def test_a_request_that_fails_leaves_nothing_written(place: Place, doctor: Client, path: str) -> None:
    doctor.raise_request_exception = False

    answer = doctor.get(path)

    assert answer.status_code >= 400
    assert events(place.clinic, action="test.written") == []
    assert len(events(place.clinic, action="access.denied")) == 1


def test_what_a_failed_request_had_opened_is_told_all_the_same(place: Place, doctor: Client) -> None:
    answer = doctor.get(f"/t/opens-and-fails/{place.patient.pk}/")

    assert answer.status_code == 400
    assert [event.kind for event in events(place.clinic, action="access")] == ["viewed"]


def test_when_the_log_cannot_be_written_nothing_is_answered(place: Place, doctor: Client) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.canon.mac_key", _no_key, raising=False)
        patch.setattr("audit.events.write", _no_log)
        patch.setattr("audit.services.write", _no_log)
        answer = doctor.get(f"/t/name/{place.patient.pk}/")

    assert answer.status_code == 503
    assert "欧阳静" not in answer.content.decode()


def _no_key() -> bytes:
    raise OSError


def _no_log(draft: object) -> None:
    from audit.errors import LogUnavailable

    raise LogUnavailable("test")


def test_nobody_signed_in_is_sent_to_sign_in_and_comes_back(place: Place, client: Client) -> None:
    answer = client.get("/t/who/")

    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/t/who/"


def test_staff_act_in_one_clinic_at_a_time_and_may_change_it(place: Place, doctor: Client) -> None:
    west = ClinicFactory("west")
    with acting(system_actor("test", west.pk), west.pk):
        give_role(place.doctor, west.pk, Role.FRONT_DESK)

    assert doctor.get("/t/who/").json()["clinic"] == "east"
    doctor.post("/clinic/switch/", {"clinic": str(west.pk)})

    there = doctor.get("/t/who/").json()
    assert there["clinic"] == "west"
    assert "see_results" not in there["may"]


def test_a_clinic_where_one_has_no_role_cannot_be_chosen(place: Place, doctor: Client) -> None:
    west = ClinicFactory("west")

    assert doctor.post("/clinic/switch/", {"clinic": str(west.pk)}).status_code == 404
    assert doctor.get("/t/who/").json()["clinic"] == "east"


def test_an_account_without_a_role_is_told_so(place: Place, client: Client) -> None:
    client.force_login(StaffFactory(), backend="clinics.accounts.backend.AccountBackend")

    assert client.get("/t/who/").status_code == 403


def test_a_patient_finds_no_staff_page_and_staff_find_no_portal_page(place: Place, doctor: Client) -> None:
    patient = Client()
    patient.force_login(
        User.objects.create_patient_account(), backend="clinics.accounts.backend.AccountBackend"
    )

    assert patient.get("/t/who/").status_code == 404
    assert patient.get("/t/p/east/own/").status_code == 200
    assert doctor.get("/t/p/east/own/").status_code == 404


def test_the_portal_of_an_unknown_clinic_does_not_exist(place: Place, client: Client) -> None:
    assert client.get("/t/p/nowhere/entry/").status_code == 404
    assert client.get("/t/p/east/entry/").content.decode() == "east anonymous"


def test_an_account_that_is_switched_off_is_out_at_the_next_request(place: Place, doctor: Client) -> None:
    User.objects.filter(pk=place.doctor.pk).update(is_active=False)

    assert doctor.get("/t/who/").status_code == 302


def test_the_account_of_a_session_is_whole_and_comes_with_its_roles_and_clinics(place: Place) -> None:
    other = ClinicFactory("west")
    with acting(system_actor("test", other.pk), other.pk):
        give_role(place.doctor, other.pk, Role.NURSE)

    with CaptureQueriesContext(connection) as asked:
        account = account_at_work(place.doctor.pk)
        assert account is not None
        roles = [(role.clinic.code, role.role, role.user is account) for role in roles_at_work(account)]
    assert len(asked) == 1
    assert roles == [("east", Role.DOCTOR, True), ("west", Role.NURSE, True)]
    for loaded in (account, *(role for role in roles_at_work(account)), roles_at_work(account)[0].clinic):
        again = type(loaded)._default_manager.get(pk=loaded.pk)
        columns = [field.attname for field in loaded._meta.concrete_fields]
        assert {name: vars(loaded)[name] for name in columns} == {name: vars(again)[name] for name in columns}


@override_settings(MFA_REQUIRED=True)
def test_without_a_second_factor_there_is_only_the_page_to_set_one_up(place: Place, doctor: Client) -> None:
    assert doctor.get("/t/who/")["Location"] == "/accounts/2fa/"


def test_the_next_request_on_the_same_connection_sees_nothing_of_the_last_one(
    place: Place, doctor: Client
) -> None:
    assert doctor.get(f"/t/name/{place.patient.pk}/").status_code == 200

    assert not connection.in_atomic_block
    assert Patient.objects.count() == 0
