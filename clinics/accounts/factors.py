"""Second factors: their seeds are sealed for one account, and without one an account reaches nothing but setting it up."""

from typing import Any, Final

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinics.accounts.keys import open_for, seal_for
from clinics.models import User, UserKind

# Asked for every page: what the ORM takes to write it is a tenth of a small one.
_HAS_NONE: Final = (
    "SELECT NOT EXISTS (SELECT FROM mfa_authenticator WHERE user_id = %s AND type IN ('totp', 'webauthn'))"
)
BY_PROVIDER = (
    "second_factor_by_provider"  # in the session: the account whose provider of single sign-on asked for it
)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """allauth stores seeds as text; here they are sealed for the account, so another account's row does not open."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": gettext_lazy("That did not fit. Try again with the newest code."),
        "cannot_delete_authenticator": gettext_lazy(
            "This is your only second factor. Set up another one first."
        ),
    }

    def encrypt(self, text: str) -> str:
        return seal_for(_account_at_hand().pk, "second-factor", text)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises KeysMissing."""
        return open_for(_account_at_hand().pk, "second-factor", encrypted_text)

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        """What the device calls the passkey: a patient's account has no name of its own, so it is the clinic's."""
        entity: dict[str, Any] = super().get_public_key_credential_user_entity(user)
        if user.kind == UserKind.PATIENT:
            entity["name"] = entity["display_name"] = context.request.clinic.short_name
        return entity

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        return not is_last_factor(authenticator)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return _("Passkey %(number)d") % {"number": count + 1}


def is_last_factor(authenticator: Authenticator) -> bool:
    """The last one stays where a second factor is required: an administrator removes it, and the log says so."""
    others = Authenticator.objects.filter(user_id=authenticator.user_id).exclude(
        type=Authenticator.Type.RECOVERY_CODES
    )
    return settings.MFA_REQUIRED and not others.exclude(pk=authenticator.pk).exists()


def needs_second_factor(request: HttpRequest, user: User) -> bool:
    """Whether the account must set one up before it may do anything else."""
    if not settings.MFA_REQUIRED or request.session.get(BY_PROVIDER) == str(user.pk):
        return False
    with connection.cursor() as cursor:
        cursor.execute(_HAS_NONE, [user.pk])
        return bool(cursor.fetchone()[0])


def _account_at_hand() -> User:
    """Who is signed in, or between password and second factor. allauth's hooks for sealing are not told for whom they work."""
    request = context.request
    if request.user.is_authenticated:
        user: User = request.user
        return user
    staged: User = request._login_stage.login.user
    return staged
