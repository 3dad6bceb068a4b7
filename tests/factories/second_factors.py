"""Second factors, and what somebody's authenticator app shows."""

import time
from typing import Final

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from clinics.accounts.keys import seal_for
from clinics.models import User

SEED: Final = "JBSWY3DPEHPK3PXP"


def give_factor(user: User) -> Authenticator:
    seed = seal_for(user.pk, "second-factor", SEED)
    return Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": seed})


def code_of(seed: str = SEED, *, periods_ahead: int = 0) -> str:
    """Of a clock that goes right, or is so many periods of half a minute fast."""
    period = int(time.time()) // app_settings.TOTP_PERIOD + periods_ahead
    return str(format_hotp_value(hotp_value(seed, period)))
