"""What Celery wakes for the log: checks that somebody asked for, and the one of every night."""

from uuid import UUID

from django.utils.timezone import now

from audit import checks
from audit.acting import acting
from audit.actors import system_actor
from audit.connections import known_logs
from audit.jobs import job


@job()
def carry_out_check(log_id: str, check_id: str) -> None:
    """Safe to call twice: one worker takes a check, and a finished one is left alone."""
    checks.carry_out(UUID(log_id), UUID(check_id))


@job()
def go_on_with_checks() -> None:
    """Every minute: a check that nobody heard of, or whose worker died, is carried out by this one."""
    for log_id in known_logs():
        for check_id in checks.unfinished(log_id, at=now()):
            checks.carry_out(log_id, check_id)


@job()
def check_every_log() -> None:
    """Every night: a log that nobody looks at is looked at."""
    for log_id in known_logs():
        by = system_actor("check", None)
        with acting(by, log_id):
            checks.ask_check(log_id, by=by, at=now())
