"""The owner of the tables, for what tests do as the owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.dbroles.owner import as_owner


@contextmanager
def lasting_owner() -> Iterator[None]:
    """As `as_owner`, over a connection that stays: it knows the tables already, and so does the application's, which stays too."""
    application, owner = connections["default"], owner_connection()
    if not owner.is_usable():
        owner.close()
    connections["default"] = owner
    try:
        yield
    finally:
        connections["default"] = application


@cache
def owner_connection() -> BaseDatabaseWrapper:
    with as_owner() as connection:
        return connection.copy()
