"""Connections as other roles than the application's, to the database Django works with."""

from typing import Any

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


def reader() -> Any:
    """The auditor, who sees every log; without one the application, told to look at every log there is. Reads one snapshot."""
    url = configured.auditor_url()
    reading = as_role(url) if url else psycopg2.connect(**_where(), **_application())
    reading.set_session(isolation_level="REPEATABLE READ", readonly=True)
    if not url:
        with reading.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('zhizhi.clinics', coalesce(array_agg(log_id)::text, '{}'), false) FROM audit_state"
            )
    return reading


def _where() -> dict[str, Any]:
    settings = connection.settings_dict
    return {"dbname": settings["NAME"], "host": settings["HOST"], "port": settings["PORT"] or None}


def _application() -> dict[str, Any]:
    return {"user": connection.settings_dict["USER"], "password": connection.settings_dict["PASSWORD"]}
