"""What Celery wakes."""

from celery import shared_task
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic
from patients.services import forget_old_invitations
from portal.services import forget_old_codes


@shared_task(ignore_result=True)
def forget_codes() -> None:
    """Once an hour: sign-in codes of the day before and links that are over leave the tables, where nobody signs in too."""
    for clinic in Clinic.objects.order_by("code"):
        with acting(system_actor("portal", clinic.pk)):
            forget_old_codes(clinic, timezone.now())
            forget_old_invitations(clinic, timezone.now())
