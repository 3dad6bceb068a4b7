"""Pathways and messages are data; what could tell about health, or leads nowhere, does not load."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from audit.purposes import Purpose
from consent.purposes import rule_of
from followups.messaging import (
    Template,
    TemplateForbidden,
    Text,
    day_in_words,
    forbidden_words,
    newest_template,
    policy,
    refuse_forbidden,
    salutation,
    templates,
)
from followups.pathways import AT_START, pathway_book
from records.catalogue import catalogue

FACTS = {
    "clinic": "云溪健康",
    "salutation": "陈女士",
    "day": "12 月 3 日",
    "link": "https://clinic.example/p/east/",
    "stop": "https://clinic.example/p/east/stop/AbCdEfGhIjKlMnOpQrStUv/",
    "phone": "010-5550 0100",
}


def test_every_step_of_every_pathway_can_be_reached() -> None:
    for pathway in pathway_book().versions.values():
        reached = {AT_START}
        for step in pathway.steps:
            assert step.opens in reached, (pathway.code, step.code)
            reached.add(step.code)


def test_every_step_is_due_by_the_clock_or_by_the_day() -> None:
    for pathway in pathway_book().versions.values():
        for step in pathway.steps:
            assert (step.within is None) != (step.days is None)
            assert step.name.zh
            assert step.next.en


def test_class_a_runs_by_the_clock_and_rests_on_care_so_no_withdrawal_of_reminders_stops_it() -> None:
    pathway = pathway_book().newest["class_a"]
    assert [step.within and step.within.total_seconds() / 3600 for step in pathway.steps] == [2, 24, 168]
    assert pathway.purpose is Purpose.CARE
    assert [step.urgency for step in pathway.steps] == ["class_a", "routine", "routine"]  # told once
    assert "pathway" in rule_of(Purpose.FOLLOWUP).stops


def test_reminders_name_templates_that_exist_and_steps_items_that_exist() -> None:
    for pathway in pathway_book().versions.values():
        for step in pathway.steps:
            assert all(newest_template(reminder.template) for reminder in step.reminders)
            assert not step.satisfied_by or step.satisfied_by in catalogue().indicators


def test_only_pathways_that_rest_on_follow_up_write_to_the_patient() -> None:
    for pathway in pathway_book().versions.values():
        assert pathway.purpose is Purpose.FOLLOWUP or not any(step.reminders for step in pathway.steps)


@pytest.mark.requirement("PIPL-24b")
@pytest.mark.parametrize("locale", ["zh-hans", "en"])
def test_no_message_says_anything_about_health_and_each_says_how_to_stop_them(locale: str) -> None:
    for template in templates().values():
        text = template.fill(FACTS, locale)
        said = f"{text.subject} {text.body}".casefold()
        assert not [word for word in forbidden_words() if word.casefold() in said]
        assert not [one for one in catalogue().indicators.values() if one.name_zh in said]
        assert FACTS["link"] in text.body
        newest = template == newest_template(template.code)
        stop = "我的授权" if locale == "zh-hans" else "My permissions"
        assert (FACTS["stop"] if newest else stop) in text.body


@pytest.mark.parametrize(
    "body",
    [
        "{clinic}：您的血脂偏高，请复查。",
        "{clinic}: your glucose result is back.",
        "{clinic}：{value}",
        "{clinic}：请到肿瘤科。",
        "Please fill in the phq-9.",
    ],
)
def test_a_template_that_could_tell_something_does_not_load(body: str) -> None:
    text = Text("", body)
    with pytest.raises(TemplateForbidden):
        refuse_forbidden(Template(code="bad", version=1, zh=text, en=text))


@pytest.mark.parametrize(
    ("name", "sex", "said"),
    [
        ("陈雅琴", "female", "陈女士"),
        ("王建国", "male", "王先生"),
        ("欧阳静", "female", "欧阳女士"),
        ("欧阳", "male", "欧先生"),
        ("阿依古丽·买买提", "female", "阿依古丽"),
        ("Anna Smith", "female", "Anna"),
        ("陈雅琴", "unknown", ""),
        ("", "female", ""),
    ],
)
def test_people_are_called_as_people_call_each_other(name: str, sex: str, said: str) -> None:
    assert salutation(name, sex) == said


def test_days_are_said_as_people_write_them() -> None:
    assert day_in_words(date(2026, 12, 3)) == "12 月 3 日"


def china(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        ("2026-11-23T07:59:59", True),
        ("2026-11-23T08:00:00", False),
        ("2026-11-23T20:59:59", False),
        ("2026-11-23T21:00:00", True),
        ("2026-11-22T08:29:00", True),
        ("2026-11-22T19:59:00", False),
        ("2026-11-22T20:00:00", True),
    ],
)
def test_nights_are_quiet_and_weekends_longer(at: str, quiet: bool) -> None:
    assert policy().is_quiet(china(at)) is quiet
    assert policy().is_quiet(china(at).astimezone(UTC)) is quiet


@pytest.mark.parametrize(
    ("at", "morning"),
    [
        ("2026-11-23T22:00:00", "2026-11-24T08:00:00"),
        ("2026-11-24T03:00:00", "2026-11-24T08:00:00"),
        ("2026-11-27T21:30:00", "2026-11-28T08:30:00"),
        ("2026-11-29T20:30:00", "2026-11-30T08:00:00"),
    ],
)
def test_what_falls_into_the_night_leaves_in_the_morning_not_all_in_one_second(at: str, morning: str) -> None:
    leaving = [policy().not_before(china(at), UUID(int=number)) for number in (0, 100)]
    assert leaving[0] == china(morning)
    assert 0 < (leaving[1] - leaving[0]).total_seconds() < 15 * 60
    assert not any(policy().is_quiet(moment) for moment in leaving)
