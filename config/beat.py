"""Celery beat with one leader: a second beat waits, and takes over when the first one dies."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler
from django.conf import settings
from django.db import DatabaseError, connection

LEADER_LOCK = 7_203_102  # any number, the same for every beat of an installation
WAIT_SECONDS = 2.0


class LeaderScheduler(Scheduler):
    """Sends only while its session holds the advisory lock, which PostgreSQL releases when the process dies."""

    leads = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if settings.BEAT_HEARTBEAT_FILE:  # a watcher looks at its age, of a leader and of one that waits
            Path(settings.BEAT_HEARTBEAT_FILE).touch()
        if not self._is_leader():
            return WAIT_SECONDS
        return float(super().tick(*args, **kwargs))

    def _is_leader(self) -> bool:
        try:
            with connection.cursor() as cursor:
                if self.leads:  # a restarted server has forgotten the lock
                    cursor.execute(
                        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
                        " AND pid = pg_backend_pid() AND objid = %s)",
                        [LEADER_LOCK],
                    )
                else:
                    cursor.execute("SELECT pg_try_advisory_lock(%s)", [LEADER_LOCK])
                self.leads = bool(cursor.fetchone()[0])
        except DatabaseError:
            connection.close()
            self.leads = False
        return self.leads
