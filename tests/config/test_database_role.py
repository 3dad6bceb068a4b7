"""No process of the application starts under a role that could switch off what guards patients and log."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config.dbroles.checks import check_database_role, privileges_in_excess, refuse_privileged_role
from config.dbroles.owner import as_owner
from config.dbroles.roles import ROLES, create_roles_sql

ROOT = Path(__file__).resolve().parents[2]
OWNS = "The database role zhizhi_owner owns the tables: it could switch off the triggers that guard the log."


@pytest.mark.django_db
def test_the_application_role_may_start() -> None:
    assert privileges_in_excess() == []
    assert run_checks(databases=["default"], tags=["database"]) == []


@pytest.mark.django_db(transaction=True)
def test_the_owner_is_named_by_the_database_check() -> None:
    with as_owner():
        (message,) = check_database_role(databases=["default"])
    assert message.msg == OWNS
    assert "zhizhi_app" in str(message.hint)


@pytest.mark.django_db(transaction=True)
def test_the_owner_may_not_start() -> None:
    with as_owner(), pytest.raises(ImproperlyConfigured, match="owns the tables"):
        refuse_privileged_role()


@pytest.mark.django_db(transaction=True)
def test_a_role_that_bypasses_row_security_may_not_start() -> None:
    backup = psycopg2.extensions.parse_dsn(os.environ["DATABASE_BACKUP_URL"])
    saved = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict.update(USER=backup["user"], PASSWORD=backup["password"])
    try:
        (sentence,) = privileges_in_excess()
    finally:
        connection.close()
        connection.settings_dict.update(saved)
    assert sentence == (
        "The database role zhizhi_backup bypasses row security: it would see the patients of every clinic."
    )


@pytest.mark.django_db
def test_the_check_is_one_query(django_assert_num_queries: pytest.FixtureRequest) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]
        privileges_in_excess()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["-c", "import config.wsgi"], id="web"),
        pytest.param(["-m", "celery", "-A", "config", "worker", "-c", "1"], id="worker"),
        pytest.param(
            ["-m", "celery", "-A", "config", "beat", "-S", "config.beat:LeaderScheduler"], id="beat"
        ),
    ],
)
def test_a_process_that_was_given_the_owners_address_ends_with_the_sentence(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**os.environ, "DATABASE_URL": os.environ["DATABASE_OWNER_URL"], "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
    )  # fmt: skip
    assert done.returncode == 1
    assert "The database role zhizhi_owner owns the tables" in done.stderr
    assert "DATABASE_URL must name the application role" in done.stderr


def test_only_backup_reads_past_row_security_and_only_tests_let_the_owner_make_databases() -> None:
    passwords = {role.name: "it's" for role in ROLES}
    served = "\n".join(create_roles_sql("zhizhi", passwords))
    tested = "\n".join(create_roles_sql("zhizhi", passwords, in_tests=True))
    (bypassing,) = [line for line in served.splitlines() if "BYPASSRLS" in line]
    assert bypassing.startswith("CREATE ROLE zhizhi_backup")
    assert "CREATEDB" not in served
    assert "GRANT" not in served
    assert "CREATE ROLE zhizhi_owner LOGIN CREATEDB" in tested
    assert "SUPERUSER" not in tested
    assert "PASSWORD 'it''s'" in served
