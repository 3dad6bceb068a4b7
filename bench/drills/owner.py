"""The owner of the tables, beside the application: for damage, for taking rights away, and for reading everything."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from psycopg2.extensions import connection as Connection


@contextmanager
def owner_of_tables(name: str = "") -> Iterator[Connection]:
    """A connection of its own to the database `name` (default: Django's own), each statement a transaction.

    Raises ImproperlyConfigured without the owner's address.
    """
    database, role = connection.settings_dict, settings.DATABASE_OWNER
    if role is None:
        raise ImproperlyConfigured(
            "DATABASE_OWNER_URL is not set: a drill does as the owner of the tables could."
        )
    owner = psycopg2.connect(
        host=database["HOST"],
        port=database["PORT"],
        dbname=name or database["NAME"],
        user=role["USER"],
        password=role["PASSWORD"],
    )
    owner.autocommit = True
    try:
        yield owner
    finally:
        owner.close()


@contextmanager
def superuser(name: str) -> Iterator[Connection]:
    """A superuser's connection to the database `name`, each statement a transaction: whom no trigger, right or policy holds.

    Only services of our own have one: its password stands beside their data.
    """
    database = connection.settings_dict
    password = json.loads((Path(os.environ["ZHIZHI_DATA"]) / "secrets.json").read_text())["superuser"]
    there = psycopg2.connect(
        host=database["HOST"], port=database["PORT"], dbname=name, user="postgres", password=password
    )
    there.autocommit = True
    try:
        yield there
    finally:
        there.close()


@contextmanager
def right_taken(owner: Connection, right: str, table: str) -> Iterator[None]:
    """Inside, the application lacks the right on the table."""
    with owner.cursor() as cursor:
        cursor.execute(f"REVOKE {right} ON {table} FROM zhizhi_app")
        try:
            yield
        finally:
            cursor.execute(f"GRANT {right} ON {table} TO zhizhi_app")
