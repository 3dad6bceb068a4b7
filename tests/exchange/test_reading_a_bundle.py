"""A FHIR bundle is read whole, in any order, with every value as it was printed."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from exchange.fhir import ParsedBundle, parse_bundle
from records.parsed import Coding, ParsedObservation, PrintedCodes, PrintedNumber, PrintedText
from tests.factories.records import (
    TODAY,
    bundle,
    concept,
    fixture,
    observation_resource,
    patient_resource,
    quantity,
    without,
)


def results(parsed: ParsedBundle) -> dict[str, ParsedObservation]:
    return {found.source_id: found for report in parsed.reports for found in report.observations}


def only(data: bytes) -> ParsedObservation:
    [found] = results(parse_bundle(data)).values()
    return found


def test_a_check_up_is_read_with_its_person_and_every_result() -> None:
    parsed = parse_bundle(fixture("checkup"))
    person = parsed.person
    assert (person.name, person.sex, person.born_on) == ("陈雅琴", "female", date(1968, 5, 17))
    assert (person.phone, person.id_number) == ("138 0000 1234", "990101196805170049")
    [report] = parsed.reports
    assert (report.title, report.source_system) == ("年度健康体检", "urn:invented:lab-east")
    assert len(report.observations) == 17
    assert {"bp#8480-6", "bp#8462-4"} <= set(results(parsed))


def test_days_of_a_fixture_are_told_from_the_day_the_loader_names() -> None:
    [report] = parse_bundle(fixture("checkup", on=date(2027, 3, 1))).reports
    assert report.taken_at == datetime(2027, 2, 27, 0, 10, tzinfo=UTC)


def test_the_order_of_entries_does_not_matter() -> None:
    document = json.loads(fixture("checkup"))
    expected = parse_bundle(json.dumps(document).encode())
    for turn in range(1, len(document["entry"])):
        document["entry"] = document["entry"][turn:] + document["entry"][:turn]
        assert parse_bundle(json.dumps(document).encode()) == expected


def test_a_number_is_kept_exactly_as_it_was_printed() -> None:
    data = bundle().replace(b"3.1,", b"163.5310677549657,")
    value = only(data).value
    assert isinstance(value, PrintedNumber)
    assert (value.text, value.number) == ("163.5310677549657", Decimal("163.5310677549657"))
    value = only(bundle().replace(b"3.1,", b"5.20,")).value
    assert isinstance(value, PrintedNumber)
    assert value.text == "5.20"


def test_invisible_characters_leave_the_names() -> None:
    ldl = results(parse_bundle(fixture("checkup")))["ldl"]
    assert ldl.name == "低密度脂蛋白胆固醇"
    code = concept("2885-2", "Protein [Mass/\u200bvolume]")
    assert only(bundle(observation_resource(code=code))).name == "Protein [Mass/volume]"


@pytest.mark.parametrize(
    ("reference", "full_url"),
    [
        ("urn:uuid:person", "urn:uuid:person"),
        ("Patient/person", ""),
        ("Patient/person/_history/3", ""),
        ("https://his.invented/fhir/Patient/person", "https://his.invented/fhir/Patient/person"),
    ],
)
def test_a_reference_finds_its_patient_however_it_is_written(reference: str, full_url: str) -> None:
    entry = {"resource": patient_resource(), **({"fullUrl": full_url} if full_url else {})}
    result = {"resource": observation_resource(subject={"reference": reference})}
    document = {"resourceType": "Bundle", "entry": [result, entry]}
    assert len(results(parse_bundle(json.dumps(document).encode()))) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueString": "阴性"}, PrintedText("阴性")),
        ({"valueBoolean": False}, PrintedText("false")),
        ({"valueInteger": 7}, PrintedNumber(text="7", number=Decimal(7))),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}}}, PrintedText("1:80")),
        ({"valueRange": {"low": quantity(1, "mm"), "high": quantity(3, "mm")}}, PrintedText("1mm–3mm")),
        ({"valueDateTime": "2026-11-19"}, PrintedText("2026-11-19")),
        (
            {"valueCodeableConcept": concept("10828004", "Positive", "http://snomed.info/sct")},
            PrintedCodes((Coding("http://snomed.info/sct", "10828004", "Positive"),), "Positive"),
        ),
    ],
)
def test_every_kind_of_value_is_read(value: dict[str, Any], expected: object) -> None:
    data = bundle(without(observation_resource(**value), "valueQuantity"))
    assert only(data).value == expected


def test_a_sign_before_a_number_is_kept() -> None:
    value = only(
        bundle(observation_resource(valueQuantity={**quantity(1, "ng/mL"), "comparator": "<"}))
    ).value
    assert isinstance(value, PrintedNumber)
    assert value.comparator == "<"


def test_the_usual_range_is_chosen_among_several() -> None:
    treatment = {
        "type": concept("treatment", system="http://terminology.hl7.org/CodeSystem/referencerange-meaning"),
        "text": "<1.8",
    }
    found = only(bundle(observation_resource(referenceRange=[treatment, {"text": "<3.37"}])))
    assert found.range is not None
    assert found.range.text == "<3.37"


def test_results_are_gathered_by_visit_then_by_report_then_by_day() -> None:
    parsed = parse_bundle(
        bundle(
            observation_resource("a", encounter={"reference": "urn:uuid:visit"}),
            observation_resource("b"),
            observation_resource("c", effectiveDateTime="2026-11-18T23:30:00+08:00"),
            {"resourceType": "Encounter", "id": "visit", "status": "finished", "type": [{"text": "门诊"}]},
            {
                "resourceType": "DiagnosticReport",
                "id": "lab",
                "code": concept("51990-0", "生化"),
                "result": [{"reference": "urn:uuid:b"}],
            },
        )
    )
    assert [(r.source_id, r.title, [o.source_id for o in r.observations]) for r in parsed.reports] == [
        ("day:2026-11-18", "", ["c"]),
        ("lab", "生化", ["b"]),
        ("visit", "门诊", ["a"]),
    ]


def test_a_result_without_a_time_takes_that_of_its_report_or_visit() -> None:
    timeless = without(observation_resource("b"), "effectiveDateTime")
    report = {
        "resourceType": "DiagnosticReport",
        "id": "lab",
        "effectiveDateTime": "2026-11-02",
        "result": [{"reference": "urn:uuid:b"}],
    }
    assert only(bundle(timeless, report)).taken_at == datetime(2026, 11, 1, 16, tzinfo=UTC)


def test_a_business_number_is_the_id_that_stays() -> None:
    found = only(bundle(observation_resource(identifier=[{"system": "urn:lab", "value": "S-1"}])))
    assert found.source_id == "urn:lab|S-1"


def test_a_result_without_any_id_is_known_by_its_code_and_time() -> None:
    nameless = without(observation_resource(), "id")
    document = {
        "resourceType": "Bundle",
        "entry": [{"resource": patient_resource(), "fullUrl": "urn:uuid:person"}, {"resource": nameless}],
    }
    assert only(json.dumps(document).encode()).source_id == "13457-7@2026-11-19T08:20:00+08:00"


def test_results_taken_back_or_without_a_value_are_counted_and_left_out() -> None:
    parsed = parse_bundle(
        bundle(
            observation_resource("a"),
            observation_resource("b", status="entered-in-error"),
            without(observation_resource("c"), "valueQuantity"),
        )
    )
    assert list(results(parsed)) == ["a"]
    assert (parsed.taken_back, parsed.without_value) == (1, 1)


def test_what_this_house_does_not_read_is_counted_by_kind() -> None:
    parsed = parse_bundle(bundle(observation_resource(), {"resourceType": "Condition", "id": "c"}))
    assert dict(parsed.not_read) == {"Condition": 1}


@pytest.mark.parametrize("death", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-11-20"}])
def test_a_person_who_has_died_is_known_as_such(death: dict[str, Any]) -> None:
    parsed = parse_bundle(bundle(patient=patient_resource(**death)))
    assert parsed.person.has_died
    assert all(report.about_the_dead for report in parsed.reports)


def test_a_child_is_read_like_anybody() -> None:
    assert parse_bundle(fixture("child")).person.born_on == date(2015, 4, 2)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([{"family": "欧阳", "given": ["建国"]}], "欧阳建国"),
        ([{"family": "Treutel", "given": ["Eura", "May"]}], "Eura May Treutel"),
        (
            [
                {"use": "maiden", "family": "Blanda"},
                {"use": "official", "family": "Treutel", "given": ["Eura"]},
            ],
            "Eura Treutel",
        ),
        ([{"text": "阿依古丽·买买提"}], "阿依古丽·买买提"),
        ([], ""),
    ],
)
def test_a_name_is_written_as_its_bearer_would(names: list[Any], expected: str) -> None:
    assert parse_bundle(bundle(patient=patient_resource(name=names))).person.name == expected


def test_the_mobile_phone_in_use_comes_first() -> None:
    telecom = [
        {"system": "phone", "use": "home", "value": "010-5550 0199"},
        {"system": "phone", "use": "old", "value": "13900000000"},
        {"system": "phone", "use": "mobile", "value": "13800001234"},
        {"system": "email", "value": "yaqin@mailbox.local"},
    ]
    person = parse_bundle(bundle(patient=patient_resource(telecom=telecom))).person
    assert (person.phone, person.email) == ("13800001234", "yaqin@mailbox.local")


def test_an_id_number_is_found_by_its_form_where_the_sender_uses_a_system_of_its_own() -> None:
    identifiers = [
        {"system": "urn:his", "value": "A-17"},
        {"system": "urn:his:papers", "value": "990101196805170049"},
    ]
    assert (
        parse_bundle(bundle(patient=patient_resource(identifier=identifiers))).person.id_number
        == "990101196805170049"
    )
    mistyped = [{"system": "urn:his:papers", "value": "990101196805170041"}]
    assert parse_bundle(bundle(patient=patient_resource(identifier=mistyped))).person.id_number == ""


def test_a_birth_month_alone_is_no_birth_date() -> None:
    assert parse_bundle(bundle(patient=patient_resource(birthDate="1968-05"))).person.born_on is None


def test_today_is_a_day_like_any_other() -> None:
    assert parse_bundle(fixture("has_died", on=TODAY)).reports[0].taken_at.date() == date(2026, 11, 19)
