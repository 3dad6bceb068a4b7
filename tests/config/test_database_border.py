"""What the database itself keeps apart, found by looking at its catalogue: a table that is forgotten fails here."""

from typing import Any

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

# Asked before a clinic is known, so they stand outside row security; no patient stands in them.
OUTSIDE_BORDER = {"clinics_apitoken", "clinics_careteam", "clinics_integration", "clinics_staffrole"}
# Reads its tables as whoever asks, so their row security holds.
VIEWS = {"patient_access_wanted"}
# Each with what keeps its changes in the log instead, or why they stay out of it.
NOT_WATCHED = {
    "audit_event_subject": "the log itself",
    "patient_access": "kept by triggers from watched tables; the application cannot write it",
    "patient_search_person": "the log would tie a random search id to a patient",
    "records_change": "a wake-up, deleted when it was taken",
    "subject_key": "wrapped keys, made with the row they seal, which is watched; of a change what ends a key is told",
}
# Rows of the whole installation that every clinic of it may see, and why that gives no clinic another's patients.
OF_THE_INSTALLATION = {
    "audit_alarm": "alarms of the installation's log name accounts and logs; whoever decides about alarms sees them in each clinic",
}
# What holds the two clinics equal where no foreign key does.
OTHERWISE_HELD = {
    (
        "audit_alarm",
        "note_id",
        "audit_alarm_note",
    ): "of an alarm of the installation, the reason stays with the clinic that decided",
    ("index_key", "kek_id", "crypto_kek"): "the clinic is bound into the wrap",
    ("sealed_file", "kek_id", "crypto_kek"): "the clinic is bound into the wrap",
    ("subject_key", "kek_id", "crypto_kek"): "the clinic is bound into the wrap",
    ("patient_search", "search_id", "patient_search_person"): "row security of the table it leads to",
}
# What the application may do beside reading and writing rows.
RIGHTS_OF_APP = {
    "audit_alarm": {"SELECT", "INSERT"},
    "audit_alarm_letter": {"SELECT", "INSERT"},
    "audit_alarm_limits": {"SELECT", "INSERT"},
    "audit_alarm_note": {"SELECT", "INSERT"},
    "audit_alarm_untold": {"SELECT", "INSERT", "DELETE"},
    "audit_alarm_watch": {"SELECT", "INSERT"},
    "audit_attribution": {"SELECT", "UPDATE"},
    "audit_check": {"SELECT", "INSERT"},
    "audit_checkpoint": {"SELECT"},
    "audit_cosig": {"SELECT"},
    "audit_decoy": {"SELECT", "INSERT"},
    "audit_event": {"SELECT", "INSERT"},
    "audit_event_subject": {"SELECT", "INSERT"},
    "audit_horizon": {"SELECT"},
    "audit_leaf": {"SELECT"},
    "audit_names_told": {"SELECT", "INSERT"},
    "audit_node": {"SELECT"},
    "audit_row_change": {"SELECT"},
    "audit_state": {"SELECT"},
    "audit_timestamp": {"SELECT"},
    "auditlog_logentry": set(),
    "consent_assessment": {"SELECT", "INSERT"},
    "consent_assessment_approval": {"SELECT", "INSERT"},
    "consent_correction": {"SELECT", "INSERT", "UPDATE"},
    "consent_disclosure": {"SELECT", "INSERT", "UPDATE"},
    "consent_event": {"SELECT", "INSERT"},
    "consent_notice": {"SELECT", "INSERT"},
    "consent_recipient": {"SELECT", "INSERT", "UPDATE"},
    "consent_request": {"SELECT", "INSERT", "UPDATE"},
    "crypto_epoch": {"SELECT", "UPDATE"},
    "crypto_job": {"SELECT", "INSERT"},
    "crypto_kek": {"SELECT", "INSERT"},
    "django_migrations": {"SELECT"},
    "index_key": {"SELECT", "INSERT"},
    "patient_access": {"SELECT"},
    "patient_access_wanted": {"SELECT"},
    "sealed_file": {"SELECT", "INSERT"},
    "subject_key": {"SELECT", "INSERT"},
}
# Counted or drawn by the house: nobody chooses them, so a clash says nothing.
UNIQUE_EVERYWHERE = {
    "crypto_job(id)", "crypto_kek(id)", "crypto_kek(provider_ref)", "index_key(id)", "patients_portalinvitation(token_hash)", "sealed_file(place)",
    "subject_key(id)",
}  # fmt: skip
ROWS = {"SELECT", "INSERT", "UPDATE", "DELETE"}
ALL_RIGHTS = (*sorted(ROWS), "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
TESTS_OWN = ("audit_probe", "crypto_tests_", "audit_tests_")
CLINIC_ONLY = "(clinic_id = ANY ((NULLIF(current_setting('zhizhi.clinics'::text, true), ''::text))::uuid[]))"


def ask(question: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, values or None)
        return list(cursor.fetchall())


def tables(*, with_columns: tuple[str, ...] = ()) -> set[str]:
    """Tables, partitioned tables and views, without partitions and without the tests' own."""
    found = ask(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
        " AND NOT c.relispartition AND (%s OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid"
        " AND NOT a.attisdropped AND a.attname = ANY (%s)))",
        not with_columns,
        list(with_columns),
    )
    return {name for (name,) in found if not name.startswith(TESTS_OWN)}


def of_a_patient() -> set[str]:
    """Tables with a column that names a patient, or a foreign key to one."""
    pointing = ask(
        "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
        " AND confrelid IN ('patients_patient'::regclass, 'records_observation'::regclass, 'followups_followup'::regclass)"
        " AND conparentid = 0"
    )
    named = tables(with_columns=("patient_id", "subject_id", "subject_pk"))
    return (named | {name for (name,) in pointing}) & tables()


def test_every_table_of_a_clinic_or_a_patient_shows_the_rows_of_the_clinic_in_hand_alone() -> None:
    guarded = dict(
        ask(
            "SELECT c.relname, pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
            " WHERE c.relrowsecurity AND p.polname = 'clinic' AND p.polpermissive AND p.polroles = ARRAY['zhizhi_app'::regrole]::oid[]"
        )
    )
    wanted = (tables(with_columns=("clinic_id",)) | of_a_patient()) - OUTSIDE_BORDER - VIEWS

    assert {"patients_patient", "records_observation", "portal_signincode", "audit_event"} <= wanted
    assert wanted - set(guarded) == set()
    for table in wanted:
        assert guarded[table] in (CLINIC_ONLY, CLINIC_ONLY.replace("clinic_id", "log_id")), table


def test_what_must_be_unique_is_so_within_a_clinic_and_tells_nothing_of_another() -> None:
    """A value that is taken elsewhere would be refused here, which says that somebody of another clinic has it. Ids are nobody's choice."""
    wide = ask(
        "SELECT c.relname || '(' || string_agg(a.attname, ', ' ORDER BY a.attname) || ')' FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)"
        " WHERE i.indisunique AND c.relrowsecurity AND NOT c.relispartition GROUP BY i.indexrelid, c.relname"
        " HAVING NOT bool_or(a.attname IN ('clinic_id', 'log_id') OR a.atttypid = 'uuid'::regtype)"
    )
    assert {name for (name,) in wide} == UNIQUE_EVERYWHERE


def test_no_second_policy_opens_what_the_first_one_closes() -> None:
    policies = ask(
        "SELECT polrelid::regclass::text FROM pg_policy WHERE polpermissive AND polname <> 'clinic'"
        " AND polroles && ARRAY[0, 'zhizhi_app'::regrole]::oid[] AND polcmd <> 'a'"
    )

    assert [table for (table,) in policies] == list(OF_THE_INSTALLATION)


def test_a_view_reads_as_whoever_asks() -> None:
    views = dict(
        ask(
            "SELECT relname, coalesce(reloptions, '{}') FROM pg_class"
            " WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
        )
    )

    assert set(views) == VIEWS
    assert all("security_invoker=true" in options for options in views.values())


def test_no_row_points_across_the_border() -> None:
    """Each foreign key from one clinic's row to another stands beside one that holds both clinics equal."""
    crossing = ask(
        """
        SELECT f.conrelid::regclass::text, a.attname, f.confrelid::regclass::text
        FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
        WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conparentid = 0
          AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = f.conrelid AND attname = 'clinic_id')
          AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = f.confrelid AND attname = 'clinic_id')
          AND NOT EXISTS (SELECT FROM pg_constraint b
            WHERE b.contype = 'f' AND b.conrelid = f.conrelid AND b.confrelid = f.confrelid AND cardinality(b.conkey) = 2
              AND b.conkey @> f.conkey
              AND (SELECT attnum FROM pg_attribute WHERE attrelid = b.conrelid AND attname = 'clinic_id') = ANY (b.conkey))
        """
    )

    assert {row for row in crossing if not row[0].startswith(TESTS_OWN)} == set(OTHERWISE_HELD)


def test_every_table_of_a_patient_writes_its_changes_to_the_log() -> None:
    watched: dict[str, int] = {}
    for table, events in ask(
        "SELECT c.relname, sum(DISTINCT tgtype & 28) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE t.tgname LIKE 'audit_watch_%%' AND t.tgenabled = 'O' GROUP BY 1"
    ):
        watched[table] = events
    every_change = 4 + 8 + 16  # insert, delete, update

    unwatched = of_a_patient() - VIEWS - {name for name, events in watched.items() if events == every_change}
    assert unwatched == set(NOT_WATCHED)


def test_the_application_has_no_right_that_its_work_does_not_need() -> None:
    held: dict[str, set[str]] = {}
    for table, right in ask(
        "SELECT c.relname, r FROM pg_class c, unnest(%s) r WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition AND has_table_privilege('zhizhi_app', c.oid, r)",
        list(ALL_RIGHTS),
    ):
        held.setdefault(table, set()).add(right)

    for table in tables():
        assert held.get(table, set()) == RIGHTS_OF_APP.get(table, ROWS), table


def test_the_columns_that_may_change_in_a_key_or_an_alarm_are_named_one_by_one() -> None:
    changeable = {
        table: {
            column
            for (column,) in ask(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
                " AND has_column_privilege('zhizhi_app', attrelid, attnum, 'UPDATE')",
                table,
            )
        }
        for table in ("audit_alarm", "audit_check", "crypto_kek", "subject_key", "index_key", "sealed_file")
    }

    assert changeable == {
        "audit_check": {"moved_at", "done", "total", "problems", "findings", "finished_at"},
        "audit_alarm": {"count", "measured", "last_at", "decided_at", "decided_by", "decision", "note_id"},
        "crypto_kek": {"state"},
        "subject_key": {"clinic_id", "kek_id", "wrapped", "destroyed_at", "destroy_ref"},
        "index_key": {"clinic_id", "kek_id", "wrapped", "destroyed_at"},
        "sealed_file": {"clinic_id", "patient_id", "kek_id", "wrapped", "destroyed_at"},
    }


def test_nobody_but_the_owner_makes_tables_or_calls_what_runs_as_the_owner() -> None:
    for role in ("zhizhi_app", "zhizhi_sequencer", "zhizhi_auditor", "zhizhi_backup"):
        assert ask(
            "SELECT has_schema_privilege(%s, 'public', 'CREATE'), has_database_privilege(%s, current_database(), 'CREATE')",
            role,
            role,
        ) == [(False, False)]
        callable_as_owner = ask(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND has_function_privilege(%s, oid, 'EXECUTE')",
            role,
        )
        assert callable_as_owner == []


def test_what_runs_as_the_owner_takes_no_table_from_the_callers_path() -> None:
    loose = ask(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        " AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp']"
    )

    assert loose == []


def test_the_log_keepers_read_no_patient_and_the_backup_writes_nothing() -> None:
    readable = ask(
        "SELECT role, c.relname FROM unnest(ARRAY['zhizhi_sequencer', 'zhizhi_auditor']) role, pg_class c"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
        " AND has_table_privilege(role, c.oid, 'SELECT') AND c.relname NOT LIKE 'audit%%'"
    )
    written = ask(
        "SELECT c.relname FROM pg_class c, unnest(%s) r WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'p') AND has_table_privilege('zhizhi_backup', c.oid, r)",
        [right for right in ALL_RIGHTS if right != "SELECT"],
    )

    assert readable == [("zhizhi_auditor", "django_content_type")]
    assert written == []
