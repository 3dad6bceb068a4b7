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


class PageOfOtherClinic(ClinicError):
    """What was sent comes from a page made for another clinic than the one its person works in now."""

    status = HTTPStatus.CONFLICT
    message = _(
        "This page was opened in another clinic than the one you work in now. Nothing was saved. Reload the page."
    )


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


class NotSignedIn(ClinicError):
    """The API was asked by nobody: no session, and no token."""

    status = HTTPStatus.UNAUTHORIZED
    message = _("Sign in, or send a token: Authorization: Bearer …")


class TokenRefused(ClinicError):
    """The token is unknown, expired or ended, or whoever it stands for may not act here any more. Nobody is told which."""

    status = HTTPStatus.UNAUTHORIZED
    message = _("This token is not valid, or not valid any more.")


class OutsideToken(ClinicError):
    """The token was not made for this: its scopes, or the purposes of its integration, leave it out."""

    status = HTTPStatus.FORBIDDEN
    message = _("This token was not made for this. Ask whoever made it for another one.")


class SecondFactorNeeded(ClinicError):
    """Staff without a second factor reach nothing but setting one up."""

    status = HTTPStatus.FORBIDDEN
    message = _("Set up a second factor first, on the page of your account.")


class SessionLocked(ClinicError):
    """The browser's session is locked: its person unlocks it on a page."""

    status = HTTPStatus.LOCKED
    message = _("The session is locked. Unlock it on a page first.")


class TokensFull(ClinicError):
    """An account has as many living tokens as anybody can keep in mind."""

    status = HTTPStatus.CONFLICT
    message = _("This account has twenty tokens. End one of them first.")


class TooManyRequests(ClinicError):
    """Too many requests came from one account or one address within a minute."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Too many requests in one minute. Please wait a minute and try again.")
