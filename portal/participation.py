"""What the patient's own pages do when a person is erased."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from clinics.accounts.models import AccountNotice, KnownDevice
from crypto.core.scopes import Scope
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from portal.models import Pin, SignInCode
from portal.services import tell_old_phone


def on_phone_changed(*, patient: Patient, before: str) -> None:
    """The phone that opened the person's pages until now is told that another one does."""
    if PortalAccess.objects.filter(patient=patient, relation=PortalRelation.SELF, valid_until=None).exists():
        tell_old_phone(patient.clinic, before)


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
