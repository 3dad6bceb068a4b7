"""What every page knows: the clinic on the screen, what the person may do here, and whether this is the demo."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def workplace(request: HttpRequest) -> dict[str, Any]:
    clinic, roles = getattr(request, "clinic", None), getattr(request, "roles", [])
    return {
        "clinic": clinic,
        "clinics": list({role.clinic_id: role.clinic for role in roles}.values()),
        "may": {permission.value: True for permission in getattr(request, "permissions", ())},
        "role_names": [role.get_role_display() for role in roles if clinic and role.clinic_id == clinic.pk],
        "demo": settings.DEMO,
        "single_sign_on": settings.SINGLE_SIGN_ON,
        "second_factor_required": settings.MFA_REQUIRED,
        "second_factor_optional": settings.DEMO and not settings.MFA_REQUIRED,
        "mailbox_url": settings.MAILBOX_URL,
    }
