"""Questions to the log: each is answered from one log alone, newest first, by an index and not by reading everything."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from audit.acting import acting
from audit.explorer import LogQuestion, changes_of_row, count_of_log, event_of, page_of_log, pages_of_log
from audit.kinds import Kind
from audit.models import SYSTEM_LOG
from audit.purposes import Purpose
from audit.services import record
from crypto.ids import first_uuid7, uuid7
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, open_probe, staff_actor

pytestmark = pytest.mark.usefixtures("clinic")
NURSE = staff_actor()


def did(action: str, *, by: Any = NURSE, clinic: UUID = CLINIC, **more: Any) -> UUID:
    with acting(by, clinic):
        uid: UUID = record(action, **{"object": ("patients.card", "17"), **more}).uid
        return uid


def asked(clinic: UUID = CLINIC, **question: Any) -> list[str]:
    with acting(SETUP, clinic):
        page = page_of_log(LogQuestion(**{"log_id": clinic, **question}))
    return [told.event.action for told in page.entries]


def test_who_saw_this_person() -> None:
    person, other = uuid7(), uuid7()
    did("card.opened", subjects=[person])
    did("card.closed", subjects=[other])
    did("tag.set", subjects=[other, person])

    assert asked(subject_id=person) == ["tag.set", "card.opened"]


def test_what_this_account_did() -> None:
    colleague = staff_actor()
    did("card.opened")
    did("card.closed", by=colleague)

    assert asked(actor_ref=colleague.ref) == ["card.closed"]
    assert asked(actor_ref="system:nobody") == []


def test_what_happened_to_this_record() -> None:
    did("card.opened", object=("clinics.clinic", "17"))
    did("card.closed", object=("clinics.clinic", "18"))
    did("tag.set", object=("clinics.user", "17"))

    assert asked(object=("clinics.clinic", "17")) == ["card.opened"]


@pytest.mark.parametrize(
    "filters",
    [
        {"action": "tag.set"},
        {"kind": "revealed"},
        {"purpose": "report"},
        {"result": "refused"},
    ],
    ids=lambda filters: next(iter(filters)),
)
def test_filters_narrow_every_question(filters: dict[str, Any]) -> None:
    person = uuid7()
    did("card.opened", subjects=[person])
    did(
        "tag.set", subjects=[person], kind=Kind.REVEALED, purpose=Purpose.REPORT, result="refused",
    )  # fmt: skip

    assert asked(**filters) == ["tag.set"]
    assert asked(subject_id=person, **filters) == ["tag.set"]
    assert asked(subject_id=person, actor_ref=NURSE.ref, **filters) == ["tag.set"]


def test_a_time_is_asked_for_by_its_bounds_the_first_included() -> None:
    person, now = uuid7(), timezone.now()
    did("card.opened", subjects=[person])

    narrows: list[dict[str, Any]] = [{}, {"subject_id": person}]
    for narrow in narrows:
        assert asked(since=now - timedelta(seconds=1), **narrow) == ["card.opened"]
        assert asked(since=now + timedelta(hours=1), **narrow) == []
        assert asked(until=now - timedelta(hours=1), **narrow) == []
    assert first_uuid7(now) <= uuid7() < first_uuid7(now + timedelta(seconds=60))


def test_pages_follow_each_other_without_a_gap_and_without_a_repetition() -> None:
    wanted = [did("card.opened", subjects=[NURSE.user_id]) for _ in range(7)]
    for question in (
        LogQuestion(log_id=CLINIC, action="card.opened"),
        LogQuestion(log_id=CLINIC, subject_id=NURSE.user_id),
    ):
        with acting(SETUP, CLINIC):
            pages = list(pages_of_log(question, size=3))
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [told.event.uid for page in pages for told in page] == wanted[::-1]


def test_a_count_stops_at_its_bound_and_says_how_many_acted() -> None:
    for by in (NURSE, NURSE, staff_actor()):
        did("card.opened", by=by)
    question = LogQuestion(log_id=CLINIC, action="card.opened")
    with acting(SETUP, CLINIC):
        assert (count_of_log(question).entries, count_of_log(question).actors) == (3, 2)
        assert count_of_log(question, bound=1).entries == 2


# --- borders --------------------------------------------------------------------------------------------------------------


def test_an_auditor_of_one_clinic_gets_its_own_log_whatever_is_asked() -> None:
    """The attack: an officer asks for the log of the sister clinic, and of the installation, by writing its id."""
    theirs = staff_actor(clinic_id=OTHER_CLINIC)
    person = uuid7()
    secret = did("card.opened", by=theirs, clinic=OTHER_CLINIC, subjects=[person])
    with acting(staff_actor(clinic_id=None)):  # type: ignore[arg-type]  # an account that acts in no clinic
        record("account.signed_in", object=("clinics.user", "17"))

    with acting(NURSE):
        for log_id in (OTHER_CLINIC, SYSTEM_LOG):
            question = LogQuestion(log_id=log_id)
            assert page_of_log(question).entries == []
            assert count_of_log(question).entries == 0
        assert page_of_log(LogQuestion(log_id=CLINIC, subject_id=person)).entries == []
        assert page_of_log(LogQuestion(log_id=CLINIC, actor_ref=theirs.ref)).entries == []
        assert event_of(OTHER_CLINIC, secret) is None
        assert event_of(CLINIC, secret) is None


def test_an_entry_tells_what_its_canonical_text_says() -> None:
    person = uuid7()
    uid = did("card.opened", subjects=[person], fields={"state": (None, "open")})
    with acting(SETUP, CLINIC):
        told = event_of(CLINIC, uid)
    assert told is not None
    assert (told.subjects, told.fields, told.object_type) == ([person], ["state"], "patients.card")
    assert told.entry == json.loads(bytes(told.event.canon))
    assert len(told.mark) == 9


# --- rows -----------------------------------------------------------------------------------------------------------------


def test_the_changes_of_one_row_are_told_also_those_that_no_event_names() -> None:
    """The attack: somebody with the application's password changes a row by hand."""
    with acting(NURSE, CLINIC):
        probe, other = open_probe(), open_probe()
    with acting(SETUP, CLINIC), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('zhizhi.actor', '', true)")
        cursor.execute("UPDATE audit_probe SET colour = 'grey' WHERE id IN (%s, %s)", [probe.pk, other.pk])
    with acting(SETUP, CLINIC):
        told = changes_of_row(LogQuestion(log_id=CLINIC), "audit_probe", str(probe.pk))

    assert [(row.change.op, row.columns, row.change.actor_ref) for row in told] == [
        ("U", ["colour"], ""),
        ("I", [], NURSE.ref),
    ]
