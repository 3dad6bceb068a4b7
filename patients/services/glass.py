"""Opening a chart outside one's care in an emergency: for a reason, for four hours, on the log, reviewed by somebody else, told to the person.

Whoever asks names the person as they would to a colleague: the service number, or the whole name and the phone. Nobody learns
before the reason is given whether such a person has a card here; after it, both answers are on the log.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.access import access, relate
from audit.actors import Actor
from audit.kinds import Kind
from audit.participation import call
from audit.purposes import Purpose
from audit.relations import Relation
from audit.services import REFUSED, record
from clinics.calendar import next_working_day
from crypto.errors import SealBroken
from crypto.indexes import Index
from patients.choices import GlassFinding, GlassReason, Telling
from patients.errors import GlassFindsNobody, GlassNotFound, OwnGlass, PhoneInvalid
from patients.identity import read_phone, tidy_name
from patients.models import BreakGlass, Patient
from patients.queries.access import visible_patients
from patients.queries.glass import untold_glass
from patients.queries.search import service_number_in
from patients.queries.twins import COMPARED
from patients.search_tokens import few_with
from patients.services.searching import count_glass

LASTS: Final = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Who is meant: a service number as it is kept, or a whole name and a phone in E.164."""

    service_number: str = ""
    name: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """The patient whose chart is open now. `glass` None: it was open to them anyway, and no emergency was made of it."""

    patient: Patient
    glass: BreakGlass | None


def sought(number: str, name: str, phone: str) -> Sought | None:
    """What was typed, or None where it names nobody for sure: a name alone, a phone alone, a number that is none."""
    if service_number := service_number_in(number):
        return Sought(service_number=service_number)
    try:
        return Sought(name=tidy_name(name), phone=read_phone(phone)) if tidy_name(name) else None
    except PhoneInvalid:
        return None


@transaction.atomic
def break_glass(who: Sought, *, reason: GlassReason, note: str, by: Actor, at: datetime) -> Opened:
    """Open the chart to `by` for four hours. Asking again while it is open gives the same opening.

    Raises GlassFindsNobody where there is no such person, or several, or only a stored record: it is on the log as well, and
    nobody can tell the three apart. Raises GlassTooOften.
    """
    if by.clinic_id is None or by.user_id is None:
        raise GlassFindsNobody
    count_glass(by, at=at)
    found = _found(by.clinic_id, who)
    if len(found) != 1:
        record("glass.refused", object=("patients.breakglass", ""), result=REFUSED, reason=reason.value)
        raise GlassFindsNobody
    (patient,) = found
    if visible_patients(by, by.clinic_id, at=at).filter(pk=patient.pk).exists():
        return Opened(patient, None)
    glass = BreakGlass(
        clinic_id=patient.clinic_id,
        patient=patient,
        subject_id=patient.subject_id,
        user_id=by.user_id,
        reason=reason,
        note=note,
        opened_at=at,
        valid_until=at + LASTS,
        review_due_on=next_working_day(by.clinic_id, timezone.localtime(at).date()),
    )
    glass.save(force_insert=True)
    relate(patient.subject_id, Relation.BREAK_GLASS, vip=patient.watched)
    record(
        "glass.broken",
        object=glass,
        subjects=[patient.subject_id],
        purpose=Purpose.EMERGENCY,
        reason=reason.value,
    )
    call("on_emergency", patient_id=patient.pk, emergency_id=glass.pk, until=glass.valid_until, at=at)
    return Opened(patient, glass)


@transaction.atomic
def review_glass(glass_id: UUID, finding: GlassFinding, *, by: Actor, at: datetime) -> None:
    """Write down what the privacy officer found. Twice keeps the first. Raises GlassNotFound, and OwnGlass for one's own."""
    glass = _glass_of(glass_id, by)
    if glass.user_id == by.user_id:
        raise OwnGlass
    if glass.finding:
        return
    glass.finding, glass.reviewed_at, glass.reviewed_by_id = finding, at, by.user_id
    glass.save(update_fields=["finding", "reviewed_at", "reviewed_by"])
    record("glass.reviewed", object=glass, subjects=[glass.subject_id], reason=finding.value)


@transaction.atomic
def note_told(glass_id: UUID, how: Telling, *, by: Actor, at: datetime) -> None:
    """Write down that the person knows of it (PIPL art. 18). Twice keeps the first. Raises GlassNotFound."""
    _note_told(_glass_of(glass_id, by), how, by, at)


@transaction.atomic
def read_emergencies(patient: Patient, *, by: Actor, at: datetime) -> None:
    """The person has read on their own page of every emergency until now."""
    for glass in untold_glass(patient).select_for_update(of=("self",)):
        _note_told(glass, Telling.PORTAL, by, at)


def _note_told(glass: BreakGlass, how: Telling, by: Actor, at: datetime) -> None:
    if glass.told_how:
        return
    glass.told_how, glass.told_at, glass.told_by_id = how, at, by.user_id
    glass.save(update_fields=["told_how", "told_at", "told_by"])
    record("glass.told", object=glass, subjects=[glass.subject_id], reason=how.value)


def _glass_of(glass_id: UUID, by: Actor) -> BreakGlass:
    waiting = BreakGlass.objects.select_for_update().filter(pk=glass_id)
    glass = waiting.filter(clinic_id=by.clinic_id).first() if by.clinic_id else None
    if glass is None:
        raise GlassNotFound
    return glass


def _found(clinic_id: UUID, who: Sought) -> list[Patient]:
    """Everybody of the clinic who is meant, whoever may see them; at most two."""
    patients = Patient.objects.filter(clinic_id=clinic_id, restricted_at=None)
    if who.service_number:
        return list(patients.filter(service_number=who.service_number)[:2])
    owners = patients.filter(pk__in=few_with(clinic_id, Index.PHONE_EQ, who.phone))
    with access(Purpose.EMERGENCY, Kind.MATCHED, field_sets=COMPARED):
        return [patient for patient in owners.order_by("pk")[:50] if _is(patient, who)][:2]


def _is(patient: Patient, who: Sought) -> bool:
    try:
        return patient.identity.name == who.name and patient.identity.phone == who.phone
    except SealBroken:
        return False
