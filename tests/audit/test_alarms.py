"""What does not open raises an alarm in the transaction that came upon it, and it survives a rollback."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from audit.access import access, relate
from audit.acting import acting
from audit.actors import system_actor
from audit.alarms import AlarmDecision, Rule, alarm_count, decide, open_alarms, raise_alarm
from audit.errors import AlarmNotFound, LogUnavailable, OwnAlarm
from audit.kinds import Kind
from audit.models import Alarm
from audit.purposes import Purpose
from audit.relations import Relation
from audit.services import record
from crypto.erasure import destroy_subject_keys
from crypto.errors import KeyDestroyed, SealBroken
from crypto.fields import Scope
from crypto.ids import uuid7
from crypto.keyring import forget_everything
from tests.audit.reading import events, run
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, Probe, open_probe, staff_actor
from tests.factories.crypto import damage, damage_key

pytestmark = pytest.mark.usefixtures("clinic")
WHY = "问过本人，是误操作"


def probe(**facts: Any) -> Probe:
    with acting(SETUP):
        return Probe.objects.get(pk=open_probe(**facts).pk)


def broken(**facts: Any) -> Probe:
    """A probe whose note was changed by one bit."""
    made = probe(**facts)
    with acting(SETUP):
        damage("audit_probe", "note", made.pk)
        return Probe.objects.get(pk=made.pk)


def alarms(rule: Rule = Rule.SEAL_BROKEN) -> list[Alarm]:
    with acting(SETUP):
        return list(Alarm.objects.filter(rule=rule).order_by("raised_at", "pk"))


def look(row: Probe, *, kind: Kind = Kind.VIEWED) -> None:
    """Read the note and go on without it, as a page of somebody's own patient does."""
    with acting(staff_actor()):
        relate(row.subject_id, Relation.OWN)
        with access(Purpose.CARE, kind), pytest.raises(SealBroken):
            str(row.note)


def test_a_damaged_value_is_an_alarm_that_says_what_and_whose_and_who_found_it() -> None:
    row, nurse = broken(), staff_actor()
    with acting(nurse), access(Purpose.CARE, Kind.VIEWED), pytest.raises(SealBroken):
        str(row.note)

    (alarm,) = alarms()
    assert (alarm.rule, alarm.object_type, alarm.object_id) == ("seal.broken", "probe.note", str(row.pk))
    assert (alarm.clinic_id, alarm.subject_id, alarm.actor_ref) == (CLINIC, row.subject_id, nurse.ref)
    assert (alarm.count, alarm.decided_at) == (1, None)
    (entry,) = events(action="alarm.raised")
    assert entry["object"] == {"type": "audit.alarm", "id": str(alarm.pk)}
    assert (entry["subjects"], entry["reason"]) == ([str(row.subject_id)], "seal.broken")


def test_a_job_that_comes_upon_it_raises_it_as_well() -> None:
    row = broken()
    with (
        acting(system_actor("rules", CLINIC)),
        access(Purpose.RISK, Kind.COMPUTED),
        pytest.raises(SealBroken),
    ):
        str(row.note)
    assert [alarm.actor_ref for alarm in alarms()] == ["system:rules"]


def test_the_same_value_again_counts_on_and_another_one_is_another_alarm() -> None:
    row, other = broken(), broken()
    for _time in range(3):
        look(row)
    look(other, kind=Kind.MATCHED)

    assert sorted(alarm.count for alarm in alarms()) == [1, 3]
    assert len(events(action="alarm.raised")) == 2


def test_hundreds_at_once_are_two_statements_and_one_event() -> None:
    with acting(SETUP):
        rows = [open_probe() for _row in range(12)]
        for row in rows:
            damage("audit_probe", "note", row.pk)
        rows = list(Probe.objects.filter(pk__in=[row.pk for row in rows]))
    with (
        CaptureQueriesContext(connection) as ran,
        acting(system_actor("rules", CLINIC)),
        access(Purpose.RISK, Kind.COMPUTED),
    ):
        for row in rows:
            with pytest.raises(SealBroken):
                str(row.note)
    assert sum("INSERT INTO audit_" in q["sql"] or "audit_write(" in q["sql"] for q in ran) == 2
    assert len(alarms()) == 12
    (entry,) = events(action="alarm.raised")
    assert (entry["count"], len(entry["subjects"])) == (12, 12)


def fail_over(row: Probe) -> None:
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        str(row.note)


def test_the_alarm_outlives_the_rollback_of_what_found_it() -> None:
    row = broken()
    with pytest.raises(SealBroken):
        fail_over(row)
    assert [alarm.count for alarm in alarms()] == [1]


def test_the_alarm_outlives_a_quiet_rollback_and_one_around_it() -> None:
    row = broken()
    with acting(SETUP):
        look(row)
        transaction.set_rollback(True)
    assert [alarm.count for alarm in alarms()] == [1]


def test_a_value_whose_seal_was_swapped_with_another_persons_is_two_alarms() -> None:
    one, other = probe(), probe()
    with acting(SETUP):
        run(
            "UPDATE audit_probe p SET note = o.note FROM audit_probe o WHERE p.id <> o.id AND p.id = ANY (%s) AND o.id = ANY (%s)",
            [one.pk, other.pk],
            [one.pk, other.pk],
        )
        swapped = list(Probe.objects.filter(pk__in=[one.pk, other.pk]))
    for row in swapped:
        look(row)
    assert {alarm.subject_id for alarm in alarms()} == {one.subject_id, other.subject_id}


def test_a_damaged_key_is_one_alarm_and_the_values_of_others_open() -> None:
    row, well = probe(), probe()
    with acting(SETUP):
        damage_key(row.subject_id, Scope.RECORD)
        rows = list(Probe.objects.filter(pk__in=[row.pk, well.pk]).order_by("pk"))
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        with pytest.raises(SealBroken):
            str(rows[0].note)
        assert rows[1].note == "空腹血糖 7.2"
        assert rows[0].identity.name == "王小芳"  # another key of the same person
    (alarm,) = alarms()
    assert (alarm.object_type, alarm.subject_id) == ("subject_key", row.subject_id)


def test_a_value_whose_header_names_a_key_that_is_not_there_is_an_alarm() -> None:
    row = probe()
    with acting(SETUP):
        damage("audit_probe", "note", row.pk, byte=10)
        row = Probe.objects.get(pk=row.pk)
    look(row)
    assert [alarm.object_type for alarm in alarms()] == ["probe.note"]


def test_a_key_destroyed_on_purpose_is_no_alarm() -> None:
    row = probe()
    with acting(SETUP):
        keys = destroy_subject_keys([row.subject_id], frozenset(Scope), at=now(), reference=uuid7())
        record("keys.destroyed", object=("crypto.subjectkey", ""), count=len(keys))
        row = Probe.objects.get(pk=row.pk)
    forget_everything()
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED), pytest.raises(KeyDestroyed):
        str(row.note)
    assert alarms() == []


def test_what_cannot_be_told_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*args: object) -> None:
        raise DatabaseError

    row = broken()
    monkeypatch.setattr("audit.alarms._insert", no_room)
    with pytest.raises(LogUnavailable):
        look(row)


def test_a_decision_closes_it_and_the_same_damage_then_is_a_new_alarm() -> None:
    row = broken()
    look(row)
    (alarm,) = alarms()
    officer = staff_actor()
    with acting(officer):
        (closed,) = decide([alarm.pk], AlarmDecision.REPAIRED, WHY, officer, now())
        assert (
            decide([alarm.pk], AlarmDecision.REPAIRED, WHY, officer, now())[0].decided_at == closed.decided_at
        )
        assert list(open_alarms(officer, CLINIC)) == []
    assert (closed.decision, closed.decided_by) == ("repaired", officer.ref)
    assert [entry["reason"] for entry in events(action="alarm.decided")] == ["repaired"]

    look(row)
    with acting(officer):
        assert alarm_count(officer, CLINIC) == 1


@pytest.fixture
def alarm(clinic: UUID) -> Alarm:
    with acting(SETUP):
        raise_alarm(Rule.DECOY_OPENED, clinic_id=CLINIC, object=("viewed", "user:1"))
        return Alarm.objects.get()


def test_a_second_opinion_does_not_replace_the_first(alarm: Alarm) -> None:
    officer = staff_actor()
    with acting(officer):
        decide([alarm.pk], AlarmDecision.HARMLESS, WHY, officer, now())
        with pytest.raises(AlarmNotFound):
            decide([alarm.pk], AlarmDecision.CONFIRMED, WHY, officer, now())


def test_nobody_decides_about_a_decoy_they_opened_themselves(clinic: UUID) -> None:
    officer, colleague = staff_actor(), staff_actor()
    with acting(officer):
        raise_alarm(Rule.DECOY_OPENED, clinic_id=CLINIC, object=("VIEWED", officer.ref))
        own = Alarm.objects.get()
        with pytest.raises(OwnAlarm):
            decide([own.pk], AlarmDecision.HARMLESS, WHY, officer, now())
    with acting(colleague):
        assert decide([own.pk], AlarmDecision.CONFIRMED, WHY, colleague, now())[0].decided_by == colleague.ref


def test_nobody_of_another_clinic_sees_or_decides_it(alarm: Alarm) -> None:
    stranger = staff_actor(clinic_id=OTHER_CLINIC)
    with acting(stranger, CLINIC, OTHER_CLINIC):
        assert list(open_alarms(stranger, CLINIC)) == []
        with pytest.raises(AlarmNotFound):
            decide([alarm.pk], AlarmDecision.HARMLESS, WHY, stranger, now())


@pytest.mark.parametrize(
    "change", ["SET subject_id = NULL", "SET rule = 'decoy.opened'", "SET raised_at = now()", None]
)
def test_what_an_alarm_is_about_cannot_be_changed_nor_the_alarm_removed(
    alarm: Alarm, change: str | None, refused: Callable[[str], None]
) -> None:
    refused(f"UPDATE audit_alarm {change}" if change else "DELETE FROM audit_alarm")


@pytest.fixture
def refused() -> Callable[[str], None]:
    def refused(statement: str) -> None:
        with acting(SETUP), pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            run(statement)

    return refused
