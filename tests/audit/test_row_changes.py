"""Every statement on a watched table is on the log, whichever way it came: ORM, bulk, raw SQL, cascade."""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from django.db import ProgrammingError, connection, transaction

from audit.acting import acting
from audit.canon import canonical
from audit.models import RowChange
from crypto.ids import uuid7
from tests.audit.reading import row_changes, run, run_as_owner
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP, Probe, open_probe, staff_actor

pytestmark = pytest.mark.usefixtures("clinic")


def bare(colour: str = "red", clinic_id: UUID = CLINIC) -> Probe:
    return Probe(subject_id=uuid7(), sealed_by_clinic=clinic_id, clinic_id=clinic_id, colour=colour)


def last(**wanted: Any) -> dict[str, Any]:
    return row_changes()[-1]


def test_a_save_is_one_row_change_with_the_actor_the_columns_and_digests() -> None:
    nurse = staff_actor()
    with acting(nurse):
        probe = open_probe()
        probe.colour = "blue"
        probe.save()
        (digest,) = run("SELECT encode(sha256(convert_to(p::text, 'UTF8')), 'hex') FROM audit_probe p")[0]
    inserted, updated = row_changes()
    assert (inserted["op"], inserted["actor"], inserted["count"]) == ("I", nurse.ref, 1)
    assert inserted["rows"][0] | {"new": ""} == {"cols": [], "new": "", "old": None, "pk": str(probe.pk)}
    assert updated["rows"] == [
        {"cols": ["colour"], "new": digest, "old": inserted["rows"][0]["new"], "pk": str(probe.pk)}
    ]
    assert updated["log"] == str(CLINIC)


def test_the_database_writes_the_same_canonical_text_python_would() -> None:
    with acting(SETUP):
        Probe.objects.sealed_bulk_create([bare(), bare()])
        change = RowChange.objects.get(tbl="audit_probe")
        entry = json.loads(bytes(change.canon))
        assert bytes(change.canon) == canonical(entry)
        rows = b",".join(canonical(row) for row in entry["rows"])
        assert entry["digest"] == sha256(rows).hexdigest()
        assert (change.row_count, change.txid) == (2, entry["tx"])


def test_a_save_that_changes_nothing_is_no_change() -> None:
    with acting(SETUP):
        probe = open_probe()
        probe.save()
    assert [change["op"] for change in row_changes()] == ["I"]


@pytest.mark.parametrize(
    ("statement", "op", "count"),
    [
        ("UPDATE audit_probe SET colour = 'blue'", "U", 2),
        ("UPDATE audit_probe SET id = gen_random_uuid() WHERE colour = 'red'", "U", 4),
        ("DELETE FROM audit_probe", "D", 2),
        ("INSERT INTO audit_probe SELECT gen_random_uuid(), subject_id, sealed_by_clinic, clinic_id, identity, note, colour, secret"
         " FROM audit_probe", "I", 2),
        ("INSERT INTO audit_probe SELECT * FROM audit_probe ON CONFLICT (id) DO UPDATE SET colour = 'blue'", "U", 2),
        ("MERGE INTO audit_probe p USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE", "D", 2),
        ("WITH gone AS (DELETE FROM audit_probe RETURNING 1) SELECT count(*) FROM gone", "D", 2),
    ],
)  # fmt: skip
def test_raw_sql_is_seen(statement: str, op: str, count: int) -> None:
    """A changed key is two rows: one that went and one that came."""
    with acting(SETUP):
        Probe.objects.sealed_bulk_create([bare(), bare()])
        with connection.cursor() as cursor:
            cursor.execute(statement)
    assert [(change["op"], change["count"]) for change in row_changes()[1:]] == [(op, count)]


def test_bulk_writes_are_seen_with_the_columns_they_changed() -> None:
    with acting(SETUP):
        made = Probe.objects.sealed_bulk_create([bare(), bare(), bare()])
        Probe.objects.filter(pk__in=[p.pk for p in made[:2]]).update(colour="blue", secret="x")
    inserted, updated = row_changes()
    assert (inserted["count"], updated["count"]) == (3, 2)
    assert [row["cols"] for row in updated["rows"]] == [["colour", "secret"]] * 2


def test_a_statement_over_two_clinics_is_a_row_change_in_each_log() -> None:
    with acting(SETUP, CLINIC, OTHER_CLINIC):
        Probe.objects.sealed_bulk_create([bare(), bare(clinic_id=OTHER_CLINIC)])
    assert [change["count"] for change in row_changes()] == [1]
    assert [change["count"] for change in row_changes(clinic=OTHER_CLINIC)] == [1]


def test_a_large_statement_keeps_five_hundred_rows_and_a_digest_of_all() -> None:
    with acting(SETUP):
        Probe.objects.sealed_bulk_create([bare() for _ in range(501)])
    (change,) = row_changes()
    assert (change["count"], len(change["rows"])) == (501, 500)


def test_without_an_actor_the_change_is_there_and_says_nobody() -> None:
    with acting(SETUP):
        Probe.objects.sealed_bulk_create([bare()])
        run("SELECT set_config('zhizhi.actor', '', true)")
        run("DELETE FROM audit_probe")
    assert last()["actor"] == ""


def test_the_application_cannot_write_row_changes_or_call_their_makers() -> None:
    for forged in (
        "INSERT INTO audit_row_change VALUES (gen_random_uuid(), gen_random_uuid(), 1, now(), 'x', 'x', 'x', 1, '')",
        "SELECT audit_write_row_change('audit_probe', 'U', NULL, ARRAY['{}'])",
        "SELECT audit_row_audit_probe_u()",
        "TRUNCATE audit_probe",
        "ALTER TABLE audit_probe DISABLE TRIGGER ALL",
        "SELECT set_config('session_replication_role', 'replica', true)",
    ):
        with pytest.raises(ProgrammingError), acting(SETUP), transaction.atomic():
            run(forged)


@pytest.mark.django_db(transaction=True)
def test_not_even_the_owner_empties_a_watched_table_by_accident(open_clinic: UUID) -> None:
    with pytest.raises(ProgrammingError, match="refused"):
        run_as_owner("TRUNCATE audit_probe")


@pytest.mark.django_db(transaction=True)
def test_a_column_added_later_is_seen_after_watching_again(open_clinic: UUID) -> None:
    run_as_owner("ALTER TABLE audit_probe ADD COLUMN later text; SELECT audit_watch('audit_probe')")
    try:
        with acting(SETUP):
            Probe.objects.sealed_bulk_create([bare()])
            run("UPDATE audit_probe SET later = 'now'")
        assert last()["rows"][0]["cols"] == ["later"]
    finally:
        run_as_owner("ALTER TABLE audit_probe DROP COLUMN later; SELECT audit_watch('audit_probe')")


def test_every_watched_table_is_watched_with_all_its_columns() -> None:
    stale = run(
        "SELECT t.tgrelid::regclass::text FROM pg_trigger t"
        " WHERE t.tgname = 'audit_watch_u' AND obj_description(t.tgfoid, 'pg_proc') <> ("
        "  SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
        "  WHERE attrelid = t.tgrelid AND attnum > 0 AND NOT attisdropped)"
    )
    assert stale == [], "call audit_watch again in the migration that changed the columns"
