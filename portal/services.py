"""Signing in by a one-time code sent to the phone.

Our own rather than the package's: that one writes the phone in clear into the session and an unkeyed hash of it into the
cache. Every phone gets the same answer in the same time, so nobody learns here who is a patient of the clinic.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from secrets import compare_digest, randbelow
from uuid import UUID

from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from audit.services import REFUSED, record
from clinics.channels import CarrierRefused, CarrierUnavailable, send_sms
from clinics.models import Clinic, User
from clinics.sessions import end_sessions
from crypto.turns import wait_for_turn
from patients.choices import PhoneOwner
from patients.queries import portal_accounts_by_phone
from portal.errors import TooManyCodes
from portal.models import MOST_TRIES, SignInCode

logger = logging.getLogger(__name__)

GOOD_FOR = timedelta(minutes=5)
BETWEEN = timedelta(seconds=60)
HOUR = timedelta(hours=1)
KEPT_FOR = timedelta(days=1)
MOST_PER_PHONE = 5  # in an hour
MOST_PER_PHONE_A_DAY = 10  # three guesses each: a stranger who keeps asking has 30 of a million
MOST_PER_ADDRESS = 60  # in an hour: a whole waiting room shares one

# A text takes as long as the carrier takes, and only a known phone gets one: it is sent beside the answer, not before it.
_postman = ThreadPoolExecutor(max_workers=2, thread_name_prefix="portal-code")


class Answer(StrEnum):
    OPENED = "opened"
    SHARED = "shared"  # the code is right, and several people share the phone: name and PIN say who is there
    WRONG = "wrong"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a typed code led to; `user` only when it opened, `tries_left` only when it was wrong."""

    answer: Answer
    user: User | None = None
    tries_left: int = 0


def send_code(clinic: Clinic, phone: str, *, address: str, at: datetime) -> SignInCode:
    """Send a code to a phone in E.164 form that an account belongs to; asked again within a minute, the same one.

    It opens an account by itself where the phone is that one person's own; where it is shared, a PIN decides as well.

    Raises TooManyCodes for either limit, which hold for known and unknown phones alike, and LogUnavailable.
    """
    phone_hash, address_hash = _keyed("phone", clinic.pk, phone), _keyed("address", clinic.pk, address)
    # Whoever asks for the same phone at the same moment waits, so that the limits count what the other asked for.
    wait_for_turn(f"code:{phone_hash}")
    forget_old_codes(clinic, at)
    recent = list(
        SignInCode.objects.sent_to(clinic.pk, phone_hash, since=at - KEPT_FOR)[:MOST_PER_PHONE_A_DAY]
    )
    if recent and recent[0].sent_at > at - BETWEEN and recent[0].is_open(at):
        return recent[0]
    in_this_hour = sum(code.sent_at > at - HOUR for code in recent)
    if in_this_hour >= MOST_PER_PHONE or len(recent) == MOST_PER_PHONE_A_DAY:
        raise TooManyCodes
    if SignInCode.objects.asked_from(clinic.pk, address_hash, since=at - HOUR).count() >= MOST_PER_ADDRESS:
        raise TooManyCodes
    accounts = portal_accounts_by_phone(clinic, phone, at=at)
    code = f"{randbelow(1_000_000):06}"
    row = SignInCode(
        clinic=clinic, phone_hash=phone_hash, address_hash=address_hash, sent_at=at, expires_at=at + GOOD_FOR
    )
    if len(accounts) == 1 and accounts[0].patient.phone_owner == PhoneOwner.SELF:
        row.user = accounts[0].user
    else:
        row.sharers = [access.user_id for access in accounts]
    row.code_hash = _keyed("code", row.pk, code)
    row.save(force_insert=True)
    record("account.code_sent", object=row)
    if accounts:
        text = _("Sign-in code %(code)s, good for 5 minutes. Nobody from the clinic will ask you for it.")
        transaction.on_commit(
            partial(_postman.submit, _post, clinic, phone, text % {"code": code}, f"code-{row.pk}")
        )
    return row


def _post(clinic: Clinic, phone: str, text: str, key: str) -> None:
    """Runs in the postman's thread: touches no database. A text that does not arrive is asked for again."""
    try:
        send_sms(clinic, phone, text, idempotency_key=key)
    except (CarrierRefused, CarrierUnavailable) as error:
        logger.warning("A sign-in code was not sent: %s", error)


def forget_old_codes(clinic: Clinic, at: datetime) -> None:
    """What was asked for a day ago counts for no limit any more."""
    SignInCode.objects.filter(clinic=clinic, sent_at__lt=at - KEPT_FOR).delete()


def redeem_code(code_id: UUID, clinic: Clinic, typed: str, *, at: datetime) -> Redeemed:
    """Use a code once. Three wrong tries end it; an ended, used, expired or foreign one never says which it was."""
    row = SignInCode.objects.select_for_update().filter(pk=code_id, clinic=clinic).first()
    if row is None or not row.is_open(at):
        _tell_of_refusal(row)
        return Redeemed(Answer.ENDED)
    right = compare_digest(row.code_hash, _keyed("code", row.pk, typed))
    opens = row.user.is_active if row.user else bool(row.sharers)
    if not right or not opens:
        row.tries += 1
        row.save(update_fields=["tries"])
        _tell_of_refusal(row)
        left = MOST_TRIES - row.tries
        return Redeemed(Answer.WRONG, tries_left=left) if left else Redeemed(Answer.ENDED)
    row.used_at = at
    row.save(update_fields=["used_at"])
    return Redeemed(Answer.OPENED if row.user else Answer.SHARED, user=row.user)


def sign_out_everywhere(user: User) -> None:
    """Every session of the account ends, wherever it is. Raises LogUnavailable; then none ends."""
    record("account.sessions_ended", object=user, reason="own")
    end_sessions(user.pk)


def _tell_of_refusal(row: SignInCode | None) -> None:
    """Somebody was not let in. A phone that belongs to nobody is told as one that was not there."""
    account = str(row.user_id) if row and row.user_id else "unknown"
    record("account.sign_in_failed", object=("clinics.user", account), result=REFUSED, reason="code")


def _keyed(what: str, *parts: object) -> str:
    """A hash that only this installation can make, so that a stolen table names no phone and gives no code away."""
    return salted_hmac(f"zhizhi/portal/{what}", ":".join(map(str, parts)), algorithm="sha256").hexdigest()
