"""How the house says no. Messages carry ids, never names or values, because they reach the logs."""

from http import HTTPStatus
from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class ClinicError(Exception):
    """The base of every error of the domain. The edge renders `message` with `status`."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    message: ClassVar[str | Promise] = _("This cannot be done.")


class NoAccessScope(ClinicError):
    """Sealed data was read outside an access scope, so nobody would know who looked and why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = _("This page tried to read protected data without saying why. Nothing was shown.")


class FieldNotAllowed(ClinicError):
    """The role of the reader does not include this kind of data."""

    status = HTTPStatus.FORBIDDEN
    message = _("Your role does not include this information.")


class SealBroken(ClinicError):
    """A sealed value does not open: it was changed, or moved from another row, field, subject or clinic."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = _("A protected value is damaged and cannot be read. Please tell your administrator.")


class NoSuchKey(SealBroken):
    """The header of a value names a data key that is not among those of the clinics in hand: it was changed or moved."""


class KeyDestroyed(SealBroken):
    """The key of this value was destroyed on purpose: the person was erased."""

    status = HTTPStatus.GONE
    message = _("This record has been erased and can no longer be read.")


class KeyRestricted(ClinicError):
    """The key of this value lies under a legal hold: the record is stored because a law says so, and stays closed."""

    status = HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS
    message = _("This record is only stored, because the law requires it, and is closed to everybody here.")


class KeysMissing(ClinicError):
    """A key that should be there is not: the key folder is absent, unreadable, or belongs to another installation."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The keys of this installation are not available. Please tell your administrator.")


class KeysInUse(ClinicError):
    """Keys were changed or destroyed, and a process that may still hold the old ones did not let go in time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The change of keys is not finished everywhere yet. Please try again in a minute.")


class FilesUnavailable(ClinicError):
    """The folder of sealed files cannot be read or written: it is full, absent, or another account's."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The folder of files cannot be used at the moment. Please tell your administrator.")


class LedgerRefused(ClinicError):
    """The erasure ledger is broken, shorter than it was, or not the one this database belongs to. Nothing is erased or served."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _(
        "The ledger of erasures is damaged or missing, so nothing was done. Please tell your administrator."
    )


class HoldMissing(ClinicError):
    """A record must be kept under a legal hold, and this installation has no key pair for it yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _(
        "The law requires this record to be kept, and there is no key for records under a legal hold yet. Nothing was done."
    )
