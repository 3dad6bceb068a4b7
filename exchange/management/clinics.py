"""Which clinics a command is about."""

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from clinics.models import Clinic


def clinics_named(code: str | None) -> list[Clinic]:
    """The clinic with this code, or all of them, closed ones too. Raises CommandError."""
    clinics = list(Clinic.objects.filter(code=code) if code else Clinic.objects.order_by("code"))
    if code and not clinics:
        raise CommandError(_("There is no clinic with the code “%(code)s”.") % {"code": code})
    return clinics
