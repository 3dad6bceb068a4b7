"""What Celery wakes. Everything that must not be lost stands in PostgreSQL; a lost wake-up costs a moment."""

from celery import shared_task
from django.utils import timezone

from clinics.queries import active_clinics
from followups.loop import claim_due, send_queued, take_changes

MOST_BATCHES = 50


@shared_task(ignore_result=True)
def turn() -> None:
    """One round of the loop over every open clinic. Several workers may run it at once."""
    for clinic in active_clinics():
        take_changes(clinic, timezone.now())
        claim_due(clinic, timezone.now())
        for _batch in range(MOST_BATCHES):
            if not send_queued(clinic, timezone.now()):
                break
