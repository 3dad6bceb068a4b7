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
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from audit.services import REFUSED, record
from clinics.accounts.models import NoticeKind
from clinics.accounts.notices import give_notice
from clinics.channels import CarrierRefused, CarrierUnavailable, send_sms
from clinics.models import Clinic, User
from clinics.sessions import end_sessions
from crypto.turns import wait_for_turn
from patients.choices import PhoneOwner
from patients.models import PortalAccess
from patients.queries import portal_accounts_by_phone
from portal.doors import DAY, Asker, door_of, hash_of_address, look_for_room
from portal.keyed import keyed
from portal.models import MOST_TRIES, SignInCode

logger = logging.getLogger(__name__)

GOOD_FOR = timedelta(minutes=5)
BETWEEN = timedelta(seconds=60)

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


def send_code(clinic: Clinic, phone: str, *, asker: Asker, at: datetime) -> SignInCode:
    """Send a code to a phone in E.164 form that an account belongs to; the browser that asks again within a minute waits for the same one.

    It belongs to the browser that asked: wrong tries of another end nothing of it. It opens an account by itself where the phone
    is that one person's own; where it is shared, a PIN decides as well.

    Raises TooManyCodes for every limit, which hold for known and unknown phones alike, and LogUnavailable.
    """
    phone_hash = keyed("phone", clinic.pk, phone)
    # Whoever asks for the same phone at the same moment waits, so that the limits count what the other asked for.
    wait_for_turn(f"code:{phone_hash}")
    forget_old_codes(clinic, at)
    recent = list(SignInCode.objects.sent_to(clinic.pk, phone_hash, since=at - DAY))
    own = next((code for code in recent if code.pk == asker.asked), None)
    if own and own.sent_at > at - BETWEEN and own.is_open(at):
        return own
    accounts = portal_accounts_by_phone(clinic, phone, at=at)
    door = door_of(asker, clinic, [access.user_id for access in accounts])
    look_for_room(door, recent, clinic, asker, at=at)
    row = SignInCode(
        clinic=clinic,
        phone_hash=phone_hash,
        address_hash=hash_of_address(clinic, asker),
        door_hash=door.hash,
        from_known=door.known,
        sent_at=at,
        expires_at=at + GOOD_FOR,
    )
    _send(row, phone, accounts)
    return row


def _send(row: SignInCode, phone: str, accounts: list[PortalAccess]) -> None:
    """Keep the code and send it after the commit, where somebody has the phone."""
    if len(accounts) == 1 and accounts[0].patient.phone_owner == PhoneOwner.SELF:
        row.user = accounts[0].user
    else:
        row.sharers = [access.user_id for access in accounts]
    code = f"{randbelow(1_000_000):06}"
    row.code_hash = keyed("code", row.pk, code)
    row.save(force_insert=True)
    record("account.code_sent", object=row)
    if accounts:
        text = _("Sign-in code %(code)s, good for 5 minutes. Nobody from the clinic will ask you for it.")
        transaction.on_commit(
            partial(_postman.submit, _post, row.clinic, phone, text % {"code": code}, f"code-{row.pk}")
        )


def tell_old_phone(clinic: Clinic, phone: str) -> None:
    """After the commit, a text to the phone that stood on a card until now, whether another took its place or none."""
    with override(settings.LANGUAGE_CODE):  # the patient's, not that of whoever wrote it down
        text = _(
            "The phone number on your card was changed. Sign-in codes do not come to this phone any more. If you did not ask for this, please call %(phone)s."
        )
        said = text % {"phone": clinic.phone}
    transaction.on_commit(partial(_postman.submit, _post, clinic, phone, said, f"phone-{uuid4()}"))


def _post(clinic: Clinic, phone: str, text: str, key: str) -> None:
    """Runs in the postman's thread: touches no database. A code that does not arrive is asked for again."""
    try:
        send_sms(clinic, phone, text, idempotency_key=key)
    except (CarrierRefused, CarrierUnavailable) as error:
        logger.warning("A text about signing in was not sent: %s", error)


def forget_old_codes(clinic: Clinic, at: datetime) -> None:
    """What was asked for a day ago counts for no limit any more."""
    SignInCode.objects.filter(clinic=clinic, sent_at__lt=at - DAY).delete()


def redeem_code(code_id: UUID, clinic: Clinic, typed: str, *, at: datetime) -> Redeemed:
    """Use a code once. Three wrong tries end it; an ended, used, expired or foreign one never says which it was."""
    row = SignInCode.objects.select_for_update().filter(pk=code_id, clinic=clinic).first()
    if row is None or not row.is_open(at):
        _tell_of_refusal(row)
        return Redeemed(Answer.ENDED)
    right = compare_digest(row.code_hash, keyed("code", row.pk, typed))
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
    """Every session of the account ends, wherever it is, and its owner reads of it later. Raises LogUnavailable; then none ends."""
    record("account.sessions_ended", object=user, reason="own")
    give_notice(user, NoticeKind.SIGNED_OUT)
    end_sessions(user.pk)


def _tell_of_refusal(row: SignInCode | None) -> None:
    """Somebody was not let in. A phone that belongs to nobody is told as one that was not there."""
    account = str(row.user_id) if row and row.user_id else "unknown"
    record("account.sign_in_failed", object=("clinics.user", account), result=REFUSED, reason="code")
