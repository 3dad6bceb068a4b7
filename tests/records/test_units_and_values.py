"""Units keep their meaning whatever their spelling; numbers keep their digits; bounds stay bounds."""

from decimal import Decimal

import pytest

from records.catalogue import catalogue
from records.units import Conversion, spelled
from records.values import Comparator, Interval, Limits, limits_of, step_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10*9/L", "×10⁹/L"),
        ("10^9/L", "10⁹/l"),
        ("μmol/L", "µmol/l"),
        ("umol/L", "μmol/L"),
        ("mm[Hg]", "mmHg"),
        ("mL/min/{1.73_m2}", "mL/min/1.73m²"),
        ("Cel", "℃"),
        ("u[IU]/mL", "μIU/mL"),
        ("次/分", "bpm"),
    ],
)
def test_one_unit_has_one_spelling(one: str, other: str) -> None:
    assert spelled(one) == spelled(other)


@pytest.mark.parametrize(
    ("one", "other"), [("g/L", "g/dL"), ("mL/min", "mL/min/1.73m²"), ("mmol/L", "mol/L"), ("U/L", "IU/L")]
)
def test_two_units_stay_two(one: str, other: str) -> None:
    assert spelled(one) != spelled(other)


@pytest.mark.parametrize(
    ("key", "unit", "printed", "canonical"),
    [
        ("ldl", "mg/dL", "158.5", "4.098810"),
        ("temp", "℉", "98.6", "37"),
        ("hba1c", "mmol/mol", "48", "6.543040"),
        ("weight", "斤", "129.4", "64.70"),
        ("tp", "g/dL", "7.1", "71.0"),
        ("hct", "L/L", "0.42", "42.00"),
        ("wbc", "{cells}/uL", "5600", "5.600"),
        ("sbp", "kPa", "16", "120.00992"),
    ],
)
def test_a_number_is_converted_without_losing_a_digit(
    key: str, unit: str, printed: str, canonical: str
) -> None:
    conversion = catalogue().indicators[key].conversion_from(unit)
    assert conversion is not None
    assert conversion.apply(Decimal(printed)) == Decimal(canonical)


@pytest.mark.parametrize(
    ("key", "unit"), [("lpa", "nmol/L"), ("egfr", "mL/min"), ("ldl", ""), ("ldl", "g/L"), ("urea", "mg/dL")]
)
def test_a_unit_without_a_conversion_gives_none(key: str, unit: str) -> None:
    assert catalogue().indicators[key].conversion_from(unit) is None


def test_urea_nitrogen_is_converted_because_of_its_code_not_because_of_its_unit() -> None:
    urea = catalogue().indicators["urea"]
    conversion = urea.conversion_from("mg/dL", code="6299-2")
    assert conversion is not None
    assert conversion.apply(Decimal("14")) == Decimal("4.998")


def test_a_conversion_can_be_said_in_words() -> None:
    assert Conversion("mg/dL", times=Decimal("0.02586")).in_words() == "×0.02586"
    assert (
        Conversion("℉", times=Decimal(5), plus=Decimal(-160), over=Decimal(9)).in_words() == "(×5 − 160) ÷ 9"
    )
    assert Conversion("mmol/L").in_words() == ""


@pytest.mark.parametrize(
    ("sign", "limit", "at_least", "above"),
    [
        ("", "5", True, False),
        ("<", "5", False, False),
        ("<=", "5", None, False),
        (">", "5", True, True),
        (">=", "5", True, None),
    ],
)
def test_a_bound_answers_only_what_it_tells(
    sign: str, limit: str, at_least: bool | None, above: bool | None
) -> None:
    five = Interval.of(Decimal(5), Comparator(sign))
    assert five.is_at_least(Decimal(limit)) is at_least
    assert five.is_above(Decimal(limit)) is above


def test_below_and_above_are_opposites_and_unknown_stays_unknown() -> None:
    some = Interval.of(Decimal(5), Comparator.AT_MOST)
    assert some.is_below(Decimal(6)) is True
    assert some.is_below(Decimal(5)) is None
    assert some.is_at_most(Decimal(5)) is True
    assert some.equals(Decimal(5)) is None
    assert some.equals(Decimal(6)) is False


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("阴性", 0),
        ("（-）", 0),
        ("Negative", 0),
        ("±", 1),
        ("弱阳性", 1),
        ("阳性", 2),
        ("1+", 2),
        ("++", 3),
        ("３＋", 4),
        ("4+", 5),
        ("阴性 ", 0),
    ],
)
def test_ordinal_words_find_their_step(word: str, step: int) -> None:
    assert step_of(word) == step


@pytest.mark.parametrize("word", ["", "见图", "0.05", "5+", "*****"])
def test_a_word_that_is_not_on_the_scale_has_no_step(word: str) -> None:
    assert step_of(word) is None


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("3.5-5.3", Limits(Decimal("3.5"), Decimal("5.3"))),
        ("155～357", Limits(Decimal(155), Decimal(357))),
        ("3.5—5.3", Limits(Decimal("3.5"), Decimal("5.3"))),
        ("＜5.18", Limits(high=Decimal("5.18"), open_high=True)),
        ("≥ 1.04", Limits(low=Decimal("1.04"))),
        ("-1.0", None),
        ("5.3-3.5", None),
        ("阴性", None),
        ("男：3.5-5.3", None),
    ],
)
def test_a_printed_range_is_read_or_left_alone(text: str, limits: Limits | None) -> None:
    assert limits_of(text) == limits
