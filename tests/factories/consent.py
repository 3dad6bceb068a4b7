"""Permissions for tests, recorded by the real service."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from audit.actors import Actor
from audit.purposes import Purpose
from consent.choices import ExpressedBy, GivenThrough, Method, StartedBy
from consent.models import ConsentEvent, ConsentNotice
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
