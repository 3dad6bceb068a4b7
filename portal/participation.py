"""What the patient's own pages do when a person is erased."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from crypto.core.scopes import Scope
from patients.choices import PortalRelation
from patients.models import PortalAccess
from portal.models import SignInCode


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """A code that was sent to the person opens nothing."""
    own = PortalAccess.objects.filter(patient_id=patient_id, relation=PortalRelation.SELF)
    SignInCode.objects.filter(user_id__in=own.values("user_id")).delete()
