"""What lines of the ledger mean: pure, and the same whether folded at once or one by one."""

import random
from datetime import timedelta
from functools import reduce
from uuid import UUID

import pytest

from audit.purposes import Purpose
from consent.choices import EventKind, State
from consent.decisions import (
    Decision,
    Line,
    Need,
    Permission,
    Reason,
    Standing,
    after,
    ask_again_on,
    decide,
    fold,
    judge,
)
from consent.purposes import rule_of
from tests.factories.consent import MONDAY

PATIENT, SUBJECT = UUID(int=1), UUID(int=2)
FOLLOWUP = rule_of(Purpose.FOLLOWUP)


def line(
    event: EventKind, *, day: int = 0, version: int = 1, days: int | None = 365, notice: int = 1
) -> Line:
    at = MONDAY + timedelta(days=day)
    return Line(
        id=UUID(int=version),
        event=event,
        valid_from=at,
        valid_until=at + timedelta(days=days) if days else None,
        notice_version=notice,
        occurred_at=at,
        version=version,
    )


def standing(*lines: Line) -> Standing:
    return fold(lines)


def permission(
    *lines: Line,
    purpose: Purpose = Purpose.FOLLOWUP,
    category: str = "attr",
    channel: str = "any",
    subject: UUID = SUBJECT,
) -> Permission:
    return Permission(
        subject_id=subject,
        purpose=purpose,
        data_category=category,
        operation="use",
        recipient="self",
        channel=channel,
        restricted=False,
        standing=fold(lines),
    )


def followup(*permissions: Permission, channel: str = "any") -> Decision:
    need = Need(patient_id=PATIENT, purpose=Purpose.FOLLOWUP, data=frozenset({"attr"}), channel=channel)
    return decide(need, permissions, MONDAY)


def test_a_yes_permits_and_says_on_which_line_it_rests() -> None:
    decision = followup(permission(line(EventKind.GRANTED, version=7)))
    assert decision.allowed
    assert decision.event_uid == UUID(int=7)
    assert decision.state_version == 7


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (EventKind.REFUSED, Reason.REFUSED),
        (EventKind.WITHDRAWN, Reason.WITHDRAWN),
        (EventKind.EXPIRED, Reason.EXPIRED),
        (EventKind.INVALIDATED, Reason.INVALIDATED),
        (EventKind.SUPERSEDED, Reason.SUPERSEDED),
    ],
)
def test_every_other_last_word_is_a_no(event: EventKind, reason: Reason) -> None:
    decision = followup(permission(line(EventKind.GRANTED), line(event, version=2)))
    assert (decision.allowed, decision.reason) == (False, reason)


def test_asking_changes_no_answer() -> None:
    assert standing(line(EventKind.REQUESTED)).state is State.REQUESTED
    assert standing(line(EventKind.GRANTED), line(EventKind.REQUESTED, version=2)).state is State.GRANTED
    assert standing(line(EventKind.REFUSED), line(EventKind.REQUESTED, version=2)).state is State.REFUSED


def test_a_permission_ends_by_itself_in_the_second_its_term_is_over() -> None:
    granted = standing(line(EventKind.GRANTED, days=10))
    end = MONDAY + timedelta(days=10)
    assert judge(granted, FOLLOWUP, end - timedelta(microseconds=1)) is Reason.PERMITTED
    assert judge(granted, FOLLOWUP, end) is Reason.EXPIRED


def test_a_permission_given_for_later_does_not_count_yet() -> None:
    assert judge(standing(line(EventKind.GRANTED, day=1)), FOLLOWUP, MONDAY) is Reason.NOT_YET


def test_a_materially_changed_notice_asks_again() -> None:
    assert judge(standing(line(EventKind.GRANTED, notice=0)), FOLLOWUP, MONDAY) is Reason.SUPERSEDED


def test_what_was_never_asked_is_a_no() -> None:
    assert followup().reason is Reason.NEVER_ASKED
    assert followup(permission()).reason is Reason.NEVER_ASKED


def test_every_kind_of_data_must_be_permitted() -> None:
    need = Need(patient_id=PATIENT, purpose=Purpose.FOLLOWUP)
    assert not decide(need, [permission(line(EventKind.GRANTED))], MONDAY).allowed
    both = [permission(line(EventKind.GRANTED)), permission(line(EventKind.GRANTED), category="care")]
    assert decide(need, both, MONDAY).allowed


def test_data_or_operations_outside_the_purpose_are_refused_whatever_was_agreed() -> None:
    agreed = [permission(line(EventKind.GRANTED))]
    for data, op in (({"health"}, "use"), ({"attr"}, "share"), ({"attr", "pay"}, "use")):
        need = Need(patient_id=PATIENT, purpose=Purpose.FOLLOWUP, data=frozenset(data), op=op)
        assert decide(need, agreed, MONDAY).reason is Reason.OUTSIDE_PURPOSE


def test_the_word_about_one_channel_counts_before_the_general_one() -> None:
    no_texts = [permission(line(EventKind.GRANTED)), permission(line(EventKind.REFUSED), channel="sms")]
    assert not followup(*no_texts, channel="sms").allowed
    assert followup(*no_texts, channel="email").allowed
    only_mail = [permission(line(EventKind.REFUSED)), permission(line(EventKind.GRANTED), channel="email")]
    assert followup(*only_mail, channel="email").allowed
    assert not followup(*only_mail, channel="sms").allowed


def test_where_merged_records_differ_the_stricter_counts() -> None:
    decision = followup(
        permission(line(EventKind.GRANTED)), permission(line(EventKind.REFUSED), subject=UUID(int=9))
    )
    assert decision.reason is Reason.REFUSED


def test_a_no_to_care_is_a_no_to_what_rests_on_it() -> None:
    decision = followup(
        permission(line(EventKind.GRANTED)),
        permission(line(EventKind.WITHDRAWN), purpose=Purpose.CARE, category="health"),
    )
    assert decision.reason is Reason.RESTS_ON_ANOTHER


def test_law_and_contract_need_no_consent_and_emergency_needs_the_glass_broken() -> None:
    assert decide(Need(patient_id=PATIENT, purpose=Purpose.BILLING), [], MONDAY).reason is Reason.BY_LAW
    assert (
        decide(Need(patient_id=PATIENT, purpose=Purpose.EMERGENCY), [], MONDAY).reason is Reason.BREAK_GLASS
    )


def test_after_a_no_nobody_asks_for_ninety_days() -> None:
    declined = standing(line(EventKind.REFUSED))
    assert ask_again_on(declined, MONDAY + timedelta(days=89)) == (MONDAY + timedelta(days=90)).date()
    assert ask_again_on(declined, MONDAY + timedelta(days=90)) is None
    assert ask_again_on(standing(line(EventKind.GRANTED)), MONDAY) is None


def test_folding_at_once_and_line_by_line_agree_for_any_history() -> None:
    chance = random.Random(20261123)  # noqa: S311  # a fixed seed for histories, not for secrets
    for _history in range(500):
        lines = [
            line(chance.choice(list(EventKind)), day=day, version=day + 1, days=chance.choice([None, 1, 400]))
            for day in range(chance.randrange(12))
        ]
        assert fold(lines) == reduce(after, lines, Standing())
        deciding = [one for one in lines if one.event != EventKind.REQUESTED]
        last = fold(deciding[-1:])
        assert judge(fold(lines), FOLLOWUP, MONDAY) in (
            judge(last, FOLLOWUP, MONDAY),
            Reason.NEVER_ASKED if not deciding else judge(last, FOLLOWUP, MONDAY),
        )
