"""One-time codes by which a person at the desk confirms with their own phone what was ticked for them."""

import logging
from datetime import datetime, timedelta
from functools import partial
from secrets import randbelow

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from audit.removal import delete_rows
from audit.services import REFUSED, record
from clinics.accounts.attempts import Limit, too_often
from clinics.channels import CarrierRefused, CarrierUnavailable, send_sms
from clinics.models import Clinic
from consent.errors import CodeTooSoon, CodeWrong, NoPhone
from consent.models import ConfirmationCode
from patients.choices import PhoneOwner
from patients.models import Patient

logger = logging.getLogger(__name__)

GOOD_FOR = timedelta(minutes=10)
BETWEEN = timedelta(minutes=1)
KEPT_FOR = timedelta(days=1)
MOST_TRIES = 3
ONE_CODE = Limit("consent code", MOST_TRIES, int(GOOD_FOR.total_seconds()))


def send_code(patient: Patient, clinic: Clinic, at: datetime) -> ConfirmationCode:
    """Sends six digits to the person's own phone once this transaction commits. Raises NoPhone, CodeTooSoon."""
    phone = patient.identity.phone
    if not phone or patient.phone_owner != PhoneOwner.SELF:
        raise NoPhone(str(patient.pk))
    newest = _newest(patient)
    if newest is not None and newest.sent_at > at - BETWEEN:
        raise CodeTooSoon(str(patient.pk))
    digits = f"{randbelow(1_000_000):06}"
    code = ConfirmationCode(clinic=clinic, patient=patient, sent_at=at, expires_at=at + GOOD_FOR)
    code.code_mac = _mac(code, digits)
    code.save(force_insert=True)
    record("consent.code_sent", object=code, subjects=[patient.subject_id])
    body = _("Code %(code)s confirms at our desk what you agree to. Good for 10 minutes. – %(clinic)s") % {
        "code": digits,
        "clinic": clinic.short_name,
    }
    transaction.on_commit(partial(_post, clinic, phone, body, f"consent-code-{code.pk}"))
    return code


def forget_old_codes(clinic: Clinic, at: datetime) -> None:
    """Codes are over after minutes; a day later nobody asks why one did not fit."""
    over = ConfirmationCode.objects.filter(clinic=clinic, sent_at__lt=at - KEPT_FOR)
    delete_rows("consent.codes_forgotten", over, about=clinic.pk)


def redeem_code(patient: Patient, digits: str, at: datetime) -> ConfirmationCode:
    """Uses the newest code once, and answers it. Raises CodeWrong, and counts the try."""
    code = _newest(patient, lock=True)
    if code is None or code.used_at or code.expires_at <= at or code.tries >= MOST_TRIES:
        raise CodeWrong(str(patient.pk))
    # The limit stands outside the database: a request that is refused takes its own count in the row back.
    if too_often(ONE_CODE, str(code.pk)) or not constant_time_compare(
        bytes(code.code_mac), _mac(code, digits)
    ):
        code.tries += 1
        code.save(update_fields=["tries"])
        record("consent.code_wrong", object=code, subjects=[patient.subject_id], result=REFUSED)
        raise CodeWrong(str(patient.pk))
    code.used_at = at
    code.save(update_fields=["used_at"])
    record("consent.code_used", object=code, subjects=[patient.subject_id])
    return code


def _newest(patient: Patient, *, lock: bool = False) -> ConfirmationCode | None:
    codes = ConfirmationCode.objects.filter(patient=patient).order_by("-sent_at")
    return (codes.select_for_update() if lock else codes).first()


def _mac(code: ConfirmationCode, digits: str) -> bytes:
    return salted_hmac("zhizhi/consent/code", f"{code.pk}:{digits}", algorithm="sha256").digest()


def _post(clinic: Clinic, phone: str, body: str, key: str) -> None:
    """After the commit, so that no lock waits for a carrier. A text that does not arrive is asked for again."""
    try:
        send_sms(clinic, phone, body, idempotency_key=key)
    except (CarrierRefused, CarrierUnavailable) as error:
        logger.warning("A confirmation code was not sent: %s", type(error).__name__)
