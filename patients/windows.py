"""Windows of Django admin on what belongs to a patient: they pass the one gate, like every list."""

from typing import Any, ClassVar, TypeVar

from django.db import models
from django.http import HttpRequest

from crypto.windows import Window
from patients.queries import visible_patients

M = TypeVar("M", bound=models.Model)


class PatientWindow(Window[M]):
    """Rows of the patients whom the person at the screen cares for; of an administrator nobody. Values stay sealed.

    `patient` leads from a row to its patient.
    """

    patient: ClassVar[str] = "patient"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[M]:
        rows, clinic = super().get_queryset(request), getattr(request, "clinic", None)
        if clinic is None:
            return rows.none()
        actor: Any = request.actor  # type: ignore[attr-defined]  # set by the unit of work
        return rows.filter(**{f"{self.patient}__in": visible_patients(actor, clinic.pk)})
