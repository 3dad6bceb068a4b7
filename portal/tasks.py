"""What Celery wakes."""

from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.jobs import job
from clinics.models import Clinic
from patients.services import forget_old_invitations
from portal.services import forget_old_codes


@job()
def forget_codes() -> None:
    """Once an hour: sign-in codes of the day before and links that are over leave the tables, where nobody signs in too."""
    for clinic in Clinic.objects.order_by("code"):
        with acting(system_actor("portal", clinic.pk)):
            forget_old_codes(clinic, timezone.now())
            forget_old_invitations(clinic, timezone.now())
