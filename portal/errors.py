"""The ways the patient's pages say no."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class TooManyCodes(ClinicError):
    """More codes were asked for one phone, or from one network address, than a person needs in an hour."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Too many codes were asked for. Please wait an hour, or call the clinic.")
