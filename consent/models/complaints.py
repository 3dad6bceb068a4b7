"""What somebody wants to say to the clinic about itself, and what it answered."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from crypto.fields import Scope, SealedText
from crypto.models import SealedModel
from patients.models import Patient


class Complaint(SealedModel):
    """A complaint or a suggestion from a person's own pages. The privacy officer reads and answers it, and nobody of the care team.

    Both texts are sealed with the person's own key, and open to who reads the log here.
    """

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    words = SealedText(_("in their words"), aad_name="complaint.words", scope=Scope.RECORD, field_set="log")
    made_at = models.DateTimeField(_("made at"))
    due_at = models.DateTimeField(_("to be answered by"))
    answer = SealedText(
        _("answer"), aad_name="complaint.answer", scope=Scope.RECORD, field_set="log", null=True
    )
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("answered by"),
    )

    class Meta:
        db_table = "consent_complaint"
        verbose_name = _("complaint")
        verbose_name_plural = _("complaints")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="complaint_answered_whole",
                condition=Q(answered_at=None, answered_by=None, answer__isnull=True)
                | Q(answered_at__isnull=False, answered_by__isnull=False, answer__isnull=False),
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "due_at"], condition=Q(answered_at=None), name="complaint_open"),
            models.Index(fields=["patient", "-made_at"], name="complaint_of_patient"),
        ]

    def __str__(self) -> str:
        return f"complaint {self.id}"
