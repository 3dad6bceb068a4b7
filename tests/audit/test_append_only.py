"""The application adds to the log and reads it. Whatever else it tries is refused, on every table and partition."""

import pytest
from django.db import ProgrammingError, transaction

from audit.acting import acting
from audit.models import AuditEvent
from audit.services import record
from config.dbroles.owner import as_owner
from tests.audit.reading import run
from tests.factories.audit import SETUP, open_probe

pytestmark = pytest.mark.usefixtures("clinic")
GROWING = (
    "audit_event",
    "audit_event_subject",
    "audit_row_change",
    "audit_leaf",
    "audit_node",
    "audit_checkpoint",
    "audit_cosig",
    "audit_timestamp",
)
ALLOWED = {  # what the application may do with the log's tables, and nothing more
    "audit_event": {"SELECT", "INSERT"}, "audit_event_subject": {"SELECT", "INSERT"}, "audit_row_change": {"SELECT"},
    "audit_leaf": {"SELECT"}, "audit_node": {"SELECT"}, "audit_checkpoint": {"SELECT"}, "audit_cosig": {"SELECT"},
    "audit_timestamp": {"SELECT"},
    "audit_state": {"SELECT"}, "audit_horizon": {"SELECT"},
}  # fmt: skip
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def partitions() -> list[str]:
    return [
        name
        for (name,) in run(
            "SELECT oid::regclass::text FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'audit%'"
        )
    ]


@pytest.mark.parametrize("table", GROWING)
@pytest.mark.parametrize(
    "attempt", ["UPDATE {} SET log_id = log_id", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"]
)
def test_the_application_cannot_change_what_was_written(table: str, attempt: str) -> None:
    with acting(SETUP):
        open_probe()
        with pytest.raises(ProgrammingError), transaction.atomic():
            run(attempt.format(table))


def test_the_application_cannot_reach_the_log_through_a_partition() -> None:
    found = partitions()
    assert len(found) >= 2 * 14
    for partition in found:
        for attempt in (
            "SELECT 1 FROM {}",
            "UPDATE {} SET log_id = log_id",
            "DELETE FROM {}",
            "TRUNCATE {}",
            "INSERT INTO {} DEFAULT VALUES",
        ):
            with pytest.raises(ProgrammingError), transaction.atomic():
                run(attempt.format(partition))


def test_no_role_but_the_owner_has_more_rights_than_its_work_needs() -> None:
    for role, extra in (("zhizhi_app", ALLOWED), ("zhizhi_auditor", {t: {"SELECT"} for t in ALLOWED})):
        for table in (*ALLOWED, *partitions()):
            held = {r for r in RIGHTS if run("SELECT has_table_privilege(%s, %s, %s)", role, table, r)[0][0]}
            assert held == extra.get(table, set()), (role, table)


def test_the_sequencer_reads_entries_and_writes_seals_alone() -> None:
    for table in ALLOWED:
        held = {
            r for r in RIGHTS if run("SELECT has_table_privilege('zhizhi_sequencer', %s, %s)", table, r)[0][0]
        }
        if table in ("audit_event", "audit_event_subject", "audit_row_change"):
            assert held == {"SELECT"}
        else:
            assert held - {"UPDATE"} == {"SELECT", "INSERT"}
            assert ("UPDATE" in held) == (table in ("audit_state", "audit_horizon"))


def test_auditlogs_own_table_is_closed() -> None:
    assert not any(
        run("SELECT has_table_privilege('zhizhi_app', 'auditlog_logentry', %s)", r)[0][0] for r in RIGHTS
    )


def test_an_event_is_never_saved_again() -> None:
    with acting(SETUP):
        written = record("card.opened", object=("patients.card", "17"))
        event = AuditEvent.objects.get(uid=written.uid)
        with pytest.raises(TypeError):
            event.save()
        with pytest.raises(ProgrammingError), transaction.atomic():
            AuditEvent.objects.filter(uid=event.uid).update(actor_ref="nobody")
        with pytest.raises(ProgrammingError), transaction.atomic():
            event.delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", ["UPDATE {} SET log_id = log_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_even_the_owner_must_take_a_trigger_away_first(open_clinic: object, attempt: str) -> None:
    with acting(SETUP):
        open_probe()
    for table in ("audit_event", "audit_row_change", *(p for p in partitions() if "TRUNCATE" in attempt)):
        with (
            pytest.raises(ProgrammingError, match="only grows"),
            as_owner() as owner,
            owner.cursor() as cursor,
        ):
            cursor.execute(attempt.format(table))
