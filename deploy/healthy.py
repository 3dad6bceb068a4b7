"""Health checks of the containers, by `python -m deploy.healthy WHAT TARGET`; the exit status is the answer.

web URL               answers 2xx within 3 s
file PATH             was touched within the last minute
sequencer VARIABLE    somebody seals the log: the lock is held, seen from the address in this variable

They run every few seconds, so none of them loads Django.
"""

import os
import sys
import time
import urllib.error
import urllib.request

FRESH_SECONDS = 60
SEALING = (0x7A68, 0x697A6869)  # audit.sequencer.ADVISORY_LOCK as pg_locks shows it


def answers(url: str) -> bool:
    """Asked under the name people type, because Django refuses others."""
    host = os.environ.get("ALLOWED_HOSTS", "").partition(",")[0].strip()
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310 (our own loopback)
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:  # noqa: S310
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def is_fresh(path: str) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime < FRESH_SECONDS
    except OSError:
        return False


def seals(variable: str) -> bool:
    import psycopg2

    from config.environment import Environment

    try:
        connection = psycopg2.connect(Environment().address(variable, ""), connect_timeout=3)
    except psycopg2.Error:
        return False
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
                SEALING,
            )
            return bool(cursor.fetchone()[0])
    except psycopg2.Error:
        return False
    finally:
        connection.close()


CHECKS = {"web": answers, "file": is_fresh, "sequencer": seals}

if __name__ == "__main__":
    what, target = sys.argv[1:]
    sys.exit(0 if CHECKS[what](target) else 1)
