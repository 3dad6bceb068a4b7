"""Connections as other roles than the application's, to the database Django works with."""

from typing import Any
from uuid import UUID

import psycopg2
from django.db import connection

from audit import configured


def as_role(url: str) -> Any:
    """Raises psycopg2.OperationalError."""
    return psycopg2.connect(url, dbname=_where()["dbname"], application_name="zhizhi audit")


def as_owner() -> Any:
    """Raises LookupError where this process was not given the owner's address."""
    credentials = configured.owner()
    if credentials is None:
        raise LookupError("DATABASE_OWNER_URL")
    return psycopg2.connect(**_where(), user=credentials["USER"], password=credentials["PASSWORD"])


def reader(*log_ids: UUID) -> Any:
    """The auditor, who sees every log; without one the application, told to look at these (default: every one there is).

    Reads only, each transaction one snapshot.
    """
    url = configured.auditor_url()
    reading = as_role(url) if url else psycopg2.connect(**_where(), **_application())
    if not url:
        with reading, reading.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('zhizhi.clinics', coalesce(array_agg(id)::text, '{}'), false) FROM unnest(%s) AS id",
                [list(log_ids or known_logs())],
            )
    reading.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return reading


def known_logs() -> list[UUID]:
    """Every log that has been sealed once; how many there are is no secret."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT log_id FROM audit_state ORDER BY 1")
        return [log_id for (log_id,) in cursor.fetchall()]


def _where() -> dict[str, Any]:
    settings = connection.settings_dict
    return {"dbname": settings["NAME"], "host": settings["HOST"], "port": settings["PORT"] or None}


def _application() -> dict[str, Any]:
    return {"user": connection.settings_dict["USER"], "password": connection.settings_dict["PASSWORD"]}
