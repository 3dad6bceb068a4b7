"""Transports to the outside: mail and text messages. What is said, and whether it may be said, is decided above."""

import smtplib
from functools import cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from clinics.models import Clinic, User

PERMANENT = 500


class CarrierUnavailable(Exception):
    """Nobody answered in time: whether the message left is unknown. The idempotency key makes a second try harmless."""


class CarrierRefused(Exception):
    """The carrier said no: a second try with the same words would be refused as well."""


class Carrier(Protocol):
    """Takes one text for one phone. Answers within 2 s, and delivers a key once however often it is sent."""

    def send(self, *, clinic: Clinic, phone: str, body: str, idempotency_key: str) -> None:
        """Raises CarrierUnavailable or CarrierRefused. `phone` is E.164."""


class NoCarrier:
    """An installation without a contract for text messages."""

    def send(self, *, clinic: Clinic, phone: str, body: str, idempotency_key: str) -> None:
        raise CarrierRefused("no carrier is configured: set SMS_CARRIER")


class MailboxCarrier:
    """The demo's carrier: a text to a phone arrives as a mail in the local mailbox."""

    def send(self, *, clinic: Clinic, phone: str, body: str, idempotency_key: str) -> None:
        address = f"{phone.lstrip('+')}@sms.mailbox.invalid"
        send_mail_text(clinic, address, clinic.short_name, body, idempotency_key=idempotency_key)


class Telephony(Protocol):
    """Rings a member of staff, then the patient, and puts them through. Answers within 2 s; a key rings once."""

    def connect(
        self, *, clinic: Clinic, caller: User, patient_id: UUID, phone: str, idempotency_key: str
    ) -> None:
        """Raises CarrierUnavailable or CarrierRefused. `phone` is E.164; the caller is never told it."""


class NoTelephony:
    """An installation whose telephones are not connected."""

    def connect(
        self, *, clinic: Clinic, caller: User, patient_id: UUID, phone: str, idempotency_key: str
    ) -> None:
        raise CarrierRefused("no telephone system is configured: set TELEPHONY")


class MailboxTelephony:
    """The demo's telephone system: a call that is put through arrives as a mail in the local mailbox.

    The number is where it goes, and stands nowhere else.
    """

    def connect(
        self, *, clinic: Clinic, caller: User, patient_id: UUID, phone: str, idempotency_key: str
    ) -> None:
        address = f"{phone.lstrip('+')}@calls.mailbox.invalid"
        send_mail_text(
            clinic, address, clinic.short_name, caller.get_full_name(), idempotency_key=idempotency_key
        )


def connect_call(clinic: Clinic, *, caller: User, patient_id: UUID, phone: str, idempotency_key: str) -> None:
    """Have a call put through. Raises CarrierUnavailable or CarrierRefused."""
    telephony: Telephony = import_string(settings.TELEPHONY)()
    telephony.connect(
        clinic=clinic, caller=caller, patient_id=patient_id, phone=phone, idempotency_key=idempotency_key
    )


def send_sms(clinic: Clinic, phone: str, body: str, *, idempotency_key: str) -> None:
    """One text message. Raises CarrierUnavailable or CarrierRefused."""
    _carrier().send(clinic=clinic, phone=phone, body=body, idempotency_key=idempotency_key)


def send_mail_text(
    clinic: Clinic, to: str, subject: str, body: str, *, idempotency_key: str, stop: str = ""
) -> None:
    """One plain-text mail by SMTP, within `EMAIL_TIMEOUT` seconds. Raises CarrierUnavailable or CarrierRefused.

    `stop` is the address that ends such mails with one click of the mail program (RFC 8058).
    """
    one_click = {"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    message = EmailMessage(
        subject=subject,
        body=body,
        to=[to],
        headers={
            "Message-ID": f"<{idempotency_key}@{settings.AUDIT_LOG_ORIGIN}>",
            "X-Idempotency-Key": idempotency_key,
            **(one_click if stop else {}),
        },
    )
    try:
        message.send(fail_silently=False)
    except (OSError, smtplib.SMTPException) as error:
        # Only the kind of the error: its text may hold the address.
        raise (CarrierRefused if _is_final(error) else CarrierUnavailable)(type(error).__name__) from None


def _is_final(error: Exception) -> bool:
    """Whether the server said no for good (5xx); anything else is worth another try."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= PERMANENT for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= PERMANENT


@cache
def _carrier() -> Carrier:
    carrier: Carrier = import_string(settings.SMS_CARRIER)()
    return carrier
