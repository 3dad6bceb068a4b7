"""A decoy rings when a person comes to see it, and for nothing else; its mark goes with the index keys."""

from uuid import UUID

import pytest
from django.db import connection, transaction

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.decoys import carry_over, mark_decoys
from audit.kinds import Kind
from audit.models import Alarm, Decoy, Rule
from audit.purposes import Purpose
from crypto.epoch import move_counter
from crypto.keyring import forget_everything
from tests.audit.reading import events, run
from tests.factories.audit import CLINIC, SETUP, Probe, open_probe, staff_actor
from tests.factories.crypto import damage_index_key, new_index_key

pytestmark = pytest.mark.usefixtures("clinic")


@pytest.fixture
def decoy(clinic: UUID) -> Probe:
    with acting(SETUP):
        made = open_probe()
    with acting(SETUP):
        mark_decoys(CLINIC, [made.subject_id])
        return Probe.objects.get(pk=made.pk)


def look(row: Probe, *, kind: Kind, by: Actor | None = None) -> None:
    with acting(by or staff_actor()), access(Purpose.CARE, kind):
        assert row.identity.name


def alarms() -> list[Alarm]:
    with acting(SETUP):
        return list(Alarm.objects.exclude(rule=Rule.OUTSIDE_CARE).order_by("raised_at", "pk"))


@pytest.mark.parametrize("kind", [Kind.VIEWED, Kind.REVEALED, Kind.PLAYED, Kind.EXPORTED, Kind.PRINTED])
def test_a_person_who_comes_to_see_a_decoy_rings_with_the_event_that_tells_it(
    decoy: Probe, kind: Kind
) -> None:
    nurse = staff_actor()
    look(decoy, kind=kind, by=nurse)

    (alarm,) = alarms()
    (entry,) = events(kind=kind.value)
    assert (alarm.rule, alarm.subject_id, str(alarm.event_uid)) == (
        "decoy.opened",
        decoy.subject_id,
        entry["uid"],
    )
    assert (alarm.object_type, alarm.object_id) == (kind.value, nurse.ref)


def test_a_portal_account_rings_as_well(decoy: Probe) -> None:
    account = UUID(int=5)
    patient = Actor(
        ref=f"user:{account}",
        kind="patient",
        clinic_id=CLINIC,
        field_sets=frozenset({"identity"}),
        user_id=account,
    )
    look(decoy, kind=Kind.VIEWED, by=patient)
    assert len(alarms()) == 1


@pytest.mark.parametrize("kind", [Kind.LISTED, Kind.MATCHED, Kind.COMPUTED])
def test_lists_searches_and_previews_meet_decoys_in_silence(decoy: Probe, kind: Kind) -> None:
    look(decoy, kind=kind)
    assert alarms() == []


def test_jobs_meet_decoys_in_silence(decoy: Probe) -> None:
    look(decoy, kind=Kind.VIEWED, by=system_actor("rules", CLINIC))
    assert alarms() == []


def test_anybody_else_opens_in_silence(decoy: Probe) -> None:
    with acting(SETUP):
        other = open_probe()
    look(other, kind=Kind.VIEWED)
    assert alarms() == []


def test_two_people_are_two_alarms_and_the_same_one_again_counts_on(decoy: Probe) -> None:
    nurse, doctor = staff_actor(), staff_actor()
    for who in (nurse, nurse, doctor):
        look(decoy, kind=Kind.VIEWED, by=who)
    assert {(alarm.actor_ref, alarm.count) for alarm in alarms()} == {(nurse.ref, 2), (doctor.ref, 1)}


def test_a_page_that_fails_has_shown_it_all_the_same(decoy: Probe) -> None:
    with acting(staff_actor()):
        with access(Purpose.CARE, Kind.VIEWED):
            assert decoy.identity.name
        transaction.set_rollback(True)
    (alarm,) = alarms()
    (entry,) = events(action="access")
    assert (entry["result"], entry["uid"]) == ("rolled_back", str(alarm.event_uid))


def test_after_the_index_key_changed_it_still_rings(decoy: Probe) -> None:
    with acting(SETUP):
        new_index_key(CLINIC)
        other = open_probe()
        assert carry_over(CLINIC, [decoy.subject_id, other.subject_id]) == 1
        assert carry_over(CLINIC, [decoy.subject_id, other.subject_id]) == 0
        run("UPDATE index_key SET wrapped = NULL, destroyed_at = now() WHERE version = 1")
        move_counter()
    look(decoy, kind=Kind.VIEWED)
    look(other, kind=Kind.VIEWED)
    assert [alarm.subject_id for alarm in alarms()] == [decoy.subject_id]


def test_a_damaged_index_key_stops_no_page_and_is_an_alarm_itself(decoy: Probe) -> None:
    with acting(SETUP):
        damage_index_key(CLINIC)
    look(decoy, kind=Kind.VIEWED)
    assert [(alarm.rule, alarm.object_type) for alarm in alarms()] == [("seal.broken", "index_key")]


def test_the_table_holds_marks_that_name_nobody(decoy: Probe) -> None:
    with acting(SETUP):
        (mark,) = Decoy.objects.all()
        columns = run("SELECT row_to_json(d)::text FROM audit_decoy d")[0][0]
    assert len(bytes(mark.mark)) == 16
    assert str(decoy.subject_id) not in columns
    assert bytes(mark.mark).hex() not in str(decoy.subject_id.hex)
    assert events(object_pk=str(decoy.subject_id)) == []


def test_in_steady_state_a_look_costs_no_statement_more(decoy: Probe) -> None:
    def statements() -> int:
        with connection.execute_wrapper(count):
            ran.clear()
            look(other, kind=Kind.VIEWED)
        return len(ran)

    ran: list[str] = []

    def count(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # as Django calls it
        ran.append(sql)
        return execute(sql, params, many, context)

    forget_everything()
    with acting(SETUP):
        other = open_probe()
    first, second = statements(), statements()
    assert second < first
    assert not any("audit_decoy" in sql for sql in ran)
