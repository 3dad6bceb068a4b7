"""This app's ways of saying no. Exceptions carry codes and ids, never names or values."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class FollowUpNotFound(ClinicError):
    """There is no such to-do for this person: missing, or of a patient they may not see."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is no such to-do here.")


class AlreadyClosed(ClinicError):
    """Somebody else was quicker, or the permission it rests on was withdrawn."""

    status = HTTPStatus.CONFLICT
    message = _("This to-do is already closed. Reload the page to see how.")


class AlreadyTaken(ClinicError):
    """A colleague took it from the pool first."""

    status = HTTPStatus.CONFLICT
    message = _("A colleague has taken this to-do.")
