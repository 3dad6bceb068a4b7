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


class KeyDestroyed(SealBroken):
    """The key of this value was destroyed on purpose: the person was erased."""

    status = HTTPStatus.GONE
    message = _("This record has been erased and can no longer be read.")


class KeysMissing(ClinicError):
    """A key that should be there is not: the key folder is absent, unreadable, or belongs to another installation."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The keys of this installation are not available. Please tell your administrator.")


class KeysInUse(ClinicError):
    """Keys were changed or destroyed, and a process that may still hold the old ones did not let go in time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The change of keys is not finished everywhere yet. Please try again in a minute.")
