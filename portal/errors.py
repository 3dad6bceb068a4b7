"""The ways the patient's pages say no."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class YoungPersonDecides(ClinicError):
    """From fourteen to seventeen a guardian sees what the young person allows (PIPL art. 31), and what the law tells a guardian."""

    status = HTTPStatus.FORBIDDEN
    message = _(
        "From 14 on young people decide themselves who sees their pages, and this page is not open to you."
    )


class AnotherPerson(ClinicError):
    """The form is about somebody else than the pages are now: turned to another in a second tab, or no longer to be seen."""

    status = HTTPStatus.CONFLICT
    message = _(
        "Nothing was changed. This form was not about the person whose pages are open now; the start page says whose they are."
    )


class PinTooEasy(ClinicError):
    """A PIN whose digits whoever shares the phone would try first."""

    status = HTTPStatus.BAD_REQUEST
    message = _(
        "Whoever shares the phone would guess that. No rows, no repeats, nothing from your birth date or the phone number."
    )


class TooManyCodes(ClinicError):
    """More codes were asked for one phone at one door, by strangers together, or from one network address, than a person needs."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _(
        "Too many codes were asked for. Please wait an hour, use a phone you have signed in on before, or call the clinic."
    )
