"""What the patient's own pages do when a person is erased."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from clinics.accounts.models import AccountNotice, KnownDevice
from crypto.core.scopes import Scope
from patients.choices import PortalRelation
from patients.models import PortalAccess
from portal.models import Pin, SignInCode


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """A code that was sent to the person opens nothing, nor does their PIN; no browser is known to have been theirs."""
    own = PortalAccess.objects.filter(patient_id=patient_id, relation=PortalRelation.SELF)
    accounts = list(own.values_list("user_id", flat=True))
    SignInCode.objects.filter(Q(user_id__in=accounts) | Q(sharers__overlap=accounts)).delete()
    Pin.objects.filter(pk__in=accounts).delete()
    KnownDevice.objects.filter(user_id__in=accounts).delete()
    AccountNotice.objects.filter(user_id__in=accounts).delete()
