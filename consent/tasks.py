"""What Celery wakes."""

from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.jobs import job
from clinics.models import Clinic
from consent.codes import forget_old_codes
from consent.complaints import raise_overdue_complaints
from consent.lapsing import close_lapsed
from consent.requests import raise_overdue


@job()
def forget_codes() -> None:
    """Once an hour: codes that ended a day ago leave the table."""
    for clinic in Clinic.objects.order_by("code"):
        with acting(system_actor("consent", clinic.pk)):
            forget_old_codes(clinic, timezone.now())


@job()
def look_at_clocks() -> None:
    """Once a day: permissions that ended by themselves are written down, and who has waited too long for an answer is told of."""
    for clinic in Clinic.objects.order_by("code"):
        while close_lapsed(clinic, timezone.now()):
            pass
        with acting(system_actor("consent", clinic.pk)):
            raise_overdue(clinic.pk, timezone.now())
            raise_overdue_complaints(clinic.pk, timezone.now())
