"""Who decides for a patient: a child's guardian, a young person alone, an adult or whoever holds their authorisation.

Below fourteen a guardian decides (PIPL art. 31). From fourteen to seventeen the young person's own word counts, and a guardian
cannot agree or withdraw in their place; a guardian sees of them what they allow (purpose `family`). What the law asks of a guardian
all the same (treatment, emergencies) rests on other purposes.
"""

from datetime import datetime
from enum import StrEnum

from django.utils.timezone import localdate

from audit.access import access
from audit.kinds import Kind
from audit.purposes import Purpose
from consent.choices import ExpressedBy, Operation
from consent.errors import GuardianNeeded, OwnWordNeeded
from consent.queries import check
from patients.models import Patient

OWN_WORD_FROM = 14
ADULT_FROM = 18


def check_who_speaks(patient: Patient, expressed_by: ExpressedBy, at: datetime) -> None:
    """Raises GuardianNeeded below fourteen for everybody but a guardian, OwnWordNeeded for a guardian from fourteen to seventeen."""
    if is_younger(patient, OWN_WORD_FROM, at):
        if expressed_by is not ExpressedBy.GUARDIAN:
            raise GuardianNeeded(str(patient.pk))
    else:
        check_own_word(patient, expressed_by, at)


def check_own_word(patient: Patient, expressed_by: ExpressedBy, at: datetime) -> None:
    """Raises OwnWordNeeded for a guardian of somebody from fourteen to seventeen: they withdraw nothing in their place either."""
    if (
        expressed_by is ExpressedBy.GUARDIAN
        and not is_younger(patient, OWN_WORD_FROM, at)
        and is_younger(patient, ADULT_FROM, at)
    ):
        raise OwnWordNeeded(str(patient.pk))


class GuardianSees(StrEnum):
    """What a guardian sees of a patient's own pages."""

    ALL = "all"  # of a child, and of an adult whose guardian they became: they speak for them
    ALLOWED = "allowed"  # all as well, of a young person who allows it
    LAW = "law"  # of a young person who does not: what the law tells a guardian
    NOTHING = "nothing"  # of somebody who has come of age


def guardian_sees(patient: Patient, *, since: datetime, at: datetime) -> GuardianSees:
    """By age, and from fourteen to seventeen by the young person's own word about their family.

    `since` tells a parent, whose view ends with the eighteenth birthday, from the guardian of an adult who cannot decide.
    """
    if is_younger(patient, OWN_WORD_FROM, at):
        return GuardianSees.ALL
    if not is_younger(patient, ADULT_FROM, at):
        came_of_age = is_younger(patient, ADULT_FROM, since)
        return GuardianSees.NOTHING if came_of_age else GuardianSees.ALL
    allowed = check(patient.pk, Purpose.FAMILY, op=Operation.SHARE, at=at).allowed
    return GuardianSees.ALLOWED if allowed else GuardianSees.LAW


def is_younger(patient: Patient, years: int, at: datetime) -> bool:
    """Whether the person is below an age. The year of birth mostly tells; else the birth date is opened. Unknown is not."""
    if patient.birth_year is None or at.year - patient.birth_year > years:
        return False
    if at.year - patient.birth_year < years:
        return True
    with access(Purpose.CARE, Kind.COMPUTED):
        born = patient.identity.birth_date  # ISO 8601
    return not born or localdate(at).isoformat()[5:] < born[5:]
