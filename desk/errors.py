"""The ways the staff's pages say no."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class NotRevealed(ClinicError):
    """A value was asked for in clear without one of the listed reasons, or is not a value that can be revealed."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("Choose a reason first: it is written to the log together with what you saw.")


class NotAQuestion(ClinicError):
    """An export was asked for by an address that asks nothing the log can answer."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _(
        "This question cannot be answered. Ask it on the page of the log first, then export the answer."
    )


class TooManyEntries(ClinicError):
    """More entries answer than a file of the explorer holds."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("More than 100,000 entries answer. Narrow the question, or ask for an evidence pack.")
