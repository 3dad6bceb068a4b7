"""The test run: databases made by the owner, tests logged in as the application, nothing weakened between them."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import login
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from config.dbroles.owner import as_owner
from config.heap import settle
from tests.laid_out import stack
from tests.owner import lasting_owner

TABLES_OF_THE_TESTS = (
    "audit_probe",
    "elsewhere",
)  # watched for tests, and told of by an entry that was tampered with
WALKS = "tests/e2e/"
LONG = ("tests/bench/", "tests/test_")  # modules of few tests, each of seconds
DRILLS = ("system:bench", "system:drill")  # lay out their people and damage past the services
KEPT_TABLES = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "crypto_epoch",
    "audit_attribution",
)


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # the package is not typed
    """A module goes wherever there is room, so that what its tests share is made once; the longest tests go one by one.

    The browser's walks go one after another to one process: they share a product.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if module.startswith(WALKS):
            return WALKS
        return nodeid if module.startswith(LONG) else module


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest goes first, so that nobody waits for it at the end; the walks before all, whose product makes its
    database while another process makes that of the tests."""
    items.sort(key=lambda item: (not item.nodeid.startswith(WALKS), not item.nodeid.startswith(LONG)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # The plugin's own mark for this (xdist_group) has no effect under pytest 9.2.
    return ByModule(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was loaded stays loaded: looking through it for garbage again and again is a twentieth of the run."""
    settle()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    stack.leave_for(item)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    if fixturedef.argname == "_django_db_helper":  # here pytest-django opens the test's own transaction
        stack.make(request.getfixturevalue("django_db_blocker"))


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_modify_db_settings: None,
    django_db_keepdb: bool,
    django_db_createdb: bool,
) -> Iterator[None]:
    """The owner makes and migrates the database; everything after that is the application role.

    It is not dropped: its server is thrown away, or the next run makes it anew.
    """
    from django.test import TransactionTestCase

    with django_db_blocker.unblock(), as_owner():
        if "PYTEST_XDIST_WORKER" in os.environ and not django_db_keepdb:
            _copied_database()
        else:
            _migrated_database(keep=django_db_keepdb and not django_db_createdb)
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: look_and_flush())
    yield
    stack.roll_back_to(0)
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def straight_sign_in() -> Iterator[None]:
    """`force_login` first saves a session of nobody's, which signing in replaces: eight statements for nothing, each time."""
    from clinics.sessions import SessionStore

    def sign_in(browser: Client, user: Any, backend: str | None = None) -> None:
        request = HttpRequest()
        cookie = browser.cookies.get(settings.SESSION_COOKIE_NAME)
        request.session = SessionStore(cookie.value if cookie else None)
        login(request, user, backend)
        request.session.save()
        browser._set_login_cookies(request)  # type: ignore[attr-defined]  # the stubs leave it out

    patch = pytest.MonkeyPatch()
    patch.setattr(Client, "_login", sign_in)
    yield
    patch.undo()


def _migrated_database(*, keep: bool = False) -> None:
    from django.test.utils import setup_databases

    setup_databases(
        verbosity=0, interactive=False, aliases={"default": True}, serialized_aliases={}, keepdb=keep
    )


def _copied_database() -> None:
    """The first process of the run migrates a database, and each takes a copy of it: migrating costs more than a hundred tests."""
    own, model = connection.settings_dict["TEST"]["NAME"], "test_model"
    with connection._nodb_cursor() as server:  # Django's way to a server whose database is not there yet
        server.execute("SELECT pg_advisory_lock(hashtext(%s))", [model])  # until this connection ends
        server.execute("SELECT FROM pg_database WHERE datname = %s", [model])
        if server.fetchone() is None:
            connection.settings_dict["TEST"]["NAME"] = model
            settings_before = connection.settings_dict["NAME"]
            _migrated_database()
            connection.close()
            connection.settings_dict["NAME"] = settings_before
            connection.settings_dict["TEST"]["NAME"] = own
        server.execute(f"CREATE DATABASE {own} TEMPLATE {model}")
    _migrated_database(keep=True)


def look_and_flush() -> None:
    """After a transactional test: every change that was made in somebody's name has its event, or the test fails."""
    with lasting_owner():
        try:
            unanswered = unanswered_changes()
        finally:
            owner_flush()
    assert not unanswered, "\n".join(unanswered)


def unanswered_changes() -> list[str]:
    """Inside `as_owner`: committed row changes of a unit of work that no event names. What tests write without an actor is their own business."""
    from audit.attribution import unattributed

    return [
        f"{change.count} rows of {change.place.table} by {change.actor_ref}"
        for change in unattributed(0, 2**62)
        if change.actor_ref
        and not change.actor_ref.startswith(DRILLS)
        and change.place.table not in TABLES_OF_THE_TESTS
    ]


def owner_flush() -> None:
    """Delete every row after a transactional test. Inside `lasting_owner`: the application's role may not, and the triggers refuse it.

    The guards are off in this one transaction, so no test ever runs without them: the run's own server lets the owner say so.
    Not TRUNCATE: it asks for all tables that point at a table, and a table costs it as much without rows as with them, months
    of the log included.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FLUSH, [list(KEPT_TABLES)])


# One statement is one transaction. A table without a byte has no rows. The keys are gone too: the database adopts a key
# folder anew, and every cache is emptied.
_FLUSH = """
DO $$
DECLARE
  tbl regclass;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR tbl IN
    SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND NOT relname = ANY (%s)
       AND pg_relation_size(oid) > 0
  LOOP
    EXECUTE 'DELETE FROM ' || tbl;
  END LOOP;
  UPDATE crypto_epoch SET key_store = '', counter = counter + 1, ledger_length = 0, ledger_head = '';
END $$
"""
