"""A question to the log costs its answer and not the log. `LOG_ENTRIES=200000` asks the same of a larger one."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit.acting import acting
from audit.explorer import PAGE_SIZE, LogQuestion, page_of_log
from audit.services import record
from crypto.ids import uuid7
from tests.audit.reading import run_as_owner
from tests.factories.audit import CLINIC, SETUP, staff_actor

MANY = int(os.environ.get("LOG_ENTRIES", "8000"))

FILL = """
INSERT INTO audit_event (uid, log_id, clinic_id, timestamp, source, request_id, actor_id, actor_ref, actor_kind, on_behalf_of,
                         action, kind, object_pk, purpose, relation, vip, result, reason, canon, mac)
SELECT uuidv7(), %(log)s, %(log)s, now(), 'app', '', NULL, 'user:' || n %% 50, 'staff', '', 'access', 'listed',
       CASE WHEN n %% 3 = 0 THEN n::text ELSE '' END, 'care', '', false, 'ok', '', '{}', '' FROM generate_series(1, %(many)s) n;
INSERT INTO audit_event_subject (subject_id, event_uid, log_id)
SELECT md5((row_number() OVER () %% 500)::text)::uuid, uid, log_id FROM audit_event WHERE log_id = %(log)s;
"""


@pytest.mark.usefixtures("open_clinic")
def test_no_question_reads_the_whole_log() -> None:
    rare, person = staff_actor(), uuid7()
    with acting(SETUP, CLINIC), connection.cursor() as cursor:
        cursor.execute(FILL, {"log": str(CLINIC), "many": MANY})
    with acting(rare):
        record("card.opened", object=("clinics.user", "rare"), subjects=[person])
    run_as_owner("ANALYZE audit_event, audit_event_subject")
    now = timezone.now()
    for question in (
        LogQuestion(log_id=CLINIC, subject_id=person),
        LogQuestion(log_id=CLINIC, actor_ref=rare.ref),
        LogQuestion(log_id=CLINIC, object=("clinics.user", "rare")),
        LogQuestion(log_id=CLINIC, since=now - timedelta(days=7), until=now + timedelta(days=1)),
    ):
        plan, scanned = explained(question)
        assert scanned <= 2 * PAGE_SIZE, plan


def explained(question: LogQuestion) -> tuple[str, int]:
    """The plan of a page as the application's role runs it, and how many rows it took in its hand."""
    with acting(SETUP, CLINIC):
        seen: list[tuple[str, Any]] = []

        def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            seen.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(keep):
            page_of_log(question)
        (sql, params) = seen[-1]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
            tree = cursor.fetchone()[0][0]["Plan"]
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", params)
            text = "\n".join(line for (line,) in cursor.fetchall())
    return text, _rows(tree)


def _rows(node: dict[str, Any]) -> int:
    own = int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
    return max([own, *(_rows(child) for child in node.get("Plans", []))])
