"""Reads about cards."""

from uuid import UUID

from patients.models import Patient


def patient_of_form(clinic_id: UUID, form_token: UUID | None) -> Patient | None:
    """The patient whose card this very form has opened already. The token is random and known to its sender alone."""
    if form_token is None:
        return None
    return Patient.objects.filter(clinic_id=clinic_id, cards__form_token=form_token).first()
