"""A file that is not what it should be is refused whole, and the refusal says where."""

import json
from typing import Any

import pytest

from exchange.errors import ReportUnreadable
from exchange.fhir import parse_bundle
from exchange.fhir.document import MAX_BYTES
from tests.factories.records import bundle, concept, observation_resource, patient_resource, quantity, without


def places(data: bytes) -> list[str]:
    with pytest.raises(ReportUnreadable) as refusal:
        parse_bundle(data)
    return [problem.where for problem in refusal.value.problems]


def observation_at(place: str) -> str:
    return f"entry[1] Observation/ldl {place}"


@pytest.mark.parametrize(
    "data", [b"MSH|^~\\&|LAB", b'{"resourceType": "Bundle",', b"", "体检".encode("gb18030")]
)
def test_what_is_not_json_in_utf8_says_where_it_stops_being_so(data: bytes) -> None:
    [place] = places(data)
    assert any(character.isdigit() for character in place)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse_bundle(b"\xef\xbb\xbf" + bundle()).reports


def test_a_file_over_twenty_megabytes_is_refused_before_it_is_read() -> None:
    assert places(b" " * (MAX_BYTES + 1)) == [""]


@pytest.mark.parametrize("depth", [80, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert places(b'{"a":' * depth + b"1" + b"}" * depth) == [""]
    assert places(b"[" * depth + b"]" * depth) == [""]


def test_a_name_that_stands_twice_in_one_object_is_refused() -> None:
    assert places(bundle().replace(b'"value": 3.1', b'"value": 3.1, "value": 4.1')) == ["value"]


@pytest.mark.parametrize("document", [[], 7, {"resourceType": "Patient"}, {}])
def test_anything_but_a_bundle_is_refused(document: Any) -> None:
    assert len(places(json.dumps(document).encode())) == 1


def test_a_bundle_without_a_patient_is_refused() -> None:
    document = {"resourceType": "Bundle", "entry": [{"resource": observation_resource()}]}
    assert places(json.dumps(document).encode()) == [""]


def test_a_bundle_about_two_people_names_the_second() -> None:
    assert places(bundle(observation_resource(), patient_resource(id="other"))) == ["entry[2] Patient/other"]


def test_a_bundle_without_results_is_refused() -> None:
    assert places(bundle(without(observation_resource(), "valueQuantity"))) == [""]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"subject": {"reference": "urn:uuid:somebody"}}, "subject"),
        ({"valueQuantity": {**quantity(1, "mmol/L"), "value": "3.1"}}, "valueQuantity.value"),
        ({"valueQuantity": {**quantity(1, "mmol/L"), "comparator": "about"}}, "valueQuantity"),
        ({"valueQuantity": []}, "valueQuantity"),
        ({"valueString": 7}, "valueString"),
        ({"effectiveDateTime": "19.11.2026"}, "effectiveDateTime"),
        ({"effectiveDateTime": "2026-02-30"}, "effectiveDateTime"),
        ({"effectiveDateTime": "2026-11-19T25:00:00Z"}, "effectiveDateTime"),
        ({"code": {}}, "code"),
        ({"code": {"coding": {"code": "1"}}}, "code.coding"),
        ({"component": [{"valueString": "x"}]}, "component[0].code"),
        (
            {"referenceRange": [{"low": quantity(5, "mmol/L"), "high": quantity(3, "mmol/L")}]},
            "referenceRange[0]",
        ),
        ({"modifierExtension": [{"url": "urn:x"}]}, ""),
        ({"code": concept("13457-7", "a\0b")}, "code.coding[0].display"),
        ({"code": concept("13457-7", "\ud800")}, "code.coding[0].display"),
    ],
)
def test_a_broken_result_says_its_entry_its_id_and_the_path(changes: dict[str, Any], place: str) -> None:
    resource = observation_resource(**changes)
    if "valueString" in changes:
        resource = without(resource, "valueQuantity")
    assert places(bundle(resource)) == [observation_at(place).strip()]


@pytest.mark.parametrize(
    ("written", "ok"),
    [(b"1e400", False), (b"NaN", False), (b"1" * 60, False), (b"1e2", True), (b"-0.50", True)],
)
def test_a_number_nobody_could_have_measured_is_refused(written: bytes, ok: bool) -> None:
    data = bundle().replace(b"3.1,", written + b",")
    if ok:
        assert parse_bundle(data).reports
    else:
        assert places(data) == [observation_at("valueQuantity.value")]


def test_a_result_that_tells_no_time_is_refused() -> None:
    assert places(bundle(without(observation_resource(), "effectiveDateTime"))) == [
        "entry[1] Observation/ldl"
    ]


def test_a_result_that_tells_no_person_is_refused() -> None:
    assert places(bundle(without(observation_resource(), "subject"))) == ["entry[1] Observation/ldl subject"]


def test_two_entries_with_one_id_are_refused() -> None:
    assert places(bundle(observation_resource(), observation_resource())) == ["entry[2] Observation/ldl"]


def test_a_report_that_lists_a_missing_result_is_refused() -> None:
    report = {"resourceType": "DiagnosticReport", "id": "r", "result": [{"reference": "urn:uuid:gone"}]}
    assert places(bundle(observation_resource(), report)) == ["entry[2] DiagnosticReport/r result[0]"]


def test_an_id_number_whose_last_character_does_not_fit_is_refused() -> None:
    papers = [{"system": "urn:oid:2.16.156.10011.1.3", "value": "990101196805170041"}]
    assert places(bundle(patient=patient_resource(identifier=papers))) == [
        "entry[0] Patient/person identifier[0]"
    ]


def test_every_broken_place_is_named_up_to_twenty() -> None:
    broken = [observation_resource(f"o{number}", valueQuantity={"value": "x"}) for number in range(30)]
    found = places(bundle(*broken))
    assert len(found) == 20
    assert found[3] == "entry[4] Observation/o3 valueQuantity.value"


def test_a_refusal_carries_places_and_no_values() -> None:
    with pytest.raises(ReportUnreadable) as refusal:
        parse_bundle(bundle(observation_resource(effectiveDateTime="secret words")))
    assert "secret" not in str(refusal.value)
    assert "secret" not in str(refusal.value.problems[0])
