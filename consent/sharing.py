"""To whom outside a person's data may go: each recipient of the register is a permission of its own."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.timezone import localdate

from clinics.errors import NoSuchPage
from clinics.models import Clinic
from consent.models import Recipient
from consent.queries import PurposeStanding, states_towards
from patients.models import Patient


@dataclass(frozen=True, slots=True)
class Sharing:
    """One recipient, and where each purpose stands that they are on the register for."""

    recipient: Recipient
    standings: list[PurposeStanding]


def sharing_of(patient: Patient, clinic: Clinic, at: datetime) -> list[Sharing]:
    """What this person can be asked about giving to others, by the recipient's name. Three statements, one where there are none."""
    today = localdate(at)
    on_register = Recipient.objects.filter(clinic=clinic, cut_off_at=None, begins_on__lte=today)
    recipients = list(on_register.filter(ends_on__gt=today).order_by("name", "pk"))
    if not recipients:
        return []
    states = states_towards(patient, [one.code for one in recipients], at)
    found = [Sharing(one, list(_asked_for(one, states[one.code].values()))) for one in recipients]
    return [one for one in found if one.standings]


def _asked_for(recipient: Recipient, standings: Iterable[PurposeStanding]) -> Iterable[PurposeStanding]:
    for standing in standings:
        rule = standing.rule
        asks_people = standing.offered and rule.needs_consent and rule.leaves_the_clinic
        if asks_people and rule.purpose in recipient.purposes:
            yield standing


def sharing_with(patient: Patient, clinic: Clinic, recipient_id: UUID, at: datetime) -> Sharing:
    """One of them. Raises NoSuchPage for who is not on the register, and for what the clinic asks nobody."""
    for one in sharing_of(patient, clinic, at):
        if one.recipient.pk == recipient_id:
            return one
    raise NoSuchPage
