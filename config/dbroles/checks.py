"""The application must not run as a role that could change tables, read past row security or rewrite the log."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

# One round trip. pg_has_role: being able to become the owner is as bad as being it.
PRIVILEGES = """
SELECT current_user, r.rolsuper, r.rolbypassrls,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND pg_has_role(c.relowner, 'MEMBER'))
       OR EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database() AND pg_has_role(d.datdba, 'MEMBER'))
FROM pg_roles r WHERE r.rolname = current_user
"""
HINT = "DATABASE_URL must name the application role (zhizhi_app). The owner's address belongs to `manage.py migrate` alone."


def privileges_in_excess(alias: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Sentences on what this process's role may do and must not; empty when all is well."""
    with connections[alias].cursor() as cursor:
        cursor.execute(PRIVILEGES)
        role, is_superuser, bypasses_row_security, owns = cursor.fetchone()
    if is_superuser:
        return [f"The database role {role} is a superuser: no trigger, right or policy would hold it."]
    sentences = []
    if bypasses_row_security:
        sentences.append(
            f"The database role {role} bypasses row security: it would see the patients of every clinic."
        )
    if owns:
        sentences.append(
            f"The database role {role} owns the tables: it could switch off the triggers that guard the log."
        )
    return sentences


def check_database_role(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """System check, run where Django checks databases (`check --database default`, and before `migrate`)."""
    return [
        Error(sentence, hint=HINT, id="dbroles.E001")
        for alias in databases or []
        for sentence in privileges_in_excess(alias)
    ]


def refuse_privileged_role() -> None:
    """At the start of web, worker and beat: one query. Raises ImproperlyConfigured with one line per mistake."""
    try:
        sentences = privileges_in_excess()
    finally:
        connections[DEFAULT_DB_ALIAS].close()  # processes fork from here; each opens its own
    if sentences:
        raise ImproperlyConfigured(
            "\n".join(["Zhizhi cannot start:", *(f"- {line}" for line in sentences), HINT])
        )
