"""The only door to the owner's credentials: they are used to migrate and by nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def as_owner(alias: str = "default") -> Iterator[BaseDatabaseWrapper]:
    """The connection, logged in as the owner role; afterwards it is the application's again.

    Raises ImproperlyConfigured where this process was not given the owner's address.
    """
    if not settings.DATABASE_OWNER:
        raise ImproperlyConfigured("DATABASE_OWNER_URL is not set: only the owner role may change tables.")
    connection = connections[alias]
    saved = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD", "OPTIONS")}
    connection.close()
    # A migration of a large table may take longer than the 5 s a request may.
    options = {key: value for key, value in saved["OPTIONS"].items() if key != "options"}
    connection.settings_dict.update({**settings.DATABASE_OWNER, "OPTIONS": options})
    try:
        yield connection
    finally:
        connection.close()
        connection.settings_dict.update(saved)
