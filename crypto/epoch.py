"""The counter that empties the caches of every process, and the wait until nobody works with what they held before."""

import time

from django.db import connection

from crypto.errors import KeysInUse

SECONDS_TO_WAIT = 15.0  # no transaction of the application lives longer than 5 s
SECONDS_BETWEEN_LOOKS = 0.02


def move_counter() -> None:
    """From this transaction's commit on, every new transaction of every process begins with empty caches of keys."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crypto_epoch SET counter = counter + 1")


def wait_for_older_transactions() -> None:
    """Come back when no transaction is left that began before now: nobody holds a key any more from before the counter moved.

    Called after the commit, outside a transaction. Raises KeysInUse when one of them does not end.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a transaction would wait for itself")
    deadline = time.monotonic() + SECONDS_TO_WAIT
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (since,) = cursor.fetchone()
        while True:
            cursor.execute(_OLDER, [since])
            (older,) = cursor.fetchone()
            if not older:
                return
            if time.monotonic() > deadline:
                raise KeysInUse(f"{older} transactions from before the change of keys have not ended")
            time.sleep(SECONDS_BETWEEN_LOOKS)


# Sessions of other roles show nothing of themselves here, and none of them holds keys.
_OLDER = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND xact_start < %s
"""
