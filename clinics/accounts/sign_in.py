"""Sign-in of staff through allauth: no sign-up, no patients, no way past the second factor."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.stages import AuthenticateStage
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy

from clinics.accounts.attempts import attempt_on
from clinics.accounts.factors import BY_PROVIDER
from clinics.accounts.telling import tell_of_refusal
from clinics.models import User, UserKind

# What one page says to everybody it does not let in: a wrong name, a wrong password, a patient, a name nobody has.
NO_MATCH = gettext_lazy("User name and password do not match.")
TOO_OFTEN = gettext_lazy(
    "Too many tries from here. Wait five minutes, or sign in with a passkey or on a device you have used before."
)


class StaffAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Passwords are for staff. Accounts are made by an administrator, never by signing up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": NO_MATCH,
        "too_many_login_attempts": TOO_OFTEN,
        "incorrect_password": gettext_lazy("That is not your password."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Every path of a password comes here: signing in, being asked again, unlocking."""
        username = str(credentials.get("username", ""))
        attempt = attempt_on(username, "password", request)
        if not attempt.allowed:
            if attempt.first_refused:
                tell_of_refusal(username, "too_often")
            raise self.validation_error("too_many_login_attempts")
        user: User | None = super().authenticate(request, **credentials)
        if user is None or user.kind != UserKind.STAFF:
            return None
        attempt.give_back()
        return user

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """allauth's own counting is off: `attempts` counts."""

    def pre_login(self, request: HttpRequest, user: User, **told: Any) -> HttpResponse | None:
        """Password, passkey and single sign-on all pass here before anybody is signed in."""
        if user.kind != UserKind.STAFF:
            tell_of_refusal(user.username, "not_staff")
            messages.error(request, NO_MATCH)
            return redirect("account_login")
        response: HttpResponse | None = super().pre_login(request, user, **told)
        return response

    def get_login_stages(self) -> list[str]:
        """The second factor alone: there is no code by mail or phone for staff, and no address to confirm."""
        return ["clinics.accounts.sign_in.SecondFactorStage"]

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """What an owner should hear of is an AccountNotice, sent to the sealed address: `clinics.accounts.notices`."""


class SecondFactorStage(AuthenticateStage):  # type: ignore[misc]  # allauth is untyped
    """allauth's, left out only where the provider of single sign-on asked for a second factor and is trusted to."""

    def _should_handle(self, request: HttpRequest) -> bool:
        asked_by_provider = request.session.get(BY_PROVIDER) == str(self.login.user.pk)
        return not asked_by_provider and bool(super()._should_handle(request))
