"""Which charts the person with the phone in their hand may open."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from clinics.models import Clinic
from crypto.indexes import Index
from patients.choices import PortalRelation
from patients.errors import PhoneInvalid
from patients.identity import read_phone, tidy_name
from patients.models import Patient, PatientSearch, PortalAccess
from patients.queries.access import open_portal_access
from patients.search_tokens import few_with


def portal_accounts_by_phone(clinic: Clinic, phone: str, *, at: datetime | None = None) -> list[PortalAccess]:
    """The accounts of the persons on whose cards this phone stands; several where a family shares it, none for nonsense.

    Each person's own account alone: the phone of somebody who is looked after must not sign in as who looks after them.
    Nothing is opened: whoever asks has not signed in. The token of a whole phone has 64 bits.
    """
    try:
        number = read_phone(phone)
    except PhoneInvalid:
        return []
    moment = at or timezone.now()
    access = PortalAccess.objects.filter(
        clinic=clinic,
        patient_id__in=few_with(clinic.pk, Index.PHONE_EQ, number),
        relation=PortalRelation.SELF,
        patient__restricted_at=None,
        user__is_active=True,
        given_at__lte=moment,
    ).exclude(valid_until__lte=moment)
    return list(access.select_related("user", "patient").order_by("given_at", "pk"))


def own_accounts_named(
    clinic: Clinic, user_ids: Iterable[UUID], name: str, *, at: datetime
) -> list[PortalAccess]:
    """Of these accounts, those whose person has this name on the card and may still see their own pages. Nothing is opened."""
    named = few_with(clinic.pk, Index.NAME_EQ, tidy_name(name))
    own = own_access_of(clinic.pk, user_ids).filter(
        patient_id__in=named, patient__restricted_at=None, user__is_active=True, given_at__lte=at
    )
    return list(own.exclude(valid_until__lte=at).select_related("user"))


def has_phone(patient: Patient) -> bool:
    """Whether a phone stands on the card. Nothing is opened."""
    return PatientSearch.objects.filter(index=Index.PHONE_EQ, search__patient=patient).exists()


def portal_patients(user_id: UUID, clinic_id: UUID, *, at: datetime | None = None) -> QuerySet[PortalAccess]:
    """Whose charts an account may open in a clinic: its own first."""
    access = open_portal_access(user_id, at=at or timezone.now())
    return (
        access.filter(clinic_id=clinic_id, patient__restricted_at=None)
        .select_related("patient")
        .order_by("-relation")
    )


def has_portal(patient: Patient, *, at: datetime) -> bool:
    """Whether the person can see this chart on their own phone."""
    own = PortalAccess.objects.filter(
        patient=patient, relation=PortalRelation.SELF, given_at__lte=at, user__is_active=True
    )
    return own.exclude(valid_until__lte=at).exists()


def proxies_of(patient: Patient, at: datetime) -> QuerySet[PortalAccess]:
    """Who may see this chart as a proxy of the person's own choosing at this moment."""
    proxies = PortalAccess.objects.filter(patient=patient, relation=PortalRelation.PROXY, given_at__lte=at)
    return proxies.exclude(valid_until__lte=at)


def who_else_sees(patient: Patient, *, at: datetime) -> QuerySet[PortalAccess]:
    """Everybody beside the person who may open this chart on a phone at this moment, the first to begin first."""
    others = PortalAccess.objects.filter(patient=patient, given_at__lte=at).exclude(
        relation=PortalRelation.SELF
    )
    return others.exclude(valid_until__lte=at).order_by("given_at")


def own_access_of(clinic_id: UUID, user_ids: Iterable[UUID]) -> QuerySet[PortalAccess]:
    """What these accounts have of their own in a clinic, with whose they are."""
    own = PortalAccess.objects.filter(clinic_id=clinic_id, relation=PortalRelation.SELF, user__in=user_ids)
    return own.select_related("patient")


def open_portal_of(clinic_id: UUID, service_number: str, *, at: datetime) -> PortalAccess | None:
    """The own pages of whoever has this service number, if they are open."""
    own = PortalAccess.objects.filter(
        clinic_id=clinic_id,
        patient__service_number=service_number,
        patient__restricted_at=None,
        relation=PortalRelation.SELF,
        user__is_active=True,
        given_at__lte=at,
    )
    return own.exclude(valid_until__lte=at).select_related("user").first()
