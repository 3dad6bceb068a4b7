"""What Celery wakes."""

import logging

from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from audit import watch
from clinics.queries import watched_logs
from clinics.sessions import SessionStore
from crypto.errors import ClinicError

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def forget_sessions() -> None:
    """Once an hour: sessions that have ended leave the table."""
    SessionStore.clear_expired()


@shared_task(ignore_result=True)
def watch_for_alarms() -> None:
    """Every twenty seconds: what was committed since is judged by the rules of alarms. Several workers may run it at once.

    A log whose turn fails has it again with the next one, and keeps no other from its own.
    """
    for log_id in watched_logs():
        try:
            watch.turn(log_id, timezone.now())
        except (ClinicError, DatabaseError) as error:
            logger.error("the watch of log %s was not finished: %s", log_id, type(error).__name__)
