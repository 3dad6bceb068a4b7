"""What Celery wakes."""

from celery import shared_task

from clinics.sessions import SessionStore


@shared_task(ignore_result=True)
def forget_sessions() -> None:
    """Once an hour: sessions that have ended leave the table."""
    SessionStore.clear_expired()
