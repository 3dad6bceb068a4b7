"""What the ledger of permissions does when a person is erased. Its lines stay: they prove what was allowed, under ids alone."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from audit.removal import delete_rows
from consent.models import ConfirmationCode
from crypto.core.scopes import Scope


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """Codes that wait for the person go; what stood was withdrawn before anybody was asked (`withdraw_everything`)."""
    codes = ConfirmationCode.objects.filter(patient_id=patient_id)
    delete_rows("consent.codes_erased", codes, about=patient_id, subjects=subject_ids)
