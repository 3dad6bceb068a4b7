"""A check reads a whole log for whoever asks, tells how far it is, names what does not fit and rings."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils.timezone import now

from audit import checks
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.checks import ask_check, checks_of
from audit.errors import LogNotFound
from audit.models import SYSTEM_LOG, Alarm, Check, Rule
from audit.services import record
from audit.tasks import carry_out_check, check_every_log, go_on_with_checks
from tests.audit.reading import events, run, run_as_owner
from tests.audit.sealing import leaves, seal
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, open_probe, staff_actor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]


@pytest.fixture
def written(open_clinic: UUID, log_keys: object) -> dict[str, Any]:
    """A sealed log; answers one of its events."""
    with acting(SETUP):
        probe = open_probe()
        for _ in range(3):
            record("card.opened", object=("patients.card", "17"), subjects=[probe.subject_id])
    seal()
    return events(action="card.opened")[1]


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears of a check here: each test carries it out itself."""
    monkeypatch.setattr(carry_out_check, "delay", lambda *ids: None)


def asked(by: Actor | None = None, log_id: UUID = CLINIC) -> Check:
    by = by or staff_actor(field_sets=frozenset({"log"}))
    with acting(by, log_id):
        return ask_check(log_id, by=by, at=now())


def newest() -> Check:
    with acting(SETUP):
        return checks_of(CLINIC)[0]


def alarms(log_id: UUID = CLINIC) -> list[Alarm]:
    with acting(SETUP, log_id):
        return list(Alarm.objects.filter(rule=Rule.VERIFICATION_FAILED))


def take_away(event: dict[str, Any]) -> None:
    run_as_owner(
        "ALTER TABLE audit_event DISABLE TRIGGER USER; DELETE FROM audit_event WHERE uid = %s;"
        " ALTER TABLE audit_event ENABLE TRIGGER USER",
        event["uid"],
    )


def test_a_check_of_an_untouched_log_reads_all_of_it_and_finds_nothing(written: dict[str, Any]) -> None:
    check = asked()
    assert (check.done, check.finished_at) == (0, None)
    carry_out_check(str(CLINIC), str(check.pk))
    done = newest()
    assert done.finished_at is not None
    assert (done.problems, done.findings) == (0, [])
    assert done.done == done.total >= 2 * len(leaves())
    assert alarms() == []
    assert [e["action"] for e in events() if e["action"].startswith("check.")] == [
        "check.asked",
        "check.finished",
    ]


def test_what_does_not_fit_is_a_finding_and_an_alarm_that_counts_on(written: dict[str, Any]) -> None:
    take_away(written)
    for _ in range(2):
        carry_out_check(str(CLINIC), str(asked().pk))
    done = newest()
    assert done.problems == 1
    assert done.findings[0].startswith(f"audit_event {written['uid']}: was deleted (leaf ")
    (alarm,) = alarms()
    assert (alarm.object_type, alarm.object_id, alarm.count) == ("audit.log", str(CLINIC), 2)
    assert [e["result"] for e in events(action="check.finished")] == ["failed", "failed"]


def test_a_finding_names_rows_and_places_and_no_person(written: dict[str, Any]) -> None:
    take_away(written)
    carry_out_check(str(CLINIC), str(asked().pk))
    for subject in written["subjects"]:
        assert subject not in str(newest().findings)


def test_while_one_check_is_under_way_a_second_question_gets_the_same(written: dict[str, Any]) -> None:
    assert asked().pk == asked().pk
    assert len(events(action="check.asked")) == 1


def test_staff_ask_for_their_own_clinics_log_alone(written: dict[str, Any]) -> None:
    for log_id in (OTHER_CLINIC, SYSTEM_LOG):
        with pytest.raises(LogNotFound):
            asked(log_id=log_id)
    assert run("SELECT count(*) FROM audit_check") == [(0,)]


def test_a_clinic_does_not_see_the_checks_of_another(written: dict[str, Any]) -> None:
    asked()
    with acting(staff_actor(clinic_id=OTHER_CLINIC)):
        assert list(checks_of(CLINIC)) == []


def test_what_was_asked_cannot_be_changed_or_taken_back(written: dict[str, Any]) -> None:
    check = asked()
    for change in ("asked_by = 'nobody'", "log_id = gen_random_uuid()"):
        with pytest.raises(Exception, match="permission denied"), acting(SETUP):
            run(f"UPDATE audit_check SET {change} WHERE id = %s", str(check.pk))
    with pytest.raises(Exception, match="permission denied"), acting(SETUP):
        run("DELETE FROM audit_check")


def test_a_check_whose_worker_died_is_begun_again_by_another(
    written: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = asked()

    def die(*args: object) -> list[str]:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(checks, "_verify", die)
        with pytest.raises(SystemExit):
            carry_out_check(str(CLINIC), str(check.pk))
    carry_out_check(str(CLINIC), str(check.pk))  # the first may still be alive, so nobody else begins
    assert newest().finished_at is None
    with acting(SETUP):
        Check.objects.update(moved_at=now() - timedelta(minutes=2))
    go_on_with_checks()
    assert newest().finished_at is not None


def test_two_workers_told_of_one_check_finish_it_once(written: dict[str, Any]) -> None:
    check = asked()
    for _ in range(2):
        carry_out_check(str(CLINIC), str(check.pk))
    assert len(events(action="check.finished")) == 1


def test_without_the_logs_public_key_the_check_says_so(written: dict[str, Any], settings: Any) -> None:
    settings.SEQUENCER_KEY_FILE = "/nowhere/sequencer.key"
    carry_out_check(str(CLINIC), str(asked().pk))
    assert newest().findings[0].startswith("the log's public key cannot be read")


def test_every_night_every_log_is_checked_and_the_systems_too(written: dict[str, Any]) -> None:
    with acting(system_actor("setup", None)):
        record("roles.created", object=("roles", "5"))
    seal()
    check_every_log()
    go_on_with_checks()
    assert newest().finished_at is not None
    with acting(system_actor("setup", None), SYSTEM_LOG):
        (system,) = checks_of(SYSTEM_LOG)
        assert (system.problems, system.finished_at is None) == (0, False)
    assert alarms(SYSTEM_LOG) == []


def test_entries_written_while_a_check_reads_are_no_finding(
    written: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.verification.PAGE", 2)
    monkeypatch.setattr(checks, "SECONDS_BETWEEN_SIGNS", 0.0)
    turns = iter(range(3))

    def write_and_seal(self: Any, rows: int) -> None:
        if next(turns, None) is not None:
            with acting(SETUP):
                record("card.opened", object=("patients.card", "18"))
            seal()

    monkeypatch.setattr("audit.verification.Verification._advance", write_and_seal)
    carry_out_check(str(CLINIC), str(asked().pk))
    assert newest().findings == []
