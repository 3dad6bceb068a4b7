"""Who may say yes for a patient: a child's guardian, a young person alone, an adult or whoever holds their authorisation.

Below fourteen a guardian decides (PIPL art. 31). From fourteen to seventeen the young person's own word counts, and a guardian
cannot agree in their place. What the law asks of a guardian all the same (treatment, emergencies) rests on other purposes.
"""

from datetime import datetime

from django.utils.timezone import localdate

from audit.access import access
from audit.kinds import Kind
from audit.purposes import Purpose
from consent.choices import ExpressedBy
from consent.errors import GuardianNeeded, OwnWordNeeded
from patients.models import Patient

OWN_WORD_FROM = 14
ADULT_FROM = 18


def check_who_speaks(patient: Patient, expressed_by: ExpressedBy, at: datetime) -> None:
    """Raises GuardianNeeded below fourteen for everybody but a guardian, OwnWordNeeded for a guardian from fourteen to seventeen."""
    if is_younger(patient, OWN_WORD_FROM, at):
        if expressed_by is not ExpressedBy.GUARDIAN:
            raise GuardianNeeded(str(patient.pk))
    elif expressed_by is ExpressedBy.GUARDIAN and is_younger(patient, ADULT_FROM, at):
        raise OwnWordNeeded(str(patient.pk))


def is_younger(patient: Patient, years: int, at: datetime) -> bool:
    """Whether the person is below an age. The year of birth mostly tells; else the birth date is opened. Unknown is not."""
    if patient.birth_year is None or at.year - patient.birth_year > years:
        return False
    if at.year - patient.birth_year < years:
        return True
    with access(Purpose.CARE, Kind.COMPUTED):
        born = patient.identity.birth_date  # ISO 8601
    return not born or localdate(at).isoformat()[5:] < born[5:]
