"""What every page knows: the clinic on the screen, what the person may do here, and whether this is the demo."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def workplace(request: HttpRequest) -> dict[str, Any]:
    return {
        "clinic": getattr(request, "clinic", None),
        "may": {permission.value: True for permission in getattr(request, "permissions", ())},
        "demo": settings.DEMO,
        "single_sign_on": settings.SINGLE_SIGN_ON,
        "second_factor_required": settings.MFA_REQUIRED,
        "second_factor_optional": settings.DEMO and not settings.MFA_REQUIRED,
        "mailbox_url": settings.MAILBOX_URL,
    }
