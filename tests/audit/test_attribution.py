"""A row change that no event of its transaction names is an alarm, whichever way it took; what an event names is none."""

from uuid import UUID

import pytest
from django.utils.timezone import now

from audit.acting import acting
from audit.actors import system_actor
from audit.attribution import PAGE, judge
from audit.models import SYSTEM_LOG, Alarm, Rule
from audit.services import record
from audit.wrote import wrote, wrote_keys, wrote_rows
from config.dbroles.owner import as_owner
from crypto.core.scopes import Scope
from crypto.erasure import destroy_subject_keys
from crypto.models import SubjectKey
from tests.audit.reading import events, run, run_as_owner
from tests.audit.sealing import until_the_horizon_passes
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, Probe, open_probe, staff_actor
from tests.factories.crypto import in_nobodys_name

LOGS = (CLINIC, OTHER_CLINIC, SYSTEM_LOG)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def probes(open_clinic: UUID) -> list[Probe]:
    """Three rows, and everything so far judged."""
    with acting(SETUP):
        made = [open_probe() for _ in range(3)]
    assert judged() == []
    return made


def judged() -> list[tuple[str, str, int]]:
    """Judge all that is committed; table, writer and number of every open alarm about a change nobody answers for."""
    until_the_horizon_passes()
    judge(LOGS)
    with acting(system_actor("tests", None), CLINIC, OTHER_CLINIC, SYSTEM_LOG):
        alarms = Alarm.objects.filter(rule=Rule.UNATTRIBUTED).order_by("raised_at")
        return [(alarm.object_type, alarm.object_id, alarm.count) for alarm in alarms]


ENDS = {
    "subject_key": "UPDATE subject_key SET wrapped = NULL, destroyed_at = '2020-01-01' WHERE subject_id = %s",
    "index_key": "UPDATE index_key SET wrapped = NULL, destroyed_at = now()",
    "crypto_kek": "UPDATE crypto_kek SET state = 'destroyed'",
}


@pytest.mark.parametrize("table", sorted(ENDS))
def test_a_key_that_ends_past_the_application_rings(probes: list[Probe], table: str) -> None:
    """With the application's own rights, whatever it says of the moment; ended again, it is not told again."""
    values = [probes[0].subject_id] if "%s" in ENDS[table] else []
    for _time in range(2):
        with acting(system_actor("thief", CLINIC)), in_nobodys_name() as cursor:
            cursor.execute(ENDS[table], values or None)
        assert judged() == [(table, "", 1)]


def test_a_key_whose_end_an_event_names_and_one_that_is_wrapped_again_ring_nothing(
    probes: list[Probe],
) -> None:
    with acting(staff_actor()):
        run("UPDATE subject_key SET wrapped = sha512(wrapped)")
        run("UPDATE crypto_kek SET state = 'decrypt'")
        keys = destroy_subject_keys(
            [probes[0].subject_id], frozenset(Scope), at=now(), reference=probes[0].pk
        )
        record("wall.painted", object=("desk:wall", ""), wrote=wrote_keys(SubjectKey, keys))
    assert len(keys) > 1
    assert judged() == []


def test_a_key_that_the_owner_of_the_tables_deletes_rings(probes: list[Probe]) -> None:
    run_as_owner("DELETE FROM subject_key")
    assert [(table, who) for table, who, _count in judged()] == [("subject_key", "")]


def test_a_save_and_a_delete_answer_for_their_own_rows(probes: list[Probe]) -> None:
    with acting(staff_actor()):
        probes[0].colour = "blue"
        probes[0].save(update_fields=["colour"])
        probes[1].delete()
    assert judged() == []


def test_a_bulk_write_without_an_event_rings_once_and_counts_on(probes: list[Probe]) -> None:
    nurse = staff_actor()
    for colour in ("blue", "green"):
        with acting(nurse):
            Probe.objects.update(colour=colour)
        assert judged()
    assert judged() == [("audit_probe", nurse.ref, 2)]
    assert [entry["reason"] for entry in events(action="alarm.raised")] == ["change.unattributed"]
    assert len(events(action="alarm.repeated")) == 1


def test_a_bulk_write_is_answered_for_by_its_number(probes: list[Probe]) -> None:
    with acting(staff_actor()):
        count = Probe.objects.update(colour="blue")
        record("colour.changed", object=("audit_tests.probe", "all"), count=count)
    with acting(staff_actor()):
        count = Probe.objects.update(colour="green")
        record("wall.painted", object=("desk:wall", ""), wrote=wrote(Probe, count=count))
    assert judged() == []


def test_a_bulk_write_is_answered_for_by_the_keys_of_its_rows(probes: list[Probe]) -> None:
    with acting(staff_actor()):
        Probe.objects.filter(pk__in=[probes[0].pk, probes[1].pk]).update(colour="blue")
        record("wall.painted", object=("desk:wall", ""), wrote=wrote_rows(probes))
    assert judged() == []


def test_batches_of_one_deed_add_up(probes: list[Probe]) -> None:
    with acting(staff_actor()):
        for probe in probes:
            Probe.objects.filter(pk=probe.pk).update(colour="blue")
        record("colour.changed", object=("audit_tests.probe", "all"), count=3)
    assert judged() == []


def test_one_row_more_than_was_said_is_one_too_many(probes: list[Probe]) -> None:
    nurse = staff_actor()
    with acting(nurse):
        Probe.objects.update(colour="blue")
        record("colour.changed", object=("audit_tests.probe", "all"), count=2)
    assert judged() == [("audit_probe", nurse.ref, 1)]


def test_an_event_of_another_transaction_or_another_table_answers_for_nothing(probes: list[Probe]) -> None:
    nurse = staff_actor()
    with acting(nurse):
        record("colour.changed", object=probes[0], count=1)
    with acting(nurse):
        Probe.objects.filter(pk=probes[0].pk).update(colour="blue")
        record("colour.changed", object=("clinics.user", str(probes[0].pk)), count=1)
    assert judged() == [("audit_probe", nurse.ref, 1)]


def test_a_statement_beside_the_application_rings_without_a_writer(probes: list[Probe]) -> None:
    run_as_owner("UPDATE audit_probe SET colour = 'black' WHERE id = %s", str(probes[0].pk))
    assert judged() == [("audit_probe", "", 1)]


def test_raw_statements_of_every_kind_ring(probes: list[Probe]) -> None:
    with acting(staff_actor()):
        run("DELETE FROM audit_probe WHERE id = %s", str(probes[0].pk))
    with acting(staff_actor()):
        run("INSERT INTO audit_probe SELECT %s, subject_id, sealed_by_clinic, clinic_id, identity, note, 'x', ''"
            " FROM audit_probe LIMIT 1", "01980000-0000-7000-8000-0000000000cc")  # fmt: skip
    assert len(judged()) == 2


def test_a_row_without_a_clinic_is_judged_in_the_systems_log(open_clinic: UUID) -> None:
    from clinics.models import User

    User.objects.create(username="somebody")
    judged()
    with acting(system_actor("tests", None), SYSTEM_LOG):
        (alarm,) = Alarm.objects.all()
    assert (alarm.object_type, alarm.clinic_id) == ("clinics_user", SYSTEM_LOG)


def test_what_is_rolled_back_changed_nothing(probes: list[Probe]) -> None:
    from django.db import transaction

    with acting(staff_actor()):
        Probe.objects.update(colour="blue")
        transaction.set_rollback(True)
    assert judged() == []


def test_an_open_transaction_is_judged_when_it_has_ended(probes: list[Probe]) -> None:
    with as_owner() as owner, owner.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE audit_probe SET colour = 'black'")
        judge_elsewhere()
        cursor.execute("COMMIT")
    assert judged() == [("audit_probe", "", 1)]


def judge_elsewhere() -> None:
    """On a connection of its own, as the worker has one."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    def work() -> int:
        try:
            return judge(LOGS)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as other:
        assert other.submit(work).result() == 0


def test_more_than_a_page_is_judged_page_by_page(
    probes: list[Probe], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PAGE > 2
    monkeypatch.setattr("audit.attribution.PAGE", 2)
    nurse = staff_actor()
    for probe in probes:
        with acting(nurse):
            Probe.objects.filter(pk=probe.pk).update(colour="blue")
    assert judged() == [("audit_probe", nurse.ref, 3)]


@pytest.mark.parametrize("canon", ["{}", "[]", "no entry", '{"object":null}'])
def test_a_damaged_entry_names_nothing_and_stops_nobody(probes: list[Probe], canon: str) -> None:
    with acting(staff_actor()):
        probes[0].colour = "blue"
        probes[0].save(update_fields=["colour"])
    run_as_owner(
        "ALTER TABLE audit_event DISABLE TRIGGER USER;"
        f" UPDATE audit_event SET canon = convert_to('{canon}', 'UTF8') WHERE action = 'update';"
        " ALTER TABLE audit_event ENABLE TRIGGER USER"
    )
    assert len(judged()) == 1


def test_without_a_log_nothing_is_taken_for_judged(probes: list[Probe]) -> None:
    from audit.errors import LogUnavailable

    with acting(staff_actor()):
        Probe.objects.update(colour="blue")
    until_the_horizon_passes()
    run_as_owner("REVOKE INSERT ON audit_event FROM zhizhi_app")
    try:
        with pytest.raises(LogUnavailable):
            judge(LOGS)
    finally:
        run_as_owner("GRANT INSERT ON audit_event TO zhizhi_app")
    assert len(judged()) == 1


def test_in_a_restored_database_judging_begins_anew(probes: list[Probe]) -> None:
    run_as_owner("UPDATE audit_attribution SET judged_below = 9e15::bigint, cluster = 'another'")
    with acting(staff_actor()):
        Probe.objects.update(colour="blue")
    assert len(judged()) == 1
