"""What Celery wakes."""

import logging

from django.db import DatabaseError
from django.utils import timezone

from audit import attribution, watch
from audit.acting import acting
from audit.actors import system_actor
from audit.jobs import job
from audit.letters import post_letters
from clinics.accounts import notices
from clinics.api.repeats import forget_old_repeats
from clinics.models import Clinic
from clinics.queries import watched_logs
from clinics.sessions import forget_ended_sessions
from crypto.errors import ClinicError

logger = logging.getLogger(__name__)


@job()
def forget_sessions() -> None:
    """Once an hour: sessions that have ended leave the table."""
    forget_ended_sessions()


@job()
def send_notices() -> None:
    """Twice a minute: what owners of accounts should hear goes to their mail."""
    notices.send_notices()


@job()
def forget_repeats() -> None:
    """Once an hour: what was done over the API a day ago is done anew when it is asked for again."""
    for clinic in Clinic.objects.order_by("code"):
        with acting(system_actor("api", clinic.pk)):
            forget_old_repeats(clinic, timezone.now())


@job()
def watch_for_alarms() -> None:
    """Every twenty seconds: what was committed since is judged by the rules of alarms, and letters about it leave. Several workers may run it at once.

    A log whose turn fails has it again with the next one, and keeps no other from its own.
    """
    for log_id in watched_logs():
        try:
            watch.turn(log_id, timezone.now())
            post_letters(log_id, timezone.now())
        except (ClinicError, DatabaseError) as error:
            logger.error("the watch of log %s was not finished: %s", log_id, type(error).__name__)


@job()
def attribute_changes() -> None:
    """Every 20 seconds: row changes that no event names become alarms, in every clinic's log, closed ones too, and in the system's."""
    attribution.judge(watched_logs())
