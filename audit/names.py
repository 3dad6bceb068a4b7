"""Whether people are told the name of who looked at their record: each clinic says so, and every change is a version and an event.

Role and team are told in any case, and so is every look; only the name can wait for a question or for the privacy officer.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit.actors import Actor, current_unit
from audit.errors import NoActor
from audit.events import Draft, write
from audit.models import NamesTold, NamesToldVersion
from audit.wrote import wrote_rows
from crypto.turns import wait_for_turn

UNLESS_SAID_OTHERWISE: Final = NamesTold.ON_REQUEST
VERSIONS_SHOWN: Final = 10


def names_told_in(clinic_id: UUID) -> NamesTold:
    """What holds in a clinic now. One statement."""
    newest = _versions(clinic_id).first()
    return NamesTold(newest.names) if newest else UNLESS_SAID_OTHERWISE


def names_told_history(clinic_id: UUID) -> list[NamesToldVersion]:
    """The versions of a clinic, the newest first; at most ten."""
    return list(_versions(clinic_id)[:VERSIONS_SHOWN])


@transaction.atomic
def set_names_told(names: NamesTold, by: Actor, at: datetime) -> None:
    """From this transaction's commit on this holds in the clinic the actor works in. The same again changes nothing.

    Raises NoActor for whoever works in no clinic, and LogUnavailable.
    """
    unit, clinic_id = current_unit(), by.clinic_id
    if clinic_id is None:
        raise NoActor
    wait_for_turn(f"names told:{clinic_id}")
    newest = _versions(clinic_id).first()
    before = NamesTold(newest.names) if newest else UNLESS_SAID_OTHERWISE
    if names == before:
        return
    row = NamesToldVersion.objects.create(
        clinic_id=clinic_id,
        version=newest.version + 1 if newest else 1,
        names=names,
        changed_at=at,
        changed_by=by.ref,
    )
    write(
        Draft(
            unit=unit,
            action="names_told.changed",
            clinic_id=clinic_id,
            object=("audit.namestoldversion", str(row.pk)),
            fields={"names": (before, names)},
            wrote=wrote_rows([row]),
        )
    )


def _versions(clinic_id: UUID) -> QuerySet[NamesToldVersion]:
    return NamesToldVersion.objects.filter(clinic_id=clinic_id).order_by("-version")
