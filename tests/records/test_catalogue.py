"""The indicator catalogue is whole and says what it means."""

from decimal import Decimal

import pytest
import yaml

from records.catalogue import DATA, INDICATOR_SYSTEM, LOINC, Direction, Kind, catalogue
from records.values import STEPS, Interval

ADULTS = {"adults_from": 18}


def years(number: int) -> Interval:
    return Interval(Decimal(number), Decimal(number))


def test_every_indicator_has_names_a_group_and_the_source_and_status_of_its_facts() -> None:
    written = yaml.load((DATA / "indicators.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    groups = {group["name_zh"] for group in written["groups"]}
    for row in written["indicators"]:
        assert all(row[name] for name in ("name_zh", "name_en", "source")), row["key"]
        assert row["group"] in groups, row["key"]
        assert row["status"] in {"P", "I", "S", "M", "PROPOSAL"}, row["key"]
    assert len(written["indicators"]) == 151
    assert {panel["loinc"] for panel in written["panels"]} == {"55284-4", "85354-9"}


def test_every_number_has_a_unit_and_limits_a_body_can_have_around_its_range() -> None:
    for indicator in catalogue().indicators.values():
        if indicator.kind is not Kind.QUANTITY:
            continue
        assert indicator.plausible is not None, indicator.key
        low, high = indicator.plausible
        assert low < high, indicator.key
        for band in indicator.bands:
            assert band.low is None or low <= band.low < high, indicator.key
            assert band.high is None or low < band.high <= high, indicator.key
        critical = indicator.critical
        for line in (critical.low, critical.high) if critical else ():
            assert line is None or low <= line <= high, indicator.key


def test_no_loinc_code_stands_for_two_indicators() -> None:
    written = yaml.load((DATA / "indicators.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    codes = [row["loinc"] for row in written["indicators"] if row["loinc"]]
    codes += [alias["code"] for row in written["indicators"] for alias in row.get("loinc_aliases", [])]
    codes += [panel["loinc"] for panel in written["panels"]]
    shared = [code for code in codes if codes.count(code) > 1]
    assert shared == []


def test_a_conversion_always_rises_so_that_a_bound_stays_a_bound() -> None:
    for indicator in catalogue().indicators.values():
        for conversion in indicator.conversions.values():
            assert conversion.times / conversion.over > 0, indicator.key


def test_the_scale_of_the_data_is_the_scale_of_the_code() -> None:
    written = yaml.load((DATA / "indicators.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    assert tuple(written["ordinal_steps"]) == STEPS


@pytest.mark.parametrize(
    ("system", "found"),
    [(LOINC, True), ("urn:oid:2.16.840.1.113883.6.1", True), ("", False), ("urn:other", False)],
)
def test_a_code_stands_for_something_only_in_a_system_we_know(system: str, found: bool) -> None:
    assert (catalogue().by_code(system, "18262-6") is not None) is found


def test_an_indicator_without_a_verified_code_is_found_by_our_own_key() -> None:
    cea = catalogue().by_code(INDICATOR_SYSTEM, "cea")
    assert cea is not None
    assert cea.sealed


@pytest.mark.parametrize(
    ("sex", "age", "band"),
    [
        ("male", 20, ("57", "97")),
        ("male", 59, ("57", "97")),
        ("male", 60, ("57", "111")),
        ("female", 79, ("41", "81")),
    ],
)
def test_the_range_follows_sex_and_age_with_both_edges_of_a_band_inside(
    sex: str, age: int, band: tuple[str, str]
) -> None:
    found = catalogue().indicators["crea"].band_for(sex, years(age), **ADULTS)
    assert found is not None
    assert (found.low, found.high) == tuple(map(Decimal, band))


@pytest.mark.parametrize(("sex", "age"), [("male", 19), ("male", 80), ("unknown", 40)])
def test_outside_every_band_there_is_no_range(sex: str, age: int) -> None:
    assert catalogue().indicators["crea"].band_for(sex, years(age), **ADULTS) is None


def test_adult_ranges_are_not_laid_upon_children() -> None:
    assert catalogue().indicators["bmi"].band_for("female", years(17), **ADULTS) is None
    assert catalogue().indicators["bmi"].band_for("female", years(18), **ADULTS) is not None


def test_a_birth_year_alone_gives_a_range_only_where_both_possible_ages_share_it() -> None:
    crea = catalogue().indicators["crea"]
    assert crea.band_for("male", Interval(Decimal(58), Decimal(59)), **ADULTS) is not None
    assert crea.band_for("male", Interval(Decimal(59), Decimal(60)), **ADULTS) is None


def test_infection_and_tumour_markers_are_sealed_whole() -> None:
    sealed = {key for key, indicator in catalogue().indicators.items() if indicator.sealed}
    assert {"hbsag", "hbsab", "hcvab", "afp", "cea", "psa"} <= sealed
    assert catalogue().indicators["hbsab"].bad_direction is Direction.NONE
