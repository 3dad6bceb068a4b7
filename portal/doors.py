"""At which door somebody asks for a code: the browser that was signed in on this phone's pages before, else the visitor's network.

As with staff (`clinics.accounts.attempts`): whoever asks for somebody else's phone has another door than its owner, and shuts that one alone.
Strangers' doors together have a wider limit, so that many networks are no way to send a phone text after text; a known browser is outside it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.http import HttpRequest

from clinics.accounts.devices import is_known_to_any, network_of, token_of
from clinics.models import Clinic
from portal.errors import TooManyCodes
from portal.keyed import keyed
from portal.models import SignInCode

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)  # what was asked for earlier counts for no limit any more
MOST_PER_DOOR: Final = 5  # in an hour, for one phone
MOST_PER_DOOR_A_DAY: Final = 10
MOST_BY_STRANGERS: Final = 10  # in an hour, for one phone, from all unknown browsers together
MOST_BY_STRANGERS_A_DAY: Final = 20  # three guesses each: 60 of a million
MOST_PER_ADDRESS: Final = 60  # in an hour, for all phones: a whole waiting room shares one


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asks for a code, as far as the server sees; `asked` is the code this very browser asked for last."""

    address: str
    network: str = ""
    token: str = ""  # of the browser, where somebody has signed in on it
    asked: UUID | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """`hash` is keyed: the table tells neither browser nor network."""

    hash: str
    known: bool


def asker_of(request: HttpRequest, asked: UUID | None) -> Asker:
    return Asker(str(request.META.get("REMOTE_ADDR", "")), network_of(request), token_of(request), asked)


def door_of(asker: Asker, clinic: Clinic, accounts: Collection[UUID]) -> Door:
    """The door to a phone that these accounts have; the same statements where it has none."""
    known = is_known_to_any(accounts, asker.token)
    return Door(keyed("door", clinic.pk, asker.token if known else asker.network), known)


def look_for_room(
    door: Door, recent: Collection[SignInCode], clinic: Clinic, asker: Asker, *, at: datetime
) -> None:
    """`recent` are a day's codes for one phone. Raises TooManyCodes when this door, all strangers, or this address had their share."""
    here = [code.sent_at for code in recent if code.door_hash == door.hash]
    if _is_full(here, MOST_PER_DOOR, MOST_PER_DOOR_A_DAY, at):
        raise TooManyCodes
    if door.known:
        return
    strangers = [code.sent_at for code in recent if not code.from_known]
    if _is_full(strangers, MOST_BY_STRANGERS, MOST_BY_STRANGERS_A_DAY, at):
        raise TooManyCodes
    from_address = SignInCode.objects.asked_from(clinic.pk, hash_of_address(clinic, asker), since=at - HOUR)
    if from_address.count() >= MOST_PER_ADDRESS:
        raise TooManyCodes


def hash_of_address(clinic: Clinic, asker: Asker) -> str:
    return keyed("address", clinic.pk, asker.address)


def _is_full(sent: Collection[datetime], in_an_hour: int, in_a_day: int, at: datetime) -> bool:
    return len(sent) >= in_a_day or sum(moment > at - HOUR for moment in sent) >= in_an_hour
