"""Single sign-on by OpenID Connect, through allauth: it opens accounts that exist, and never makes one.

The first time, the account is found by one claim that the provider's administrator controls (`OIDC_CLAIM`); from then on by the
provider's own id of the person, kept as a keyed mark. Nothing else the provider tells is kept. The second factor is asked for as
always, unless the provider says that it asked for one and the installation trusts it to (`OIDC_SECOND_FACTOR`).
"""

import logging
from typing import Any
from urllib.parse import urlsplit

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, _build_apps_from_settings
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import ProviderException
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.conf import settings
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy
from requests import Session
from requests.exceptions import InvalidURL

from clinics.accounts.factors import BY_PROVIDER
from clinics.accounts.keys import keyed_mark
from clinics.accounts.telling import tell, tell_of_refusal
from clinics.models import User, UserKind

logger = logging.getLogger(__name__)
NO_ACCOUNT = gettext_lazy(
    "That worked there, but no account here belongs to it. Ask the administrator of your clinic."
)


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth is untyped
    """allauth's, keeping a mark of the person's id and nothing else of what the provider tells."""

    package = "allauth.socialaccount.providers.openid_connect"  # where its addresses stand

    def extract_uid(self, data: dict[str, Any]) -> str:
        claims = _claims(data)
        return keyed_mark("single-sign-on", f"{claims['iss']}\x00{claims['sub']}")

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        return []

    def sociallogin_from_response(self, request: HttpRequest, response: dict[str, Any]) -> SocialLogin:
        """The claims stay in this request alone: the session that waits for the second factor holds ids."""
        login = super().sociallogin_from_response(request, response)
        login.claims = _claims(response)
        return login


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The environment names the provider; the package's table of them, with secrets in clear, is never read."""
        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Nothing of the provider's words goes into an account."""
        user: User = sociallogin.user
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Who came back from the provider is somebody of ours, or nobody. Linking from within an account is not offered."""
        user = sociallogin.user if sociallogin.is_existing else _account_by_claim(sociallogin.claims)
        if (
            user is None
            or user.kind != UserKind.STAFF
            or sociallogin.state.get("process") not in (None, "login")
        ):
            tell_of_refusal("", "single_sign_on")
            messages.error(request, NO_ACCOUNT)
            raise ImmediateHttpResponse(redirect("account_login"))
        if not sociallogin.is_existing:
            _link(request, sociallogin, user)
        request.session.pop(BY_PROVIDER, None)
        if settings.SINGLE_SIGN_ON["second_factor"] and "mfa" in sociallogin.claims.get("amr", []):
            request.session[BY_PROVIDER] = str(user.pk)

    def on_authentication_error(self, request: HttpRequest, provider: Any, **told: Any) -> None:
        """The page says that it did not work; what the provider said is for the log of the process, as a kind."""
        logger.warning("Single sign-on failed: %s", told.get("exception") or told.get("error"))
        tell_of_refusal("", "single_sign_on")

    def serialize_instance(self, instance: Model) -> dict[str, Any]:
        """Between two steps of signing in the session holds ids: the package would put the whole account there."""
        if isinstance(instance, User):
            return {"id": str(instance.pk)}
        serialized: dict[str, Any] = super().serialize_instance(instance)
        return serialized

    def deserialize_instance(self, model: type[Model], data: dict[str, Any]) -> Model | None:
        if model is User:
            return User.objects.filter(pk=data["id"]).first()
        instance: Model = super().deserialize_instance(model, data)
        return instance

    def get_requests_session(self) -> Session:
        """For talking with the provider: over TLS, with its own authority where one is named, following nobody elsewhere."""
        session: Session = super().get_requests_session()
        if settings.SINGLE_SIGN_ON["ca_file"]:
            session.verify = settings.SINGLE_SIGN_ON["ca_file"]
        session.trust_env = False
        session.max_redirects = 0
        session.hooks["response"].append(_only_tls)
        return session


def _claims(data: dict[str, Any]) -> dict[str, Any]:
    """What the provider vouches for, checked by the package. Raises ProviderException where it vouches for nobody."""
    claims = data.get("id_token")
    if not isinstance(claims, dict) or not claims.get("iss") or not claims.get("sub"):
        raise ProviderException("the provider of single sign-on sent no ID token")
    return claims


def _only_tls(response: Any, **told: Any) -> None:
    if urlsplit(response.url).scheme != "https" and not settings.SINGLE_SIGN_ON["plain_http"]:
        raise InvalidURL("the provider of single sign-on must speak TLS")


def _account_by_claim(claims: dict[str, Any]) -> User | None:
    """The active account of staff whose user name the claim holds, unless it is linked to somebody else there already."""
    claim = settings.SINGLE_SIGN_ON["claim"]
    name = str(claims.get(claim) or "")
    if not name or (claim == "email" and claims.get("email_verified") is not True):
        return None
    user = User.objects.filter(username=name, kind=UserKind.STAFF, is_active=True).first()
    return None if user is None or SocialAccount.objects.filter(user=user).exists() else user


def _link(request: HttpRequest, sociallogin: SocialLogin, user: User) -> None:
    sociallogin.user = sociallogin.account.user = user
    sociallogin.account.save()
    tell("account.single_sign_on_linked", request, user)
