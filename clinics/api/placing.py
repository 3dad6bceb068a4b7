"""Who acts in a request of the API, and where: a browser's session, or a token, which stands for one account in one clinic."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.utils import timezone

from clinics import queries
from clinics.accounts import idle
from clinics.accounts.factors import needs_second_factor
from clinics.api.throttles import MOST_REFUSED_A_MINUTE, count
from clinics.errors import (
    NoClinic,
    NoSuchPage,
    NotAllowed,
    NotSignedIn,
    OutsideToken,
    SecondFactorNeeded,
    SessionLocked,
    TokenRefused,
    TooManyRequests,
)
from clinics.guards import PageGuard
from clinics.models import ApiToken, User, UserKind
from clinics.scopes import ApiScope, words_of
from clinics.tokens import integration_at_work, token_of


def place(request: Any, view_name: str, guard: PageGuard, place_staff: Callable[[Any, User], None]) -> None:
    """Sets user, clinic, actor, permissions and token on the request. Raises the refusal.

    A request that brings a token is never also a browser's: a wrong token is refused, whoever is signed in.
    """
    request.api_token = None
    if "Authorization" in request.headers:
        _by_token(request, guard)
    else:
        _by_session(request, view_name, place_staff)
    if guard.permission and guard.permission not in request.permissions:
        raise NotAllowed


def _by_session(request: Any, view_name: str, place_staff: Callable[[Any, User], None]) -> None:
    if request.user.is_authenticated and idle.watch(request, view_name) is not None:
        raise SessionLocked
    user = request.user
    if not user.is_authenticated:
        raise NotSignedIn
    if user.kind != UserKind.STAFF:
        request.actor = queries.account_actor(user, None)
        raise NoSuchPage
    place_staff(request, user)
    if needs_second_factor(request, user):
        raise SecondFactorNeeded
    if request.clinic is None:
        raise NoClinic


def _by_token(request: Any, guard: PageGuard) -> None:
    scheme, _space, secret = request.headers["Authorization"].partition(" ")
    token, lives = (
        token_of(secret.strip(), at=timezone.now()) if scheme.lower() == "bearer" else (None, False)
    )
    if token is not None:  # the refusal stands in the log of the clinic, under the account whose token it was
        request.clinic, request.user = token.clinic, token.user
        request.actor = queries.account_actor(token.user, token.clinic_id)
    if token is None or not lives or not _place_account(request, token, guard):
        if count("refused", request.META.get("REMOTE_ADDR", "")) > MOST_REFUSED_A_MINUTE:
            raise TooManyRequests
        raise TokenRefused
    if guard.scope and guard.scope not in token.scope_set:
        raise OutsideToken
    request.api_token = token


def _place_account(request: Any, token: ApiToken, guard: PageGuard) -> bool:
    """What the account may in the token's clinic now. False where it works there no longer."""
    if token.user.kind == UserKind.INTEGRATION:
        return _place_integration(request, token, guard)
    if token.user.kind != UserKind.STAFF:
        return False
    if settings.MFA_REQUIRED and not is_mfa_enabled(token.user):
        raise SecondFactorNeeded
    request.roles = [r for r in queries.roles_at_work(token.user) if r.clinic_id == token.clinic_id]
    request.actor = queries.staff_actor(token.user, token.clinic_id, request.roles)
    request.permissions = queries.permissions_in(request.roles, token.clinic_id)
    return bool(request.roles)


def _place_integration(request: Any, token: ApiToken, guard: PageGuard) -> bool:
    integration = integration_at_work(token.user_id)
    if integration is None or integration.clinic_id != token.clinic_id:
        return False
    may = words_of(integration.scopes)
    request.actor = queries.integration_actor(integration)
    request.permissions = frozenset(scope.permission for scope in ApiScope if scope.value in may)
    if guard.scope and guard.scope not in may:
        raise OutsideToken
    if guard.purpose and guard.purpose.value not in words_of(integration.purposes):
        raise OutsideToken
    return True
