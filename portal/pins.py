"""The PIN of somebody who shares a phone: after the code it says which of them is there.

Nobody is shown who else uses the phone: who signs in types their own name. A wrong name, a wrong PIN, one that was never set and
one that is shut are answered in the same words, after the same work.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password

from audit.access import access as opening
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import REFUSED, record
from clinics.accounts.models import NoticeKind
from clinics.accounts.notices import give_notice
from clinics.models import Clinic, User
from patients.models import Patient, PortalAccess
from patients.queries import own_accounts_named
from portal.errors import PinTooEasy
from portal.models import MOST_TRIES, Pin, SignInCode
from portal.services import Answer, Redeemed


def pin_of(access: PortalAccess) -> Pin | None:
    return Pin.objects.filter(pk=access.user_id).first()


def set_pin(access: PortalAccess, pin: str, *, at: datetime) -> Pin:
    """Set the PIN of the person's own account, in place of an earlier one or of one that is shut. Raises PinTooEasy."""
    if is_easy(pin, _known_at_home(access.patient)):
        raise PinTooEasy
    kept, _made = Pin.objects.update_or_create(
        user_id=access.user_id,
        defaults={
            "clinic_id": access.clinic_id,
            "pin_hash": make_password(pin),
            "tries": 0,
            "set_at": at,
        },
    )
    record("account.pin_set", object=kept, subjects=[access.patient.subject_id])
    give_notice(access.user, NoticeKind.PIN_SET)
    return kept


def remove_pin(access: PortalAccess) -> None:
    """From now on a code to a shared phone leads this account nowhere."""
    gone, _by_table = Pin.objects.filter(pk=access.user_id).delete()
    if gone:
        record(
            "account.pin_removed",
            object=("portal.pin", str(access.user_id)),
            subjects=[access.patient.subject_id],
        )
        give_notice(access.user, NoticeKind.PIN_REMOVED)


def redeem_pin(code_id: UUID, clinic: Clinic, name: str, pin: str, *, at: datetime) -> Redeemed:
    """Who of those who share the phone is there, once the right code was typed. Three wrong tries end it, those of the code included."""
    row = SignInCode.objects.select_for_update().filter(pk=code_id, clinic=clinic).first()
    if row is None or not row.awaits_pin(at):
        return Redeemed(Answer.ENDED)
    user = _whose(clinic, row.sharers, name, pin, at)
    if user is None:
        row.tries += 1
        row.save(update_fields=["tries"])
        left = MOST_TRIES - row.tries
        return Redeemed(Answer.WRONG, tries_left=left) if left else Redeemed(Answer.ENDED)
    row.sharers = []
    row.save(update_fields=["sharers"])
    return Redeemed(Answer.OPENED, user=user)


def _whose(clinic: Clinic, sharers: list[UUID], name: str, pin: str, at: datetime) -> User | None:
    """The account of this name whose PIN this is; namesakes on one phone are told apart by it."""
    named = {access.user_id: access.user for access in own_accounts_named(clinic, sharers, name, at=at)}
    pins = list(Pin.objects.select_for_update().filter(pk__in=named, clinic=clinic).order_by("pk"))
    right = [kept for kept in pins if _fits(kept, pin)]
    if not pins:
        make_password(pin)  # takes as long as looking
    if len(right) == 1:
        Pin.objects.filter(pk=right[0].pk).update(tries=0)
        return named[right[0].pk]
    _tell_of_refusal(pins)
    return None


def _fits(kept: Pin, pin: str) -> bool:
    return check_password(pin, kept.pin_hash) and not kept.is_shut


def _tell_of_refusal(pins: list[Pin]) -> None:
    """Somebody was not let in: counted for each account of that name. The fifth time running shuts its PIN."""
    for kept in pins:
        if not kept.is_shut:
            kept.tries += 1
            kept.save(update_fields=["tries"])
    for account in [str(kept.pk) for kept in pins] or ["unknown"]:
        record("account.sign_in_failed", object=("clinics.user", account), result=REFUSED, reason="pin")


@dataclass(frozen=True, slots=True)
class KnownAtHome:
    """What whoever shares the phone knows too: digits a PIN must not be made of."""

    born: str  # YYYYMMDD, or empty
    phone: str  # digits, or empty


def is_easy(pin: str, known: KnownAtHome) -> bool:
    """Whether the digits repeat, count up or down, or stand in the birth date or the phone number."""
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    repeats = len(set(pin)) <= 2 or pin[:3] == pin[3:] or pin[:2] * 3 == pin
    born = known.born
    of_the_date = (
        born,
        born[2:],
        born[4:] + born[:4],
        born[4:] + born[2:4],
        born[6:] + born[4:6] + born[2:4],
        born[6:] + born[4:6] + born[:4],
    )
    return (
        repeats or steps <= {1} or steps <= {-1} or any(pin in text for text in (*of_the_date, known.phone))
    )


def _known_at_home(patient: Patient) -> KnownAtHome:
    with opening(Purpose.CARE, Kind.COMPUTED):
        identity = patient.identity
        return KnownAtHome(born=(identity.birth_date or "").replace("-", ""), phone=identity.phone or "")
