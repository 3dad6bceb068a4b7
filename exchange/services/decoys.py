"""Inventing decoys: cards that look like any card, of people who do not exist and in whom nobody has a task."""

import secrets
from collections.abc import Generator
from datetime import date, datetime

from django.utils.timezone import now

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.decoys import mark_decoys
from clinics.models import CareTeam, Clinic
from exchange.demo.people import InventedPerson, invent_people
from patients.choices import PhoneOwner, Sex, TwinReason
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card

PREFIXES = ("135", "136", "138", "139", "150", "152", "158", "159", "182", "183", "186", "187", "188")


def open_decoys(
    clinic: Clinic,
    count: int,
    *,
    team: CareTeam | None = None,
    by: Actor | None = None,
    at: datetime | None = None,
) -> Generator[Patient, None, None]:
    """Open cards of people who do not exist, each in a transaction of its own, and mark them as decoys at the end.

    `at` says when (now); only where ordinary cards bear another moment than their ids does it belong here.
    `by` opens them (default: the importing job, as for cards that files bring), and its care team, or `team`, cares for them.
    They have no permission and no result, so nothing is sent and no to-do arises. What was opened is marked also when the
    caller stops early. Raises KeysMissing.
    """
    actor = by or system_actor("import", clinic.pk)
    opened: list[Patient] = []
    try:
        for person in invent_people(count, today=date.today(), seed=secrets.randbits(63)):
            with acting(actor, clinic.pk):
                patient = open_card(
                    clinic=clinic,
                    identity=_identity(person),
                    by=actor,
                    at=at or now(),
                    team=team,
                    twin_reason=TwinReason.OTHER_PERSON,
                )
            opened.append(patient)
            yield patient
    finally:
        with acting(system_actor("decoys", clinic.pk), clinic.pk):
            mark_decoys(clinic.pk, [patient.subject_id for patient in opened])


def _identity(person: InventedPerson) -> NewIdentity:
    """A phone of their own, so that no family seems to be there; an address nobody reads would give them away."""
    return NewIdentity(
        name=person.name,
        sex=Sex(person.sex),
        birth_date=person.born_on,
        id_number=person.id_number,
        phone=f"+86{secrets.choice(PREFIXES)}{secrets.randbelow(10**8):08d}",
        phone_owner=PhoneOwner.SELF,
    )
