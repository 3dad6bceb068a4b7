"""What one result means, and when nothing is said about it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from records.catalogue import LOINC, catalogue
from records.choices import Flag, WhyUncatalogued
from records.parsed import Coding, PrintedCodes, PrintedRange, PrintedText, PrintedValue
from records.readings import SNOMED, Person, Reading, read
from tests.factories.records import TAKEN_AT, parsed, printed_number, printed_range

WOMAN = Person(sex="female", born_on=date(1968, 5, 17))
MAN = Person(sex="male", born_on=date(1968, 5, 17))
CHILD = Person(sex="female", born_on=date(2015, 4, 2))


def reading(key: str, value: PrintedValue, *, person: Person = WOMAN, **changes: Any) -> Reading:
    return read(parsed(key, value, **changes), person=person, catalogue=catalogue(), day=TAKEN_AT.date())


def test_a_value_is_flagged_against_the_range_printed_on_the_report() -> None:
    found = reading("k", printed_number("5.2"), range=printed_range("3.5", "5.0", unit="mmol/L"))
    assert found.flag is Flag.HIGH
    assert found.reference is not None
    assert found.reference.printed


def test_without_a_printed_range_the_catalogues_range_for_sex_and_age_counts() -> None:
    assert reading("alt", printed_number("45", "U/L")).flag is Flag.HIGH
    assert reading("alt", printed_number("45", "U/L"), person=MAN).flag is Flag.NORMAL


@pytest.mark.parametrize(
    ("value", "flag"), [("3.49", Flag.LOW), ("3.5", Flag.NORMAL), ("5.3", Flag.NORMAL), ("5.31", Flag.HIGH)]
)
def test_the_edges_of_a_range_are_inside_it(value: str, flag: Flag) -> None:
    assert reading("k", printed_number(value)).flag is flag


def test_a_printed_less_than_leaves_its_edge_outside() -> None:
    assert reading("tc", printed_number("5.18"), range=PrintedRange(text="<5.18")).flag is Flag.HIGH


@pytest.mark.parametrize(
    ("value", "flag"), [("6.5", Flag.CRITICAL_HIGH), ("6.49", Flag.HIGH), ("2.5", Flag.CRITICAL_LOW)]
)
def test_a_critical_value_says_its_class_and_what_must_happen(value: str, flag: Flag) -> None:
    found = reading("k", printed_number(value))
    assert found.flag is flag
    if flag.is_critical:
        assert found.critical is not None
        assert (found.critical.clinical_class, found.critical.action) == ("A", "class_A")


def test_a_very_high_blood_pressure_asks_to_measure_again_first() -> None:
    found = reading("sbp", printed_number("180", "mmHg"))
    assert found.critical is not None
    assert found.critical.action == "remeasure_then_class_A"


def test_a_printed_range_does_not_silence_a_critical_value() -> None:
    assert (
        reading("k", printed_number("6.9"), range=printed_range("3", "9", unit="mmol/L")).flag
        is Flag.CRITICAL_HIGH
    )


def test_a_child_is_flagged_by_a_printed_range_and_by_critical_lines_only() -> None:
    assert reading("bmi", printed_number("16.1", "kg/m²"), person=CHILD).flag is Flag.UNFLAGGED
    assert (
        reading("hgb", printed_number("118", "g/L"), person=CHILD, range=printed_range("120", "150")).flag
        is Flag.LOW
    )
    assert reading("k", printed_number("6.8"), person=CHILD).flag is Flag.CRITICAL_HIGH


def test_a_value_in_another_unit_is_compared_in_ours_and_kept_as_printed() -> None:
    found = reading("tc", printed_number("227", "mg/dL"), range=printed_range(None, "200", unit="mg/dL"))
    assert found.number is not None
    assert found.number.low == Decimal("5.87022")
    assert found.flag is Flag.HIGH
    assert found.printed.value == printed_number("227", "mg/dL")


def test_a_range_in_a_unit_of_its_own_is_converted_by_itself() -> None:
    found = reading("tc", printed_number("5.87"), range=printed_range(None, "200", unit="mg/dL"))
    assert found.reference is not None
    assert found.reference.limits.high == Decimal("5.172")


def test_a_range_in_an_unknown_unit_is_put_aside_for_the_catalogues() -> None:
    found = reading("tc", printed_number("5.00"), range=printed_range(None, "2", unit="g/L"))
    assert found.reference is not None
    assert not found.reference.printed


def test_an_unknown_code_is_compared_with_nothing_even_when_a_range_is_printed() -> None:
    found = reading(
        "x", printed_number("99"), codings=(Coding("urn:lab", "LX-1"),), range=printed_range("1", "2")
    )
    assert (found.indicator, found.flag, found.why_uncatalogued) == (
        None,
        Flag.UNFLAGGED,
        WhyUncatalogued.UNKNOWN_CODE,
    )


def test_a_known_code_in_a_unit_without_conversion_is_compared_with_nothing() -> None:
    found = reading("egfr", printed_number("57", "mL/min"), range=printed_range("90", "120"))
    assert (found.indicator, found.flag, found.why_uncatalogued) == (
        None,
        Flag.UNFLAGGED,
        WhyUncatalogued.UNKNOWN_UNIT,
    )


def test_a_unit_that_contradicts_its_code_is_no_unit() -> None:
    found = reading("alb", printed_number("4.4", "g/L", unit_code="g/dL"))
    assert found.why_uncatalogued is WhyUncatalogued.UNKNOWN_UNIT


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fobt", printed_number("12.9", "ng/mL")),
        ("ldl", PrintedText("4.35")),
        ("smoking_status", printed_number("1", "")),
    ],
)
def test_a_value_of_another_kind_is_compared_with_nothing(key: str, value: PrintedValue) -> None:
    found = reading(key, value)
    assert (found.indicator, found.why_uncatalogued) == (None, WhyUncatalogued.WRONG_KIND)


def test_codes_that_stand_for_different_items_stand_for_none() -> None:
    found = reading("k", printed_number("4.1"), codings=(Coding(LOINC, "2823-3"), Coding(LOINC, "2951-2")))
    assert found.why_uncatalogued is WhyUncatalogued.TWO_CODES


def test_a_local_code_beside_a_known_one_does_no_harm() -> None:
    found = reading("k", printed_number("4.1"), codings=(Coding("urn:lab", "K"), Coding(LOINC, "2823-3")))
    assert found.indicator is not None
    assert found.indicator.key == "k"


@pytest.mark.parametrize(
    ("key", "value", "unit"),
    [("tp", "71.2", "g/dL"), ("glb", "2.61", "g/L"), ("pdw", "231", "fL"), ("k", "41.2", "mmol/L")],
)
def test_a_value_no_body_can_have_is_kept_and_not_flagged(key: str, value: str, unit: str) -> None:
    found = reading(key, printed_number(value, unit))
    assert found.implausible
    assert found.flag is Flag.UNFLAGGED
    assert found.critical is None
    assert found.indicator is not None


@pytest.mark.parametrize(
    ("sign", "value", "flag"),
    [
        ("<", "0.5", Flag.NORMAL),
        (">", "3.37", Flag.HIGH),
        (">", "2", Flag.UNFLAGGED),
        ("<", "4", Flag.UNFLAGGED),
    ],
)
def test_a_bound_is_flagged_only_when_it_tells_the_side(sign: str, value: str, flag: Flag) -> None:
    assert reading("ldl", printed_number(value, sign=sign)).flag is flag


@pytest.mark.parametrize(("word", "flag"), [("阴性", Flag.NORMAL), ("±", Flag.HIGH), ("2+", Flag.HIGH)])
def test_an_ordinal_result_is_flagged_when_it_is_more_than_negative(word: str, flag: Flag) -> None:
    assert reading("u_pro", PrintedText(word)).flag is flag


def test_an_ordinal_result_may_come_as_a_code() -> None:
    positive = PrintedCodes((Coding(SNOMED, "10828004", "Positive"),), "Positive")
    assert reading("u_nit", positive).flag is Flag.HIGH


def test_a_positive_antibody_of_immunity_is_no_alarm() -> None:
    assert reading("hbsab", PrintedText("阳性")).flag is Flag.NORMAL


def test_an_item_sealed_whole_is_sealed_even_when_its_value_cannot_be_used() -> None:
    found = reading("hbsag", printed_number("0.05", "IU/mL"))
    assert found.indicator is None
    assert found.sealed_whole


def test_a_listed_answer_is_understood_and_another_is_kept_as_text() -> None:
    never = PrintedCodes((Coding(SNOMED, "266919005", "Never smoker"),), "从不吸烟")
    other = PrintedCodes((Coding(SNOMED, "77176002", "Smoker"),), "偶尔")
    assert reading("smoking_status", never).answer == "never"
    assert reading("smoking_status", other).answer == ""
    assert reading("smoking_status", other).indicator is not None


def test_a_range_that_rests_on_memory_says_that_it_must_be_confirmed() -> None:
    found = reading("bmd_t", printed_number("-2.6", ""))
    assert found.flag is Flag.LOW
    assert found.reference is not None
    assert found.reference.status == "M"


@pytest.mark.parametrize(("day", "age"), [(date(2026, 5, 16), 57), (date(2026, 5, 17), 58)])
def test_age_counts_whole_years(day: date, age: int) -> None:
    assert WOMAN.age_on(day) == Person(born_on=date(1968, 5, 17)).age_on(day)
    found = WOMAN.age_on(day)
    assert found is not None
    assert found.low == found.high == age


def test_with_the_year_alone_two_ages_are_possible() -> None:
    found = Person(birth_year=1968).age_on(date(2026, 11, 21))
    assert found is not None
    assert [found.low, found.high] == [57, 58]
    assert Person().age_on(date(2026, 11, 21)) is None
