"""Permissions for tests, recorded by the real service."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils.timezone import localdate

from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.assessments import approve_assessment, write_assessment
from consent.choices import ExpressedBy, GivenThrough, Method, RecipientRole, StartedBy
from consent.models import ConsentEvent, ConsentNotice, Recipient
from consent.notices import LOCALES
from consent.publishing import draft_of, publish_notice
from consent.purposes import rule_of
from consent.recipients import NewRecipient, add_recipient
from consent.services import current_notice, record_consent
from patients.models import Patient

MONDAY = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # ten in the morning in China


def NoticeFactory(
    patient: Patient, purpose: Purpose, *, at: datetime = MONDAY, locale: str = "zh-hans"
) -> ConsentNotice:
    return current_notice(patient.clinic, purpose, locale, at)


def ConsentFactory(
    patient: Patient,
    purpose: Purpose = Purpose.FOLLOWUP,
    *,
    by: Actor,
    at: datetime = MONDAY,
    granted: bool = True,
    **said: Any,
) -> tuple[ConsentEvent, ...]:
    """What the person said at the desk before a witness; inside `acting`."""
    dull: dict[str, Any] = {
        "method": Method.VERBAL_WITNESSED,
        "expressed_by": ExpressedBy.SELF,
        "given_through": GivenThrough.DESK,
        "started_by": StartedBy.PERSON,
        "evidence": "陈护士在场",
        "idem_key": str(uuid4()),
    }
    if "notice" not in said:
        said["notice"] = NoticeFactory(patient, purpose, at=at)
    return record_consent(patient, purpose, granted=granted, by=by, at=at, **{**dull, **said})


def AssessmentFactory(clinic: Clinic, *purposes: Purpose, by: Actor, at: datetime = MONDAY) -> str:
    """The number of an assessment of these purposes, approved by a colleague; inside `acting`."""
    number = f"PIA-{uuid4().hex[:8]}"
    assessment = write_assessment(
        clinic,
        number=number,
        purposes=purposes,
        necessity="没有号码就提醒不到人。",
        impact="短信可能被家人看到。",
        measures="短信不写病情。",
        by=by,
        at=at,
    )
    colleague = system_actor("officer", clinic.pk)
    approve_assessment(assessment, review_on=localdate(at) + timedelta(days=365), by=colleague, at=at)
    return number


def RecipientFactory(
    clinic: Clinic, purpose: Purpose = Purpose.REFERRAL, *, by: Actor, at: datetime = MONDAY, **agreed: Any
) -> Recipient:
    """A hospital to which people may be referred; inside `acting`."""
    dull: dict[str, Any] = {
        "code": "hospital",
        "name": "城西医院",
        "kind": "provider",
        "role": RecipientRole.HANDLER,
        "contact": "010-5550 0300",
        "agreement": "HT-2026-07",
        "purposes": frozenset({purpose}),
        "data": rule_of(purpose).codes,
        "begins_on": localdate(at),
        "ends_on": localdate(at) + timedelta(days=365),
        "review_on": localdate(at) + timedelta(days=180),
    }
    if "assessment" not in agreed:
        agreed["assessment"] = AssessmentFactory(clinic, purpose, by=by, at=at)
    return add_recipient(clinic, NewRecipient(**{**dull, **agreed}), by=by, at=at)


def published(clinic: Clinic, purpose: Purpose, *, by: Actor, at: datetime = MONDAY) -> ConsentNotice:
    """The house's draft of a purpose, published by the clinic as it stands; inside `acting`."""
    return publish_notice(
        clinic,
        purpose,
        {locale: draft_of(clinic, purpose, locale) for locale in LOCALES},
        effective_from=localdate(at),
        material_change=False,
        assessment=AssessmentFactory(clinic, purpose, by=by, at=at),
        by=by,
        at=at,
    )["zh-hans"]
