"""Cards over the API: masked, opened once, changed by whoever read the newest version, found by what they are now."""

from typing import Any

import pytest
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from clinics.models import CareTeam
from clinics.roles import Role
from patients.models import Card, Patient
from patients.queries import search_patients
from tests.api.conftest import Hire, House, TokenFor, browser, etag
from tests.api.machine import SAID, Machine
from tests.factories.clinics import StaffRoleFactory
from tests.factories.patients import PatientFactory, actor_for

pytestmark = pytest.mark.django_db
CARD = SAID["POST", "patients"]


def events(house: House, **like: Any) -> list[AuditEvent]:
    with acting(system_actor("test", house.clinic.pk)):
        return list(AuditEvent.objects.filter(**like).order_by("uid"))


def test_a_list_is_masked_and_on_the_log_as_listed(house: House, doctor: Machine) -> None:
    (row,) = doctor.get("/api/v1/patients/").json()["results"]

    assert (row["name"], row["phone"]) == ("陈*琴", "139****1234")
    assert "13900001234" not in str(row)
    (event,) = events(house, kind="listed", actor_ref=f"user:{house.doctor.pk}")
    assert sorted(event.changes or ()) == ["patient.identity.name", "patient.identity.phone"]


def test_one_card_is_masked_and_a_value_in_full_needs_a_reason(house: House, doctor: Machine) -> None:
    card = doctor.get(f"/api/v1/patients/{house.patient.pk}/").json()
    revealed = doctor.post(
        f"/api/v1/patients/{house.patient.pk}/reveal/", {"part": "phone", "reason": "call"}, key=None
    )
    without_reason = doctor.post(f"/api/v1/patients/{house.patient.pk}/reveal/", {"part": "phone"}, key=None)

    assert card["phone"] == "139****1234"
    assert revealed.json() == {"part": "phone", "value": "+8613900001234", "data_absent_reason": None}
    assert without_reason.status_code == 400
    (event,) = events(house, kind="revealed")
    assert (event.reason, list(event.changes or ())) == ("call", ["patient.identity.phone"])


def test_a_list_goes_on_from_a_place_and_loses_nobody(house: House, doctor: Machine) -> None:
    with acting(house.actor):
        for day in range(1, 5):
            PatientFactory(
                clinic=house.clinic, by=house.actor, at=timezone.now(), name=f"邓淑{'一二三四五'[day]}"
            )
    seen, path = [], "/api/v1/patients/?limit=2"
    while path:
        page = doctor.get(path).json()
        seen += [row["id"] for row in page["results"]]
        path = page["next"]

    assert len(seen) == len(set(seen)) == 5
    for wrong in ("limit=0", "limit=101", "limit=x", "cursor=1", "cursor=zz-" + "0" * 32):
        assert doctor.get(f"/api/v1/patients/?{wrong}").status_code == 400


def test_the_same_card_sent_again_opens_no_second_one(house: House, doctor: Machine) -> None:
    first = doctor.post("/api/v1/patients/", CARD, key="opening-0001")
    again = doctor.post("/api/v1/patients/", CARD, key="opening-0001")
    other = doctor.post("/api/v1/patients/", {**CARD, "name": "顾念祖"}, key="opening-0001")
    without_key = doctor.post("/api/v1/patients/", CARD, key=None)

    assert first.status_code == again.status_code == 201
    assert first["Location"] == f"/api/v1/patients/{first.json()['id']}/"
    assert again.json() == first.json()
    assert (first.headers.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert (other.status_code, other.json()["type"]) == (422, "urn:zhizhi:problem:repeat-key-taken")
    assert without_key.json()["type"] == "urn:zhizhi:problem:repeat-key-missing"
    with acting(house.actor):
        assert Card.objects.count() == 2


def test_a_repeat_key_is_the_callers_own(
    house: House, doctor: Machine, hire: Hire, token_for: TokenFor
) -> None:
    """A colleague's same key is another one: it finds nothing of the first caller's."""
    colleague = Machine(token_for(hire(house.clinic, team=house.team), house.clinic))
    first = doctor.post("/api/v1/patients/", CARD, key="opening-0001")
    theirs = colleague.post("/api/v1/patients/", {**CARD, "twin_reason": "other_person"}, key="opening-0001")

    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]


def test_nothing_of_a_person_stands_beside_a_repeat_key(house: House, doctor: Machine) -> None:
    from clinics.models import ApiRepeat

    doctor.post("/api/v1/patients/", CARD, key="opening-0001")
    with acting(house.actor):
        kept = str(ApiRepeat.objects.values().get())
    assert not any(word in kept for word in ("opening-0001", "顾念慈", "13900004321", CARD["email"]))


def test_similar_people_are_named_by_number_before_a_card_is_opened(house: House, doctor: Machine) -> None:
    twin = {**CARD, "phone": "13900001234"}

    refused = doctor.post("/api/v1/patients/", twin)
    meant = doctor.post("/api/v1/patients/", {**twin, "twin_reason": "shared_phone"})

    assert refused.status_code == 409
    assert refused.json()["similar"] == [
        {"id": str(house.patient.pk), "service_number": house.patient.service_number, "same": ["phone"]}
    ]
    assert meant.status_code == 201


def test_what_the_desk_would_refuse_is_refused_by_field(house: House, doctor: Machine) -> None:
    for said, field in (
        ({"phone": "12"}, "phone"),
        ({"gender": None, "id_number": "11010119900307123X"}, "id_number"),
        ({"birth_date": "2999-01-01"}, "birth_date"),
        ({"name": "顾7"}, "name"),
        ({"gender": "x"}, "gender"),
    ):
        body = {name: value for name, value in {**CARD, **said}.items() if value is not None}
        answer = doctor.post("/api/v1/patients/", body)
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert "顾" not in answer.content.decode()


def test_a_new_phone_is_kept_sealed_found_and_told(house: House, doctor: Machine) -> None:
    path, tag = f"/api/v1/patients/{house.patient.pk}/", etag(doctor, house)

    changed = doctor.patch(path, {"phone": "139 0000 8765", "email": None}, If_Match=tag)

    assert changed.json()["phone"] == "139****8765"
    assert changed["ETag"] != tag

    def found(text: str) -> list[str]:
        return [
            row["id"]
            for row in doctor.post("/api/v1/patients/search/", {"q": text}, key=None).json()["results"]
        ]

    assert found("13900008765") == found("8765") == found("陈雅琴") == found("cyq") == [str(house.patient.pk)]
    assert found("13900001234") == []
    (event,) = events(house, action="update", object_pk=str(house.patient.pk))
    assert list(event.changes or ()) == ["patient.identity.phone"]
    assert "8765" not in str(event.changes)
    assert len(events(house, action="contact.changed")) == 1


def test_what_was_changed_meanwhile_is_not_overwritten(house: House, doctor: Machine) -> None:
    path, tag = f"/api/v1/patients/{house.patient.pk}/", etag(doctor, house)
    assert doctor.patch(path, {"phone": "13900008765"}, If_Match=tag).status_code == 200

    late = doctor.patch(path, {"phone": "13900007777"}, If_Match=tag)
    blind = doctor.patch(path, {"phone": "13900007777"})
    wrong = doctor.patch(path, {"phone": "13900007777"}, If_Match="*")

    assert (late.status_code, blind.status_code, wrong.status_code) == (412, 428, 412)
    assert doctor.get(path).json()["phone"] == "139****8765"


def test_a_role_without_contact_reads_no_phone_and_is_told_why(house: House, doctor: Machine) -> None:
    from clinics.tokens import make_integration, make_token

    with acting(system_actor("test", house.clinic.pk), house.clinic.pk):
        made = make_integration(
            house.clinic, name="化验室", scopes=["patients:read"], purposes=["care"], field_sets=["identity"],
            at=timezone.now(),
        )  # fmt: skip
        house.team.members.add(made.user)
        secret = make_token(
            made.pk, made.user, house.clinic, label="化验室", scopes=["patients:read"], days=1, by=house.doctor,
            at=timezone.now(),
        ).secret  # fmt: skip

    (row,) = Machine(secret).get("/api/v1/patients/").json()["results"]

    assert (row["name"], row["phone"], row["data_absent_reason"]) == (
        "陈*琴",
        None,
        {"phone": "not-permitted"},
    )


def test_a_search_is_counted_and_short_words_are_refused(
    house: House, doctor: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.post("/api/v1/patients/search/", {"q": "c"}, key=None).status_code == 422
    monkeypatch.setattr("patients.services.searching.MOST_SEARCHES_A_MINUTE", 0)
    answer = doctor.post("/api/v1/patients/search/", {"q": "陈雅琴"}, key=None)
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")


def test_the_browsers_session_does_the_same(house: House) -> None:
    desk = Machine(client=browser(house.doctor))

    assert desk.post("/api/v1/patients/", CARD).status_code == 201
    assert len(desk.get("/api/v1/patients/").json()["results"]) == 2


def test_who_opened_a_card_over_the_api_sees_it_and_the_team_too(
    house: House, doctor: Machine, hire: Hire
) -> None:
    made = doctor.post("/api/v1/patients/", CARD).json()["id"]
    colleague = actor_for(hire(house.clinic, Role.NURSE, team=house.team), house.clinic)

    with acting(colleague):
        assert [str(m.patient.pk) for m in search_patients(colleague, house.clinic.pk, "顾念慈")] == [made]
        assert Patient.objects.count() == 2


def test_a_list_is_narrowed_to_one_care_team(house: House, doctor: Machine) -> None:
    other = CareTeam.objects.create(clinic=house.clinic, name="别组")
    (row,) = doctor.get(f"/api/v1/patients/?care_team={house.team.pk}").json()["results"]
    assert row["id"] == str(house.patient.pk)
    assert doctor.get(f"/api/v1/patients/?care_team={other.pk}").json()["results"] == []
    assert doctor.get("/api/v1/patients/?care_team=陈").status_code == 400


def test_who_works_by_service_number_gets_neither_name_nor_phone(
    house: House, hire: Hire, token_for: TokenFor
) -> None:
    """Whatever else the person is: names and phones open for them nowhere."""
    caller = hire(house.clinic, Role.CALLER, team=house.team)
    StaffRoleFactory(user=caller, clinic=house.clinic, role=Role.DOCTOR)
    program, where = Machine(token_for(caller, house.clinic)), f"/api/v1/patients/{house.patient.pk}/"

    answers = [program.get("/api/v1/patients/"), program.get(where), program.get("/api/v1/follow-ups/")]
    answers += [program.post(f"{where}reveal/", {"part": "phone", "reason": "call"}, key=None)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 403]
    assert answers[0].json()["results"][0]["service_number"] == house.patient.service_number
    text = "".join(answer.content.decode() for answer in answers)
    assert not [
        part
        for part in ("陈", "琴", "1390000", "1234")
        if part in text.replace(house.patient.service_number, "")
    ]
