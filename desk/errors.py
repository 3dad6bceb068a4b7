"""The ways the staff's pages say no."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class NotRevealed(ClinicError):
    """A value was asked for in clear without one of the listed reasons, or is not a value that can be revealed."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("Choose a reason first: it is written to the log together with what you saw.")
