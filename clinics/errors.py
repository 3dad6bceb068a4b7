"""The ways clinics say no."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class NotAllowed(ClinicError):
    """The role does not include this page."""

    status = HTTPStatus.FORBIDDEN
    message = _("Your role does not include this. Ask the clinic's administrator if you need it.")


class NoSuchPage(ClinicError):
    """The address exists for others; for this account it looks like one that does not."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is nothing here.")


class NoClinic(ClinicError):
    """A staff account without a role in any open clinic."""

    status = HTTPStatus.FORBIDDEN
    message = _("Your account has no role in a clinic yet. Ask the administrator to give you one.")


class LastFactor(ClinicError):
    """Without it the password alone would open the account."""

    status = HTTPStatus.CONFLICT
    message = _("This is your only second factor. Set up another one first.")


class AccountBeyondReach(ClinicError):
    """An administrator of one clinic may not take over an account that can do more elsewhere."""

    status = HTTPStatus.FORBIDDEN
    message = _(
        "This account also works where you are not the administrator, or is your own. Ask somebody who administers all of it."
    )


class NotOfThisClinic(ClinicError):
    """No such member of staff or care team in this clinic: nobody, or somebody of another one."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is nothing here.")


class OwnWork(ClinicError):
    """Nobody ends their own work: the clinic would be without whoever could give it back."""

    status = HTTPStatus.CONFLICT
    message = _("You cannot end your own work here. Another manager or the administrator does it.")


class TeamNameTaken(ClinicError):
    """A care team of this name is at work already."""

    status = HTTPStatus.CONFLICT
    message = _("There is a team of this name already.")
