"""The test run: databases made by the owner, tests logged in as the application, nothing weakened between them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from config.dbroles.owner import as_owner

KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission", "crypto_epoch")


class OneProductForAllWalks(LoadScopeScheduling):  # type: ignore[misc]  # the package is not typed
    """Tests go wherever there is room, but the browser's walks go one after another to one process: they share a product."""

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # The plugin's own mark for this (xdist_group) has no effect under pytest 9.2.
    return OneProductForAllWalks(config, log)


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_modify_db_settings: None,
    django_db_keepdb: bool,
) -> Iterator[None]:
    """The owner makes and migrates the database; everything after that is the application role."""
    from django.test import TransactionTestCase
    from django.test.utils import setup_databases, teardown_databases

    with django_db_blocker.unblock(), as_owner():
        databases = setup_databases(
            verbosity=0,
            interactive=False,
            aliases={"default": True},
            serialized_aliases={},
            keepdb=django_db_keepdb,
        )
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: owner_flush())
    yield
    patch.undo()
    with django_db_blocker.unblock(), as_owner():
        if not django_db_keepdb:
            teardown_databases(databases, verbosity=0)


def owner_flush() -> None:
    """Empty every table after a transactional test, as the owner: the application's role and the triggers refuse TRUNCATE.

    One transaction switches the TRUNCATE guards off and on again, so no test ever runs without them.
    """
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname), ';'),"
            "       string_agg(format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname), ';')"
            " FROM pg_trigger WHERE tgtype & 32 = 32 AND NOT tgisinternal"
        )
        guards_off, guards_on = cursor.fetchone()
        cursor.execute(
            "SELECT string_agg(format('%%I', relname), ', ') FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = 'public' AND NOT relname = ANY (%s)",
            [list(KEPT_TABLES)],
        )
        (tables,) = cursor.fetchone()
        cursor.execute(
            f"BEGIN; {guards_off or 'SELECT 1'}; TRUNCATE {tables} RESTART IDENTITY;"
            # the keys are gone: the database adopts a key folder anew, and every cache is emptied
            " UPDATE crypto_epoch SET key_store = '', counter = counter + 1, ledger_length = 0, ledger_head = '';"
            f" {guards_on or 'SELECT 1'}; COMMIT"
        )
