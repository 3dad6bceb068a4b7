"""Emergency openings that wait for the privacy officer, and those that were reviewed lately."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from patients.models import BreakGlass, Patient

MOST_SHOWN: Final = 50


def glass_to_review(clinic_id: UUID) -> QuerySet[BreakGlass]:
    """What nobody has looked at yet, the most overdue first."""
    waiting = BreakGlass.objects.filter(clinic_id=clinic_id, finding="")
    return waiting.select_related("user", "patient").order_by("review_due_on", "opened_at", "pk")


def glass_reviewed(clinic_id: UUID) -> QuerySet[BreakGlass]:
    """The newest decisions."""
    decided = BreakGlass.objects.filter(clinic_id=clinic_id).exclude(finding="")
    return (
        decided.select_related("user", "patient", "reviewed_by").defer("note").order_by("-reviewed_at", "pk")
    )


def glass_to_tell(clinic_id: UUID) -> QuerySet[BreakGlass]:
    """Emergencies that the person does not know of yet, the oldest first."""
    waiting = BreakGlass.objects.filter(clinic_id=clinic_id, told_how="", patient__restricted_at=None)
    return waiting.select_related("patient").defer("note").order_by("opened_at", "pk")


def glass_of(patient: Patient) -> QuerySet[BreakGlass]:
    """Every emergency in which this person's record was opened, newest first; what was noted stays with the privacy officer."""
    return BreakGlass.objects.filter(patient=patient).defer("note").order_by("-opened_at", "-pk")


def untold_glass(patient: Patient) -> QuerySet[BreakGlass]:
    """Those of them that the person was not told of yet."""
    return glass_of(patient).filter(told_how="")


def overdue_glass(clinic_id: UUID, today: date) -> int:
    """How many should have been reviewed by now: by the end of the working day after they were opened."""
    return BreakGlass.objects.filter(clinic_id=clinic_id, finding="", review_due_on__lt=today).count()


def open_glass(user_id: UUID, patient_id: UUID, *, at: datetime) -> BreakGlass | None:
    """The emergency by which somebody sees this patient now, and until when."""
    lasting = BreakGlass.objects.filter(
        Q(opened_at__lte=at, valid_until__gt=at), user_id=user_id, patient_id=patient_id
    )
    return lasting.defer("note").order_by("-valid_until").first()
