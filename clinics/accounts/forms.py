"""Forms about one's own account."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinics.accounts.attempts import attempt_on
from clinics.accounts.passwords import LONGEST
from clinics.accounts.telling import tell_of_refusal
from clinics.models import User


class _Counted(forms.Form):
    """Six digits can be guessed: tries of the second factor are counted like those of the password."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        attempt = attempt_on(self.user.username, "second_factor", context.request)
        if not attempt.allowed:
            raise get_adapter().validation_error("too_many_login_attempts")
        try:
            code: str = super().clean_code()  # type: ignore[misc]  # allauth's, which stands behind this class
            self._serves_once(code)
        except forms.ValidationError:
            tell_of_refusal(self.user.username, "second_factor")
            raise
        attempt.give_back()
        return code

    def _serves_once(self, code: str) -> None:
        """allauth forgets a used code after one period, while it is taken for as many as the tolerance says.

        Raises ValidationError where it was used before.
        """
        taken_for = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        if self.authenticator.type == Authenticator.Type.TOTP and not cache.add(
            f"second-factor-used:{self.user.pk}:{code}", True, timeout=taken_for
        ):
            raise get_factor_adapter().validation_error("incorrect_code")


class SecondFactorForm(_Counted, AuthenticateForm):  # type: ignore[misc]  # allauth is untyped
    pass


class SecondFactorAgainForm(_Counted, ReauthenticateForm):  # type: ignore[misc]  # allauth is untyped
    pass


class UnlockForm(forms.Form):
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class NoticeMailForm(forms.Form):
    """Empty takes the address away."""

    email = forms.EmailField(
        label=_("E-mail address for notices"),
        required=False,
        max_length=254,
        help_text=_("Told of new devices and of changes to your account, and used for nothing else."),
    )


class NewPasswordForm(forms.Form):
    """A new password behind an administrator's link."""

    password1 = forms.CharField(
        label=_("New password"),
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        label=_("New password, again"),
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password1(self) -> str:
        password: str = self.cleaned_data["password1"]
        validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if "password1" in found and found["password1"] != found.get("password2"):
            self.add_error("password2", gettext("The two are not the same."))
        return found
