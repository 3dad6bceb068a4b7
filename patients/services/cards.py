"""Opening a card: keys, patient, card, search tokens and care relationship in one transaction, or nothing."""

import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from audit.actors import Actor
from audit.services import record
from clinics.models import CareTeam, Clinic
from clinics.queries import teams_of
from crypto.ids import uuid7
from crypto.services import create_subject_keys
from patients.choices import CareRole, TwinReason
from patients.identity import NewIdentity
from patients.models import Card, CareRelationship, Patient, TwinOverride
from patients.queries.cards import patient_of_form
from patients.queries.twins import Likeness, likeness
from patients.search_tokens import write_tokens

TRIES: Final = 5  # a random number is already taken once in a hundred times at a million patients


def open_card(
    *,
    clinic: Clinic,
    identity: NewIdentity,
    by: Actor,
    at: datetime,
    team: CareTeam | None = None,
    form_token: UUID | None = None,
    twin_reason: TwinReason = TwinReason.CHECK_LATER,
) -> Patient:
    """A new patient with a card, in the care of whoever opens it and of their team.

    `team` overrides the opener's first care team; a program belongs to none, so without `team` the clinic's first care
    team gets the patients it opens. The same `form_token` twice gives the patient of the first time. `twin_reason` says
    why similar people with cards are somebody else; twins the opener may not see are written down as well.
    """
    tries = 0
    while True:
        earlier = patient_of_form(clinic.pk, form_token)
        if earlier is not None:
            return earlier
        try:
            with transaction.atomic():
                return _open(clinic, identity, by, at, team, form_token, twin_reason)
        except IntegrityError:  # the other submit of a double click was faster, or a random number is taken
            tries += 1
            if tries == TRIES:
                raise


def _open(
    clinic: Clinic,
    identity: NewIdentity,
    by: Actor,
    at: datetime,
    team: CareTeam | None,
    form_token: UUID | None,
    twin_reason: TwinReason,
) -> Patient:
    alike = likeness(by, clinic.pk, identity)
    patient_id = uuid7()
    create_subject_keys(clinic.pk, patient_id)
    patient = Patient(
        id=patient_id,
        subject_id=patient_id,
        clinic=clinic,
        service_number=_random_service_number(),
        sex=identity.sex,
        birth_year=identity.birth_date.year if identity.birth_date else None,
        phone_owner=identity.phone_owner,
        created_at=at,
    )
    parts = identity.sealed_parts()
    patient.identity = parts
    patient.save(force_insert=True)
    write_tokens(patient, parts)
    card = Card.objects.create(
        clinic=clinic,
        patient=patient,
        number=_random_card_number(),
        opened_at=at,
        opened_by_id=by.user_id,
        form_token=form_token,
    )
    _begin_first_care(patient, by, at, team)
    _put_twins_aside(patient, alike, twin_reason, by, at)
    record("card.opened", object=card, subjects=[patient.subject_id])
    return patient


def _begin_first_care(patient: Patient, by: Actor, at: datetime, team: CareTeam | None) -> None:
    carers: list[CareRelationship] = []
    if by.is_at_work and by.user_id is not None:
        carers.append(CareRelationship(staff_id=by.user_id, role=CareRole.OPENER))
    if (caring_team := team or _team_of(by, patient.clinic, at)) is not None:
        carers.append(CareRelationship(team=caring_team, role=CareRole.CARE_TEAM))
    for care in carers:
        care.clinic, care.patient, care.valid_from = patient.clinic, patient, at
    CareRelationship.objects.bulk_create(carers)
    if carers:
        record(
            "care.begun",
            object=("patients.carerelationship", str(carers[0].pk)),
            subjects=[patient.subject_id],
            count=len(carers),
        )


def _team_of(by: Actor, clinic: Clinic, at: datetime) -> CareTeam | None:
    if by.is_at_work and by.user_id is not None:
        own = teams_of(by.user_id, clinic.pk).first()
        if own is not None or by.kind == "staff":
            return own
    alive = Q(valid_until=None) | Q(valid_until__gt=at)
    return CareTeam.objects.filter(alive, clinic=clinic).order_by("name").first()


def _put_twins_aside(patient: Patient, alike: Likeness, reason: TwinReason, by: Actor, at: datetime) -> None:
    reasons = {twin.patient.pk: reason for twin in alike.shown} | dict.fromkeys(
        alike.hidden, TwinReason.NOT_SHOWN
    )
    if not reasons:
        return
    rows = TwinOverride.objects.bulk_create(
        TwinOverride(
            clinic=patient.clinic,
            patient=patient,
            twin_id=twin_id,
            reason=why,
            decided_at=at,
            decided_by_id=by.user_id,
        )
        for twin_id, why in reasons.items()
    )
    record(
        "twin.put_aside",
        object=("patients.twinoverride", str(patient.pk)),
        subjects=[patient.subject_id],
        count=len(rows),
    )


def _random_service_number() -> str:
    """It means nothing: no order, no date, no person."""
    digits = f"{secrets.randbelow(10**8):08d}"
    return f"ZZ-{digits[:4]}-{digits[4:]}"


def _random_card_number() -> str:
    """Nine random digits and a check digit (Luhn), so that a slip of the finger finds nobody."""
    nine = f"{secrets.randbelow(10**9):09d}"
    return nine + luhn_digit(nine)


def luhn_digit(digits: str) -> str:
    """The check digit that follows these digits. Source: ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)
