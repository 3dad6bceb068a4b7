"""Results, to-dos, permissions and the log over the API: the same services, the same rules, the same evidence."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from consent.codes import MOST_TRIES, send_code
from consent.models import ConfirmationCode, ConsentEvent
from followups.loop import take_changes
from followups.models import FollowUp
from records.models import ExamReport, Observation
from tests.api.conftest import House, etag
from tests.api.machine import SAID, Machine

pytestmark = pytest.mark.django_db
RESULT = SAID["POST", "observations"]
YES = SAID["POST", "consents"]


def of(house: House, rest: str = "") -> str:
    return f"/api/v1/patients/{house.patient.pk}/{rest}"


# Results


def test_results_are_read_with_unit_time_and_range(house: House, doctor: Machine) -> None:
    results = doctor.get(of(house, "observations/?code=ldl")).json()["results"]

    assert [row["value_quantity"] for row in results] == [
        {"value": "4.60", "unit": "mmol/L", "code": "mmol/L", "comparator": ""}
    ]
    assert results[0]["interpretation"] == "high"
    assert {"system": "urn:zhizhi:indicator", "code": "ldl", "display": ""} in results[0]["code"]["coding"]
    assert doctor.get(of(house, "observations/?code=陈")).status_code == 400
    critical = doctor.get(of(house, "observations/?interpretation=critical_high")).json()["results"]
    assert [row["code"]["coding"][0]["code"] for row in critical] == ["k"]


def test_a_result_is_filed_as_printed_once_and_sets_off_what_it_must(house: House, doctor: Machine) -> None:
    first = doctor.post(of(house, "observations/"), RESULT)
    again = doctor.post(
        of(house, "observations/"), RESULT
    )  # another repeat key: the sender's number is the same

    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]
    assert first.json()["value_string"] == "5.10\u00a0mmol/L"
    assert first.json()["interpretation"] == "high"
    assert doctor.get(first["Location"]).json() == first.json()
    with acting(house.actor):
        assert ExamReport.objects.count() == 2
        assert Observation.objects.count() == 3
    assert take_changes(house.clinic, timezone.now()) == 1


def test_the_same_number_with_another_value_is_refused(house: House, doctor: Machine) -> None:
    doctor.post(of(house, "observations/"), RESULT)
    other = {**RESULT, "value_quantity": {"value": "2.10", "unit": "mmol/L"}}

    answer = doctor.post(of(house, "observations/"), other)

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:zhizhi:problem:report-changed")


@pytest.mark.parametrize(
    "said",
    [
        {"value_string": "阴性"},
        {"value_quantity": None},
        {"effective_date_time": "yesterday"},
        {"code": {"coding": []}},
        {"code": {"coding": [{"system": "s", "code": "c", "colour": "red"}]}},
        {"value_quantity": {"value": "NaN"}},
        {"value_quantity": {"value": "1e400"}},
        {"identifier": {"system": "s", "value": "a\x00b"}},
    ],
)
def test_what_cannot_be_a_result_is_refused(house: House, doctor: Machine, said: dict[str, Any]) -> None:
    body = {name: value for name, value in {**RESULT, **said}.items() if value is not None}
    assert doctor.post(of(house, "observations/"), body).status_code == 400
    with acting(house.actor):
        assert Observation.objects.count() == 2


# To-dos


def test_to_dos_are_listed_and_filtered(house: House, doctor: Machine) -> None:
    rows = doctor.get("/api/v1/follow-ups/").json()["results"]
    urgent = doctor.get("/api/v1/follow-ups/?priority=class_a&status=open&owner=nobody").json()["results"]

    assert {row["id"] for row in urgent} < {row["id"] for row in rows}
    assert {row["patient"] for row in rows} == {str(house.patient.pk)}
    mine = doctor.get("/api/v1/follow-ups/?owner=me").json()["results"]
    assert {row["owner"] for row in mine} <= {str(house.doctor.pk)}
    assert not {row["id"] for row in mine} & {row["id"] for row in urgent}
    for wrong in ("status=lost", "patient=x", "due_before=soon"):
        assert doctor.get(f"/api/v1/follow-ups/?{wrong}").status_code == 400


def test_a_to_do_is_taken_and_written_down_once(house: House, doctor: Machine) -> None:
    path = f"/api/v1/follow-ups/{house.ids['follow_up_id']}/"
    taken = doctor.post(f"{path}claim/")
    said, key = SAID["POST", "outcome"], str(uuid4())

    without_note = doctor.post(f"{path}outcome/", {"outcome": "reached"}, If_Match=taken["ETag"])
    done = doctor.post(f"{path}outcome/", said, If_Match=taken["ETag"], key=key)
    again = doctor.post(f"{path}outcome/", said, If_Match=taken["ETag"], key=key)
    late = doctor.post(f"{path}outcome/", said, If_Match=taken["ETag"])
    closed = doctor.post(f"{path}outcome/", said, If_Match=done["ETag"])

    assert taken.json()["owner"] == str(house.doctor.pk)
    assert taken.json()["reason"][0]["value"] == "7.10"
    assert list(without_note.json()["errors"]) == ["note"]
    assert (done.json()["status"], done.json()["note"]) == ("done", said["note"])
    assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
    assert (late.status_code, closed.status_code) == (412, 409)
    with acting(house.actor):
        assert FollowUp.objects.get(pk=house.ids["follow_up_id"]).tries == 1


# Permissions


def test_a_permission_is_recorded_with_its_evidence_and_taken_back(house: House, doctor: Machine) -> None:
    body = {**YES, "notice": str(house.ids["notice"])}
    said = doctor.post(of(house, "consents/"), body)
    taken_back = doctor.post(of(house, "consents/followup/withdrawal/"), {"method": "verbal_witnessed"})
    states = {row["purpose"]: row for row in doctor.get(of(house, "consents/")).json()["results"]}

    assert (said.status_code, said.json()["status"]) == (201, "granted")
    assert (taken_back.json()["status"], states["followup"]["permitted"]) == ("withdrawn", False)
    assert states["care"]["permitted"] is True
    assert {notice["locale"] for notice in states["followup"]["notices"]} == {"zh-hans", "en"}
    with acting(house.actor):
        event = ConsentEvent.objects.filter(purpose="followup", event="renewed").defer("evidence")[0]
        assert (event.notice_id, event.method) == (house.ids["notice"], "verbal_witnessed")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"witness": ""}, 400),
        ({"told": False}, 400),
        ({"method": "otp"}, 400),
        ({"method": "tap"}, 400),
        ({"purpose": "statutory"}, 409),
        ({"purpose": "hobby"}, 400),
        ({"notice": str(uuid4())}, 409),
        ({"method": "otp", "code": "123456"}, 422),
    ],
)
def test_a_permission_without_its_evidence_is_none(
    house: House, doctor: Machine, said: dict[str, Any], status: int
) -> None:
    with acting(house.actor):
        before = ConsentEvent.objects.count()
    answer = doctor.post(of(house, "consents/"), {**YES, "notice": str(house.ids["notice"]), **said})

    assert answer.status_code == status, answer.content
    with acting(house.actor):
        assert ConsentEvent.objects.count() == before


def test_what_rests_on_law_is_not_withdrawn(house: House, doctor: Machine) -> None:
    for purpose in ("statutory", "hobby"):
        answer = doctor.post(of(house, f"consents/{purpose}/withdrawal/"), {"method": "paper"})
        assert answer.status_code == 409


# The log


def test_the_log_is_read_by_whoever_may_and_that_is_on_it_too(
    house: House, doctor: Machine, officer: Machine
) -> None:
    doctor.get(of(house))
    seen = officer.get(f"/api/v1/events/?subject={house.patient.subject_id}&kind=viewed").json()["results"]
    mine = officer.get(f"/api/v1/events/?agent={house.officer.pk}").json()["results"]

    assert [row["agent"] for row in seen] == [f"user:{house.doctor.pk}"]
    assert seen[0]["subjects"] == [str(house.patient.subject_id)]
    assert "log.listed" in {row["action"] for row in mine}
    assert doctor.get("/api/v1/events/").status_code == 403
    rows = officer.get("/api/v1/events/?limit=100").json()["results"]
    text = str([{**row, "recorded": None} for row in rows])  # a time may well hold the digits of a value
    assert rows
    assert not any(word in text for word in ("陈雅琴", "13900001234", "7.10"))


def test_the_log_goes_on_from_a_place(house: House, officer: Machine) -> None:
    first = officer.get("/api/v1/events/?limit=3").json()
    second = officer.get(first["next"]).json()

    ids = [row["id"] for row in [*first["results"], *second["results"]]]
    assert len(ids) == len(set(ids)) == 6
    assert ids == sorted(ids, reverse=True)
    with acting(house.actor):
        assert str(AuditEvent.objects.order_by("-uid")[0].pk) not in ids  # its own entry comes after


def test_an_etag_says_nothing_but_that_something_changed(house: House, doctor: Machine) -> None:
    one, two = etag(doctor, house), etag(doctor, house, "follow_up")
    assert one == etag(doctor, house)
    assert one != two


def test_guesses_of_the_persons_code_are_counted_though_each_request_is_refused(
    house: House, doctor: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent.codes.randbelow", lambda _most: 730_285)
    with acting(house.actor), access(Purpose.CARE, Kind.VIEWED):
        send_code(house.patient, house.clinic, timezone.now())
    guess = {**YES, "notice": str(house.ids["notice"]), "method": "otp"}
    answers = [
        doctor.post(of(house, "consents/"), {**guess, "code": code}).status_code
        for code in (*(f"{number:06}" for number in range(MOST_TRIES)), "730285")
    ]

    assert answers == [422] * (MOST_TRIES + 1), "the right one came too late"
    with acting(house.actor):
        assert ConfirmationCode.objects.get().used_at is None
        wrong = AuditEvent.objects.filter(action="consent.code_wrong")
        assert wrong.count() == MOST_TRIES + 1
