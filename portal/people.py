"""Who acts for me: the accounts that see my pages beside my own, since when, until when, and ending it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.access import access as opening
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from crypto.reading import Unreadable, shown
from patients.identity import mask_name
from patients.models import Patient, PortalAccess
from patients.queries import own_access_of, who_else_sees
from patients.services import end_portal_access


@dataclass(frozen=True, slots=True)
class Proxy:
    """Somebody who sees my pages; `name` is masked, and empty for an account that has no card here."""

    access: PortalAccess
    name: str


def who_acts_for(patient: Patient, at: datetime) -> list[Proxy]:
    """Who else sees these pages now, the first to begin first. Two statements, and their names half hidden."""
    found = list(who_else_sees(patient, at=at))
    own = own_access_of(patient.clinic_id, [one.user_id for one in found])
    cards = {access.user_id: access.patient for access in own}
    with opening(Purpose.FAMILY, Kind.LISTED):
        return [Proxy(one, _name(cards.get(one.user_id))) for one in found]


def end_proxy(patient: Patient, access_id: UUID, *, at: datetime) -> None:
    """Close these pages to somebody, now. Raises NoSuchPage for one's own access, and for anybody else's."""
    access = who_else_sees(patient, at=at).filter(pk=access_id).first()
    if access is None:
        raise NoSuchPage
    end_portal_access(access, at=at)


def _name(card: Patient | None) -> str:
    if card is None:
        return ""
    name = shown(lambda: card.identity.name)
    return "" if isinstance(name, Unreadable) else mask_name(name)
