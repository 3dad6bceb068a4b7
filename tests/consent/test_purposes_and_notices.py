"""The vocabulary and the notices are data; what is missing in them does not load."""

import re

import pytest

from audit.purposes import Purpose
from clinics.models import Clinic
from consent import notices, purposes
from consent.models import ConsentNotice
from consent.notices import ITEMS, LOCALES, notice_text, purposes_with_notice, purposes_with_text
from consent.purposes import carries, rests_on, rule_of, rules
from consent.services import current_notice, current_notices
from tests.factories.consent import MONDAY


def test_every_purpose_has_a_rule_and_no_rule_is_without_a_purpose() -> None:
    assert set(rules()) == set(Purpose)


@pytest.mark.requirement("PIPL-13")
def test_every_purpose_names_its_basis_article_and_data() -> None:
    for rule in rules().values():
        assert rule.legal_basis
        assert rule.article
        assert rule.data
        assert str(rule.name)
        assert rule.what.zh
        assert rule.what.en


def test_what_rests_on_law_or_contract_cannot_be_withdrawn() -> None:
    for rule in rules().values():
        assert rule.withdrawable == rule.needs_consent


def test_one_yes_covers_each_kind_of_data_with_each_operation() -> None:
    assert rule_of(Purpose.RISK).grants == (
        ("health", "use"),
        ("health", "automated"),
        ("care", "use"),
        ("care", "automated"),
    )


def test_reminders_reports_and_risk_rest_on_care_and_nothing_rests_on_reminders() -> None:
    assert carries(Purpose.CARE) == {Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK}
    assert rests_on(Purpose.FOLLOWUP) == {Purpose.CARE}
    assert carries(Purpose.FOLLOWUP) == frozenset()
    assert not any(rests_on(p) for p in Purpose if p not in carries(Purpose.CARE))


def test_what_the_desk_asks_has_a_notice_in_every_language() -> None:
    asked = {rule.purpose for rule in rules().values() if rule.asked_at_opening}
    assert asked | {Purpose.FAMILY} == set(purposes_with_notice())  # asked for as a relative is let in


def test_whatever_people_can_be_asked_for_has_words_in_every_language() -> None:
    assert {rule.purpose for rule in rules().values() if rule.needs_consent} == set(purposes_with_text())


def test_nothing_sensitive_is_asked_for_without_an_assessment_and_every_purpose_says_who_receives_it() -> (
    None
):
    for rule in rules().values():
        assert rule.needs_assessment == rule.needs_consent
        assert rule.recipients


@pytest.mark.requirement("PIPL-16")
def test_before_a_withdrawal_the_person_is_told_what_ends_and_what_goes_on() -> None:
    for rule in rules().values():
        if rule.withdrawable:
            for words in (rule.who, rule.if_no, rule.if_withdrawn, *rule.keeps):
                assert words.zh
                assert words.en
            assert rule.keeps
            assert rule.term


@pytest.mark.requirement("PIPL-17a", "PIPL-52")
@pytest.mark.parametrize("locale", LOCALES)
def test_every_notice_says_all_that_the_law_asks_for(locale: str) -> None:
    for purpose in purposes_with_text():
        items = notice_text(purpose, locale).for_clinic("云溪健康", "010-5550 0100")
        assert list(items) == list(ITEMS)
        assert all(items.values())
        assert "云溪健康" in items["who"]
        assert "010-5550 0100" in items["contact"]
        assert not re.search(r"[{}]", "".join(items.values()))


def test_both_languages_have_the_same_version_of_a_notice() -> None:
    for purpose in purposes_with_text():
        assert len({notice_text(purpose, locale).version for locale in LOCALES}) == 1


def test_a_notice_that_changed_materially_asks_everybody_again() -> None:
    for purpose in purposes_with_notice():
        notice = notice_text(purpose, "zh-hans")
        assert rule_of(purpose).min_notice_version <= notice.version
        assert not notice.material_change or rule_of(purpose).min_notice_version == notice.version


def test_a_purpose_that_stops_something_unknown_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"code": "care", "stops": ["everything"]}
    with pytest.raises(ValueError, match="everything"):
        purposes._rule(row)


@pytest.mark.requirement("PIPL-30")
def test_a_notice_that_leaves_an_item_out_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = notices._load
    monkeypatch.setattr(
        notices, "_load", lambda name: {k: v for k, v in whole(name).items() if k != "rights"}
    )
    with pytest.raises(ValueError, match="rights"):
        notices._read(Purpose.CARE, "en")


@pytest.mark.usefixtures("at_work")
def test_a_notice_is_published_once_with_the_fingerprint_of_its_words(clinic: Clinic) -> None:
    first = current_notice(clinic, Purpose.CARE, "zh-hans", MONDAY)
    again = current_notice(clinic, Purpose.CARE, "zh-hans", MONDAY)
    assert first == again
    assert "云溪健康城东门诊" in first.body
    assert len(bytes(first.body_sha256)) == 32
    assert ConsentNotice.objects.count() == 1


@pytest.mark.usefixtures("at_work")
def test_a_notice_is_not_shown_before_it_is_in_force(clinic: Clinic) -> None:
    early = MONDAY.replace(year=2021, month=10)
    assert current_notices(clinic, list(Purpose), "en", early) == {}
