"""What Celery wakes. Everything that must not be lost stands in PostgreSQL; a lost wake-up costs a moment."""

import logging

from django.utils import timezone

from audit.jobs import job
from audit.purposes import Purpose
from clinics.models import Clinic
from clinics.queries import active_clinics
from crypto.errors import ClinicError
from followups.loop import claim_due, send_queued, take_changes

logger = logging.getLogger(__name__)

MOST_BATCHES = 50


@job(Purpose.FOLLOWUP, Purpose.CARE, Purpose.RISK)
def turn() -> None:
    """One round of the loop over every open clinic. Several workers may run it at once.

    A clinic whose turn fails, because its keys are away for example, has it again two seconds later and keeps no other from its own.
    """
    for clinic in active_clinics():
        try:
            _turn(clinic)
        except ClinicError as error:
            logger.error(
                "the turn of clinic %s was not finished: %s: %s", clinic.pk, type(error).__name__, error
            )


def _turn(clinic: Clinic) -> None:
    take_changes(clinic, timezone.now())
    claim_due(clinic, timezone.now())
    for _batch in range(MOST_BATCHES):
        if not send_queued(clinic, timezone.now()):
            break
