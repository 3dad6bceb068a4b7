"""The rules of alarms: each rings, each stays silent below its limit, and each compares with what it says it compares with.

Events are written at moments of the test's choosing; that committed ones are judged once, by one worker, is the last part.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from audit import watch
from audit.acting import acting
from audit.actors import Actor, current_unit, system_actor
from audit.alarms import AlarmDecision, decide
from audit.errors import LimitsRefused, OwnAlarm, ReasonMissing
from audit.kinds import Kind
from audit.limits import BOUNDS, Limits, limits_of, set_limits
from audit.models import SYSTEM_LOG, Alarm, AlarmNote, AuditEvent, Rule, UntoldAlarm
from audit.purposes import Purpose
from audit.relations import Relation, Standing
from audit.services import record, record_access, record_denial
from audit.watch import is_late, usual_of
from crypto.ids import uuid7
from tests.audit.reading import events, run, run_as_owner
from tests.audit.sealing import until_the_horizon_passes
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, staff_actor


def turn(log_id: UUID, at: datetime) -> int:
    """As the job does, once no open transaction of another test on this server holds the horizon back."""
    until_the_horizon_passes()
    return watch.turn(log_id, at)


SHANGHAI = timedelta(hours=8)
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC) - SHANGHAI  # a Friday, by the clinic's clock


@pytest.fixture
def nurse() -> Actor:
    return staff_actor()


def look(
    by: Actor,
    *subjects: UUID,
    at: datetime = NOON,
    kind: Kind = Kind.VIEWED,
    relation: Relation = Relation.OWN,
    vip: bool = False,
) -> None:
    """`by` came to see these people, as one event tells it; somebody new where none are named."""
    people = subjects or (uuid7(),)
    with time_machine.travel(at, tick=False), acting(by):
        unit = current_unit()
        unit.standings.update(dict.fromkeys(people, Standing(relation, vip)))
        record_access(unit, dict.fromkeys(people, ("probe.identity",)), kind=kind, purpose=Purpose.CARE)


def looks(
    by: Actor, count: int, *, at: datetime = NOON, every: timedelta = timedelta(minutes=1), **how: Any
) -> None:
    for number in range(count):
        look(by, at=at + number * every, **how)


def watched(*, at: datetime = NOON + timedelta(hours=2), log_id: UUID = CLINIC) -> list[Alarm]:
    """The alarms of rules over time, after a turn."""
    turn(log_id, at)
    return raised(log_id=log_id)


def raised(*rules: Rule, log_id: UUID = CLINIC) -> list[Alarm]:
    with acting(SETUP, log_id):
        alarms = (
            Alarm.objects.filter(clinic_id=log_id)
            .exclude(rule=Rule.SEALING_LATE)
            .order_by("rule", "object_type")
        )
        return list(alarms.filter(rule__in=rules) if rules else alarms)


def told(alarms: list[Alarm]) -> list[tuple[str, str, int | None, int | None]]:
    return [(alarm.rule, alarm.object_type, alarm.measured, alarm.allowed) for alarm in alarms]


# --- what one event tells by itself ---------------------------------------------------------------------------------------

at_once = pytest.mark.usefixtures("clinic")


@pytest.mark.requirement("HIPAA-312a2i")
@at_once
@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"relation": Relation.NONE}, Rule.OUTSIDE_CARE),
        ({"relation": Relation.BREAK_GLASS}, Rule.BREAK_GLASS),
        ({"relation": Relation.TEAM, "vip": True}, Rule.VIP_OPENED),
    ],
)
def test_who_looks_and_at_whom_rings_with_the_look(how: dict[str, Any], rule: Rule, nurse: Actor) -> None:
    person = uuid7()
    look(nurse, person, **how)
    (alarm,) = raised()
    (entry,) = events(action="access")
    assert (alarm.rule, alarm.subject_id, alarm.actor_ref) == (rule, person, nurse.ref)
    assert (alarm.object_type, alarm.object_id, str(alarm.event_uid)) == ("viewed", nurse.ref, entry["uid"])


@at_once
@pytest.mark.parametrize("relation", [Relation.OWN, Relation.TEAM])
def test_looks_at_those_one_cares_for_are_silent(relation: Relation, nurse: Actor) -> None:
    look(nurse, relation=relation)
    assert raised() == []


@at_once
@pytest.mark.parametrize("relation", [Relation.OWN, Relation.SELF, Relation.PROXY])
def test_whoever_looks_after_a_colleague_personally_and_the_colleague_ring_no_bell(
    relation: Relation, nurse: Actor
) -> None:
    look(nurse, relation=relation, vip=True)
    assert raised() == []


@at_once
@pytest.mark.parametrize("kind", [Kind.LISTED, Kind.MATCHED, Kind.COMPUTED])
def test_lists_searches_and_jobs_look_at_nobody(kind: Kind, nurse: Actor) -> None:
    look(nurse, kind=kind, relation=Relation.NONE, vip=True)
    look(system_actor("rules", CLINIC), relation=Relation.NONE, vip=True)
    assert raised() == []


@at_once
def test_a_quiet_look_costs_no_statement_more(nurse: Actor) -> None:
    look(nurse)
    with CaptureQueriesContext(connection) as ran:
        look(nurse)
    assert [query["sql"] for query in ran if "alarm" in query["sql"] or "decoy" in query["sql"]] == []


@at_once
def test_a_file_of_many_people_rings_with_its_event_and_one_of_few_does_not(nurse: Actor) -> None:
    look(nurse, *[uuid7() for _ in range(100)], kind=Kind.EXPORTED)
    assert raised() == []
    look(nurse, *[uuid7() for _ in range(101)], kind=Kind.EXPORTED)
    assert told(raised()) == [("export.large", "exported", 101, 100)]


@at_once
def test_hundreds_outside_care_in_one_file_are_one_alarm_with_their_number(nurse: Actor) -> None:
    look(nurse, *[uuid7() for _ in range(30)], kind=Kind.PRINTED, relation=Relation.NONE)
    (alarm,) = raised()
    assert (alarm.rule, alarm.subject_id, alarm.measured) == (Rule.OUTSIDE_CARE, None, 30)


@at_once
def test_an_alarm_outlives_the_rollback_of_the_page_that_rang(nurse: Actor) -> None:
    with acting(nurse):
        look(nurse, relation=Relation.NONE, at=now())
        transaction.set_rollback(True)
    assert [alarm.rule for alarm in raised()] == [Rule.OUTSIDE_CARE]


# --- what shows only in the events around it: committed ones are judged ---------------------------------------------------

over_time = pytest.mark.usefixtures("open_clinic")


@pytest.mark.requirement("HIPAA-308a1iiD")
@over_time
def test_many_patients_within_an_hour_ring_and_one_less_does_not(nurse: Actor) -> None:
    looks(nurse, 20)
    assert watched() == []
    look(nurse, at=NOON + timedelta(minutes=30))
    (alarm,) = watched()
    assert told([alarm]) == [("opened.many", "hour", 21, 20)]
    assert (alarm.actor_ref, alarm.object_id, alarm.since) == (nurse.ref, nurse.ref, NOON)
    assert alarm.event_uid is not None


@over_time
def test_the_same_patients_again_are_no_more_patients(nurse: Actor) -> None:
    same = [uuid7() for _ in range(20)]
    for minute in range(3):
        look(nurse, *same, at=NOON + timedelta(minutes=minute))
    assert watched() == []


@over_time
def test_an_hour_is_any_hour_and_not_that_of_the_clock(nurse: Actor) -> None:
    looks(nurse, 15, at=NOON - timedelta(minutes=20))
    looks(nurse, 15, at=NOON + timedelta(minutes=5))
    assert told(watched()) == [("opened.many", "hour", 30, 20)]


@over_time
def test_what_a_person_usually_does_is_what_they_are_measured_by(nurse: Actor) -> None:
    for days_ago in range(1, 6):
        looks(nurse, 12, at=NOON - timedelta(days=days_ago))
    looks(nurse, 36)
    assert watched(at=NOON + timedelta(hours=1)) == []
    look(nurse, at=NOON + timedelta(minutes=40))
    assert told(watched()) == [("opened.many", "hour", 37, 36)]


@over_time
def test_one_wild_day_does_not_make_the_next_one_usual(nurse: Actor) -> None:
    for days_ago in range(2, 7):
        looks(nurse, 2, at=NOON - timedelta(days=days_ago))
    looks(nurse, 40, at=NOON - timedelta(days=1), every=timedelta(seconds=20))
    with acting(SETUP):
        usual = usual_of(CLINIC, nurse.ref, NOON, Limits())
    assert (usual.hour, usual.day) == (2, 2)


@over_time
def test_a_day_ends_at_the_clinics_midnight(nurse: Actor) -> None:
    """An hour apart, so that no hour is too full: 35 before midnight and 35 after it are no day of 70."""
    midnight = NOON + timedelta(hours=12)
    limits = Limits(opened_per_hour=60, odd_hours=20, opens=time(6), closes=time(0))
    with acting(staff_actor()) as officer:
        set_limits(limits, officer, NOON)
    looks(nurse, 35, at=midnight - timedelta(minutes=70))
    look(nurse, *[uuid7() for _ in range(20)], at=midnight + timedelta(minutes=1))
    look(nurse, *[uuid7() for _ in range(15)], at=midnight + timedelta(hours=7))
    assert raised(Rule.MANY_OPENED) == []
    turn(CLINIC, midnight + timedelta(hours=8))
    assert raised(Rule.MANY_OPENED) == []
    looks(nurse, 26, at=midnight + timedelta(hours=9))
    turn(CLINIC, midnight + timedelta(hours=10))
    assert told(raised(Rule.MANY_OPENED)) == [("opened.many", "day", 61, 60)]


@over_time
def test_opening_patients_while_the_clinic_is_closed_rings_across_midnight(nurse: Actor) -> None:
    night = NOON + timedelta(hours=11)  # 23:00
    looks(nurse, 2, at=night)
    looks(nurse, 1, at=night + timedelta(hours=2))
    assert watched(at=night + timedelta(hours=3)) == []
    look(nurse, at=night + timedelta(hours=4))
    (alarm,) = watched(at=night + timedelta(hours=5))
    assert told([alarm]) == [("opened.closed", "closed", 4, 3)]


@over_time
def test_the_clinics_own_clock_says_when_it_is_closed(nurse: Actor) -> None:
    with acting(staff_actor()) as officer:
        set_limits(replace(Limits(), time_zone="Europe/Lisbon"), officer, NOON)
    looks(nurse, 4, at=NOON)  # four in the morning there
    turn(CLINIC, NOON + timedelta(hours=1))
    assert told(raised(Rule.ODD_HOURS)) == [("opened.closed", "closed", 4, 3)]


@over_time
def test_a_patient_who_reads_their_own_record_at_night_is_nobodys_business() -> None:
    account = uuid7()
    patient = Actor(
        ref=f"user:{account}", kind="patient", clinic_id=CLINIC, field_sets=frozenset(), user_id=account
    )
    looks(patient, 5, at=NOON + timedelta(hours=12), relation=Relation.SELF)
    assert watched(at=NOON + timedelta(hours=13)) == []


@over_time
def test_a_large_export_in_small_files_rings(nurse: Actor) -> None:
    same = [uuid7() for _ in range(20)]
    for minute in range(5):
        look(nurse, *same, at=NOON + timedelta(minutes=minute), kind=Kind.EXPORTED)
    assert watched() == []
    look(nurse, same[0], at=NOON + timedelta(minutes=20), kind=Kind.PRINTED)
    assert told(watched()) == [("export.large", "hour", 101, 100)]


@over_time
def test_being_refused_again_and_again_rings(nurse: Actor) -> None:
    for second in range(11):
        assert raised() == []
        with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
            record_denial(nurse, view="desk:chart", reason="PatientNotFound")
        watch.turn(CLINIC, NOON + timedelta(minutes=1))
    turn(CLINIC, NOON + timedelta(minutes=1))
    (alarm,) = raised()
    assert told([alarm]) == [("access.denials", "minutes", 11, 10)]
    assert alarm.actor_ref == nurse.ref


def fail_to_sign_in(account: str, *, address: str, at: datetime) -> None:
    visitor = Actor(ref="anonymous", kind="anonymous", clinic_id=None, field_sets=frozenset())
    with time_machine.travel(at, tick=False), acting(visitor, address=address):
        record("account.sign_in_failed", object=("clinics.user", account), result="refused")


@over_time
def test_failing_to_sign_in_to_one_account_is_an_alarm_of_the_installation() -> None:
    account = str(uuid7())
    for second in range(5):
        fail_to_sign_in(account, address=f"203.0.113.{second}", at=NOON + timedelta(seconds=second))
    assert watched(log_id=SYSTEM_LOG) == []
    fail_to_sign_in(account, address="203.0.113.9", at=NOON + timedelta(seconds=9))
    (alarm,) = watched(log_id=SYSTEM_LOG)
    assert told([alarm]) == [("sign_in.failures", "account", 6, 5)]
    assert (alarm.actor_ref, alarm.clinic_id) == (f"user:{account}", SYSTEM_LOG)


@over_time
def test_one_address_that_tries_many_accounts_rings_and_the_alarm_does_not_hold_the_address() -> None:
    for second in range(21):
        fail_to_sign_in(str(uuid7()), address="203.0.113.7", at=NOON + timedelta(seconds=second))
    (alarm,) = watched(log_id=SYSTEM_LOG)
    assert told([alarm]) == [("sign_in.failures", "address", 21, 20)]
    assert (alarm.actor_ref, alarm.object_id) == ("anonymous", "anonymous")


# --- judged once, whoever judges --------------------------------------------------------------------------------------------


@over_time
def test_a_second_turn_has_nothing_left_to_judge(nurse: Actor) -> None:
    looks(nurse, 21)
    assert turn(CLINIC, NOON + timedelta(hours=1)) == 21
    assert turn(CLINIC, NOON + timedelta(hours=2)) == 0
    assert [alarm.count for alarm in raised()] == [1]


@over_time
def test_pages_of_events_end_between_transactions_and_add_up(
    nurse: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.watch.EVENTS_A_TURN", 4)
    looks(nurse, 10)
    with acting(nurse):
        for _ in range(6):  # one transaction, larger than a page
            look(nurse, at=NOON + timedelta(minutes=12))
    looks(nurse, 5, at=NOON + timedelta(minutes=13))
    assert turn(CLINIC, NOON + timedelta(hours=1)) == 21
    assert told(raised()) == [("opened.many", "hour", 21, 20)]


@contextmanager
def in_a_transaction_of_their_own(by: Actor, *, at: datetime) -> Iterator[threading.Event]:
    """Somebody whose look is written and not committed until the event is set."""
    written, commit = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with acting(by):
                look(by, at=at)
                written.set()
                commit.wait(4)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert written.wait(4)
    try:
        yield commit
    finally:
        commit.set()
        thread.join()


@over_time
def test_a_look_that_commits_late_is_not_missed(nurse: Actor) -> None:
    with in_a_transaction_of_their_own(nurse, at=NOON) as commit:
        looks(nurse, 20, at=NOON + timedelta(minutes=1))
        watch.turn(CLINIC, NOON + timedelta(hours=1))
        assert raised() == []
        commit.set()
    turn(CLINIC, NOON + timedelta(hours=1))
    assert told(raised()) == [("opened.many", "hour", 21, 20)]


@over_time
def test_two_workers_at_once_raise_once(nurse: Actor) -> None:
    looks(nurse, 21)
    judged: list[int] = []
    start = threading.Barrier(2)

    def work() -> None:
        try:
            start.wait()
            judged.append(turn(CLINIC, NOON + timedelta(hours=1)))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(judged) == 21
    assert [alarm.count for alarm in raised()] == [1]


@over_time
def test_a_turn_that_breaks_off_leaves_everything_to_the_next(
    nurse: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks(nurse, 21)
    with monkeypatch.context() as broken:
        broken.setattr("audit.watch.put", lambda drafts: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            turn(CLINIC, NOON + timedelta(hours=1))
    assert turn(CLINIC, NOON + timedelta(hours=1)) == 21
    assert len(raised()) == 1


@over_time
def test_what_a_person_has_decided_about_is_not_counted_again(nurse: Actor) -> None:
    looks(nurse, 21)
    (alarm,) = watched()
    with acting(staff_actor()) as officer:
        decide([alarm.pk], AlarmDecision.HARMLESS, "体检周，已核实", officer, NOON + timedelta(hours=2))
    looks(nurse, 15, at=NOON + timedelta(minutes=22))
    assert len(watched()) == 1
    looks(nurse, 6, at=NOON + timedelta(minutes=40))
    assert sorted((one.measured, one.decision) for one in watched()) == [(21, ""), (21, "harmless")]


@over_time
def test_a_watch_that_stood_still_for_a_minute_is_late() -> None:
    turn(CLINIC, NOON)
    with acting(SETUP, CLINIC, OTHER_CLINIC):
        assert not is_late(NOON + timedelta(seconds=50), [CLINIC])
        assert is_late(NOON + timedelta(seconds=61), [CLINIC])
        assert is_late(NOON, [CLINIC, OTHER_CLINIC])


# --- the log itself -------------------------------------------------------------------------------------------------------


@over_time
def test_a_log_that_nobody_seals_is_told_once(nurse: Actor) -> None:
    look(nurse, at=now() - timedelta(minutes=5))
    for _ in range(2):
        turn(CLINIC, now())
    with acting(SETUP):
        assert [(a.rule, a.count) for a in Alarm.objects.all()] == [("log.unsealed", 1)]


@over_time
def test_a_month_without_room_is_told_before_it_begins() -> None:
    turn(SYSTEM_LOG, now() + timedelta(days=500))
    assert {alarm.object_type for alarm in raised(Rule.PARTITIONS_MISSING, log_id=SYSTEM_LOG)} == {
        "audit_event",
        "audit_row_change",
    }


@over_time
def test_a_month_with_room_is_not() -> None:
    turn(SYSTEM_LOG, now())
    assert raised(log_id=SYSTEM_LOG) == []


# --- limits ---------------------------------------------------------------------------------------------------------------


@at_once
@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_no_limit_leaves_its_floor_and_ceiling(name: str) -> None:
    def limits(value: int) -> Limits:
        given: dict[str, Any] = {name: value}
        return Limits(**given)

    bounds = BOUNDS[name]
    for value in (bounds.lowest, bounds.highest):
        assert getattr(limits(value), name) == value
    for value in (bounds.lowest - 1, bounds.highest + 1):
        with pytest.raises(LimitsRefused):
            limits(value)


@pytest.mark.parametrize(
    "given",
    [
        {"opens": time(0), "closes": time(23, 59)},
        {"opens": time(8), "closes": time(8)},
        {"open_days": ()},
        {"open_days": (7,)},
        {"time_zone": "Mars/Base"},
    ],
)
def test_a_clinic_that_never_closes_is_refused_and_so_is_nonsense(given: dict[str, Any]) -> None:
    with pytest.raises(LimitsRefused):
        Limits(**given)


def test_a_clinic_may_be_open_over_midnight_and_closed_on_sundays() -> None:
    limits = Limits(opens=time(18), closes=time(4), open_days=(0, 1, 2, 3, 4, 5))
    saturday = datetime(2026, 11, 28, 20, tzinfo=limits.zone)
    assert limits.closed_since(saturday) is None
    assert limits.closed_since(saturday + timedelta(hours=7)) is None  # three on Sunday morning
    assert limits.closed_since(saturday + timedelta(hours=10)) == datetime(
        2026, 11, 29, 4, tzinfo=limits.zone
    )
    assert limits.closed_since(saturday + timedelta(hours=30)) == datetime(
        2026, 11, 29, 4, tzinfo=limits.zone
    )


@at_once
def test_a_change_is_a_version_an_event_and_where_it_is_laxer_an_alarm_somebody_else_decides() -> None:
    officer, manager = staff_actor(), staff_actor()
    with acting(officer):
        set_limits(replace(Limits(), opened_per_hour=10), officer, NOON)
        assert raised() == []
        set_limits(replace(Limits(), opened_per_hour=50), officer, NOON)
        assert limits_of(CLINIC).opened_per_hour == 50
    (alarm,) = raised()
    (_stricter, laxer) = events(action="alarm_limits.changed")
    assert laxer["fields"] == [{"name": "opened_per_hour", "old": 10, "new": 50}]
    assert (alarm.rule, alarm.actor_ref) == (Rule.LIMITS_LOOSENED, officer.ref)
    with acting(officer), pytest.raises(OwnAlarm):
        decide([alarm.pk], AlarmDecision.HARMLESS, "本院门诊量大", officer, NOON)
    with acting(manager):
        decide([alarm.pk], AlarmDecision.HARMLESS, "本院门诊量大", manager, NOON)


@at_once
def test_a_version_is_never_changed_nor_removed() -> None:
    with acting(SETUP):
        set_limits(replace(Limits(), denials=5), SETUP, NOON)
        for statement in ("UPDATE audit_alarm_limits SET version = 9", "DELETE FROM audit_alarm_limits"):
            with pytest.raises(DatabaseError), transaction.atomic():
                run(statement)


@at_once
def test_the_limits_of_one_clinic_are_not_those_of_another() -> None:
    with acting(SETUP, CLINIC, OTHER_CLINIC):
        set_limits(replace(Limits(), denials=5), SETUP, NOON)
        assert (limits_of(CLINIC).denials, limits_of(OTHER_CLINIC).denials) == (5, 10)


# --- decisions ------------------------------------------------------------------------------------------------------------


@at_once
def test_a_reason_is_kept_sealed_and_one_is_needed(nurse: Actor) -> None:
    look(nurse, relation=Relation.NONE)
    (alarm,) = raised()
    with acting(staff_actor()) as officer:
        for nothing in ("", " ", "啊 "):
            with pytest.raises(ReasonMissing):
                decide([alarm.pk], AlarmDecision.HARMLESS, nothing, officer, NOON)
        (closed,) = decide([alarm.pk], AlarmDecision.CONFIRMED, "她看了邻居王小芳的报告", officer, NOON)
        ((kept,),) = run("SELECT row_to_json(n)::text FROM audit_alarm_note n")
    assert closed.note is not None
    assert "邻居" not in kept
    assert all("邻居" not in str(entry) for entry in events())
    with acting(SETUP):
        assert AlarmNote.objects.count() == 1


@at_once
def test_one_decision_answers_several_alarms_or_none(nurse: Actor) -> None:
    look(nurse, relation=Relation.NONE)
    look(nurse, relation=Relation.NONE)
    with acting(staff_actor()) as officer:
        look(officer, relation=Relation.NONE)
    alarms = raised()
    with acting(officer), pytest.raises(OwnAlarm):
        decide([alarm.pk for alarm in alarms], AlarmDecision.HARMLESS, "都问过了", officer, NOON)
    assert all(alarm.decided_at is None for alarm in raised())
    others = [alarm.pk for alarm in alarms if alarm.actor_ref != officer.ref]
    with acting(officer):
        decide(others, AlarmDecision.HARMLESS, "都问过了", officer, NOON)
    (entry,) = events(action="alarm.decided")
    assert (entry["count"], entry["reason"]) == (2, "harmless")
    assert {part["table"] for part in entry["wrote"]} == {"audit_alarm", "audit_alarm_note"}


@over_time
def test_an_alarm_of_the_installation_is_seen_and_decided_in_any_clinic_and_stands_in_its_log() -> None:
    account = str(uuid7())
    for second in range(6):
        fail_to_sign_in(account, address="203.0.113.1", at=NOON + timedelta(seconds=second))
    (alarm,) = watched(log_id=SYSTEM_LOG)
    with acting(staff_actor()) as officer:
        decide([alarm.pk], AlarmDecision.HARMLESS, "本人忘了密码", officer, NOON)
    with acting(SETUP, SYSTEM_LOG):
        assert AuditEvent.objects.get(action="alarm.decided").log_id == SYSTEM_LOG


@at_once
def test_every_row_that_alarms_write_is_named_by_an_event_and_a_new_alarm_waits_to_be_told(
    nurse: Actor,
) -> None:
    person = uuid7()
    for _ in range(2):
        look(nurse, person, relation=Relation.NONE, vip=True)
    with acting(SETUP):
        alarms = {str(pk) for pk in Alarm.objects.values_list("pk", flat=True)}
        untold = {str(pk) for pk in UntoldAlarm.objects.values_list("alarm_id", flat=True)}
    assert len(alarms) == 2
    assert untold == alarms
    for action in ("alarm.raised", "alarm.repeated"):
        entries = events(action=action)
        assert {key for entry in entries for part in entry["wrote"] for key in part["keys"]} == alarms


@over_time
def test_a_silent_witness_and_a_log_that_is_not_signed_are_told_in_the_log_they_concern() -> None:
    run_as_owner(
        "INSERT INTO audit_horizon (id, sealed_below, cluster, sealed_until, witness, witness_at)"
        " VALUES (1, 0, '', now(), 'http://witness', now() - interval '9 minutes')"
        " ON CONFLICT (id) DO UPDATE SET sealed_until = now(), witness = 'http://witness', witness_at = excluded.witness_at"
    )
    run_as_owner(
        "INSERT INTO audit_state (log_id, year, origin, size, frontier, trouble) VALUES (%s, 2026, 'log', 0, '{}', 'is not signed')",
        CLINIC,
    )
    turn(CLINIC, now())
    turn(SYSTEM_LOG, now())
    assert [alarm.rule for alarm in raised()] == [Rule.VERIFICATION_FAILED]
    assert raised(log_id=SYSTEM_LOG) == []
    run_as_owner("UPDATE audit_horizon SET witness_at = now() - interval '11 minutes'")
    turn(SYSTEM_LOG, now())
    turn(CLINIC, now())
    assert [alarm.rule for alarm in raised(log_id=SYSTEM_LOG)] == [Rule.WITNESS_SILENT]
    assert len(raised()) == 1
