"""Rules answer true, false or unknown, and say what they rest on."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import yaml

from records.catalogue import DATA, catalogue
from records.details import Detail, detail_of
from records.parsed import PrintedText, PrintedValue
from records.readings import Person, read
from records.rules import Evidence, Facts, Known, Truth, rule_book
from records.rules.expressions import condition_from, leaves_of
from tests.factories.records import NOW, parsed, printed_number

WOMAN = Person(sex="female", born_on=date(1968, 5, 17))
MAN = Person(sex="male", born_on=date(1968, 5, 17))


def known(key: str, value: PrintedValue, *, days_ago: float = 1) -> Known:
    taken_at = NOW - timedelta(days=days_ago)
    reading = read(parsed(key, value), person=WOMAN, catalogue=catalogue(), day=taken_at.date())
    return Known(
        observation_id=uuid4(), taken_at=taken_at, detail=Detail(detail_of(reading, catalogue_version=1))
    )


def facts(*results: Known, person: Person = WOMAN, at: datetime = NOW) -> Facts:
    by_key: dict[str, list[Known]] = {}
    for result in sorted(results, key=lambda result: result.taken_at, reverse=True):
        by_key.setdefault(result.detail.facts["indicator"], []).append(result)
    return Facts(at=at, person=person, results=by_key)


def ldl(value: str, *, sign: str = "", days_ago: float = 1) -> Known:
    return known("ldl", printed_number(value, sign=sign), days_ago=days_ago)


def truth(written: Any, found: Facts, *, days: int = 365) -> Truth:
    return condition_from(written, days=days).holds(found, [])


def judged(found: Facts) -> dict[str, Truth]:
    return {verdict.rule.tag.code: verdict.truth for verdict in rule_book().judge(found)}


HIGH = ["ind.ldl", ">=", Decimal("4.1")]
LOW = ["ind.ldl", "<", Decimal(1)]
MISSING = ["ind.hcy", ">=", 15]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"all": [HIGH, HIGH]}, True),
        ({"all": [HIGH, MISSING]}, None),
        ({"all": [LOW, MISSING]}, False),
        ({"any": [LOW, MISSING]}, None),
        ({"any": [HIGH, MISSING]}, True),
        ({"any": [LOW, LOW]}, False),
        ({"not": HIGH}, False),
        ({"not": LOW}, True),
        ({"not": MISSING}, None),
        (["dx.diabetes", "!=", True], None),
        (["q.phq9.total", ">=", 10], None),
        (["ind.nonsense", ">=", 1], None),
        (["ind.ldl.nonsense", ">=", 1], None),
    ],
)
def test_all_any_and_not_have_three_answers(written: Any, expected: Truth) -> None:
    assert truth(written, facts(ldl("4.35"))) is expected


@pytest.mark.parametrize(
    ("op", "edge", "expected"),
    [
        (">=", "4.35", True),
        (">", "4.35", False),
        ("<=", "4.35", True),
        ("<", "4.35", False),
        ("==", "4.35", True),
        ("!=", "4.35", False),
    ],
)
def test_numbers_are_compared_unrounded(op: str, edge: str, expected: bool) -> None:
    assert truth(["ind.ldl", op, Decimal(edge)], facts(ldl("4.35"))) is expected
    converted = known("ldl", printed_number("158.5", "mg/dL"))  # 4.09881, shown as 4.10
    assert truth(HIGH, facts(converted)) is False


@pytest.mark.parametrize(("sign", "expected"), [(">", True), ("<", None)])
def test_a_bound_answers_only_what_it_tells(sign: str, expected: Truth) -> None:
    assert truth(HIGH, facts(ldl("4.2", sign=sign))) is expected


def test_the_newest_value_inside_the_window_counts() -> None:
    old, new = ldl("4.9", days_ago=200), ldl("3.0", days_ago=2)
    assert truth(HIGH, facts(old, new)) is False
    assert truth(HIGH, facts(old)) is True
    assert truth(HIGH, facts(old), days=90) is None


def test_what_is_taken_later_than_the_moment_asked_is_not_known_yet() -> None:
    assert truth(HIGH, facts(ldl("4.9", days_ago=-1))) is None


@pytest.mark.parametrize(("word", "expected"), [("2+", True), ("1+", False), ("阴性", False)])
def test_steps_of_a_scale_are_compared_in_their_order(word: str, expected: bool) -> None:
    assert truth(["ind.u_pro", ">=", "2+"], facts(known("u_pro", PrintedText(word)))) is expected


@pytest.mark.parametrize(("value", "expected"), [("8.2", True), ("0.1", True), ("2.0", False)])
def test_a_flag_is_asked_by_its_side(value: str, expected: bool) -> None:
    found = facts(known("tsh", printed_number(value, "mIU/L")))
    assert truth(["ind.tsh.flag", "in", ["high", "low"]], found) is expected


def test_a_critical_flag_is_on_its_side_too_and_no_flag_is_unknown() -> None:
    assert truth(["ind.k.flag", "==", "high"], facts(known("k", printed_number("6.8")))) is True
    assert (
        truth(["ind.height.flag", "==", "high"], facts(known("height", printed_number("160", "cm")))) is None
    )


@pytest.mark.parametrize(
    ("values", "expected"), [(["150", "142"], True), (["150", "130"], False), ([], None)]
)
def test_values_of_a_time_are_counted(values: Sequence[str], expected: Truth) -> None:
    found = facts(*(known("sbp", printed_number(v, "mmHg"), days_ago=n + 1) for n, v in enumerate(values)))
    assert truth(["ind.sbp.count(>= 140, 90)", ">=", 2], found) is expected


def test_a_value_that_may_or_may_not_count_makes_the_count_unknown() -> None:
    unsure = known("sbp", printed_number("100", "mmHg", sign=">"))
    assert truth(["ind.sbp.count(>= 140, 90)", ">=", 1], facts(unsure)) is None


@pytest.mark.parametrize(
    ("written", "person", "expected"),
    [
        (["profile.age", ">=", 58], WOMAN, True),
        (["profile.age", ">=", 59], WOMAN, False),
        (["profile.age", ">=", 58], Person(sex="female", birth_year=1968), None),
        (["profile.age", ">=", 57], Person(sex="female", birth_year=1968), True),
        (["profile.sex", "==", "female"], WOMAN, True),
        (["profile.sex", "==", "female"], Person(), None),
        (["profile.pregnant", "!=", True], MAN, True),
        (["profile.pregnant", "!=", True], WOMAN, None),
        (["profile.smoker", "==", "current"], WOMAN, None),
    ],
)
def test_a_profile_is_asked_as_far_as_it_is_known(written: Any, person: Person, expected: Truth) -> None:
    assert truth(written, facts(person=person)) is expected


@pytest.mark.requirement("PIPL-24a")
def test_the_evidence_of_a_true_condition_is_what_was_true_in_it() -> None:
    high = ldl("4.35")
    evidence: list[Evidence] = []
    written = {"any": [HIGH, MISSING, ["profile.age", ">=", 90], ["profile.sex", "==", "female"]]}
    assert condition_from(written, days=365).holds(facts(high), evidence)
    assert [(e.path, e.known) for e in evidence] == [("ind.ldl", high), ("profile.sex", None)]


def test_a_high_ldl_makes_its_tag_true_and_a_usual_one_false() -> None:
    assert judged(facts(ldl("4.35")))["lipid_high_ldl"] is True
    assert judged(facts(ldl("3.00")))["lipid_high_ldl"] is False
    assert judged(facts())["lipid_high_ldl"] is None


@pytest.mark.parametrize(
    ("bmi", "expected"),
    [
        ("29", {"obesity": True, "overweight": False}),
        ("25", {"obesity": False, "overweight": True}),
        ("22", {"obesity": False, "overweight": False}),
    ],
)
def test_classes_of_weight_exclude_each_other(bmi: str, expected: dict[str, bool]) -> None:
    found = judged(facts(known("bmi", printed_number(bmi, "kg/m²")), person=MAN))
    assert {code: found[code] for code in expected} == expected


def test_a_tag_gives_way_to_the_graver_one() -> None:
    critical = facts(
        known("sbp", printed_number("185", "mmHg"), days_ago=0.5),
        known("dbp", printed_number("85", "mmHg"), days_ago=0.5),
    )
    verdicts = {verdict.rule.tag.code: verdict for verdict in rule_book().judge(critical)}
    assert verdicts["bp_critical"].truth
    assert verdicts["bp_high_normal"].truth is False
    assert verdicts["bp_high_normal"].evidence == ()
    bones = judged(facts(known("bmd_t", printed_number("-2.7", ""))))
    assert (bones["osteoporosis"], bones["osteopenia"]) == (True, False)


def test_every_rule_of_the_book_asks_only_what_can_be_known() -> None:
    book = rule_book()
    assert book.indicators <= set(catalogue().indicators)
    for rule in book.rules.values():
        for leaf in leaves_of(rule.condition):
            assert leaf.path.startswith(("ind.", "profile.")), rule.tag.code
    assert {"lipid_high_ldl", "bp_critical", "hyperuricaemia"} <= set(book.rules)
    assert book.longest_window_days == 365


def test_every_tag_has_both_names_and_every_conflict_names_tags() -> None:
    written = yaml.load((DATA / "tags.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    codes = {row["code"] for row in written["tags"]}
    assert len(codes) == len(written["tags"])
    assert all(row["name_zh"] and row["name_en"] and row["group"] for row in written["tags"])
    named = {
        code
        for row in written["conflicts"]
        for code in [*row.get("exclusive", []), row.get("tag"), row.get("gives_way_to")]
        if code
    }
    assert named <= codes


def test_a_tag_that_a_sealed_item_feeds_is_sealed_itself() -> None:
    sealed = {key for key, indicator in catalogue().indicators.items() if indicator.sealed}
    for rule in rule_book().rules.values():
        if any(leaf.path.split(".")[1] in sealed for leaf in leaves_of(rule.condition)):
            assert rule.tag.sealed, rule.tag.code


@pytest.mark.parametrize(
    "written", [{"some": []}, ["ind.ldl", "~", 1], ["ind.ldl", ">="], "ind.ldl", {"all": HIGH, "any": HIGH}]
)
def test_a_rule_that_is_not_written_in_the_grammar_does_not_load(written: Any) -> None:
    with pytest.raises(ValueError, match="rule"):
        condition_from(written, days=365)
