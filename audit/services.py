"""Writing to the log. No event, no change: an event that cannot be written takes its transaction with it."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import models

from audit.acting import acting
from audit.actors import Actor, Unit, current_unit, unit_or_none
from audit.events import Draft, object_of, purpose_of, subjects_of, write
from audit.models import AuditEvent
from audit.purposes import Purpose

REFUSED = "refused"


def record(
    action: str,
    *,
    object: models.Model | tuple[str, str],
    subjects: Iterable[UUID] = (),
    fields: Mapping[str, tuple[Any, Any]] | None = None,
    purpose: Purpose | None = None,
    decision: UUID | None = None,
    count: int | None = None,
    result: str = "ok",
    reason: str = "",
) -> AuditEvent:
    """Write what the current actor did, in their transaction. `action` is the clinic's word: "card.opened".

    `fields` are clear values, old and new; sealed ones come out as ‹sealed›. A refusal (`result="refused"`) survives a
    rollback. Raises NoActor, LogUnavailable, and ValueError for free text where a code belongs.
    """
    unit = current_unit()
    draft = Draft(
        unit=unit,
        action=action,
        clinic_id=_clinic_of(object, unit),
        object=object_of(object),
        subjects=subjects_of(subjects),
        fields=fields or {},
        purpose=purpose_of(purpose),
        decision=decision,
        count=count,
        result=result,
        reason=reason,
    )
    event = write(draft)
    if result == REFUSED:
        unit.if_lost.append(draft)
    return event


def record_denial(
    actor: Actor, *, view: str, object_id: str = "", reason: str = "", address: str = ""
) -> None:
    """Write that `actor` was refused, in a transaction of its own: after a rollback, or when the unit in hand is over.

    `view` is the page or task that refused, `object_id` what they asked for, `reason` the refusal's code, `address` where they
    asked from. Raises LogUnavailable.
    """
    unit = unit_or_none()
    if unit is not None:
        unit.owed.append(_denial(unit, view, object_id, reason))
        return
    with acting(actor, address=address):
        write(_denial(current_unit(), view, object_id, reason))


def _denial(unit: Unit, view: str, object_id: str, reason: str) -> Draft:
    return Draft(
        unit=unit,
        action="access.denied",
        clinic_id=unit.clinic_id,
        object=(view, object_id[:255]),
        result=REFUSED,
        reason=reason,
    )


def _clinic_of(thing: models.Model | tuple[str, str], unit: Unit) -> UUID | None:
    clinic_id = getattr(thing, "clinic_id", None)
    return clinic_id if isinstance(clinic_id, UUID) else unit.clinic_id
