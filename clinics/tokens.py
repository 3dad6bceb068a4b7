"""Tokens of the API: made once, shown once, kept as a keyed digest, ended by hand, by time, and with their account."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Final
from uuid import UUID

from allauth.mfa.utils import is_mfa_enabled
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac

from audit.services import record
from clinics import queries
from clinics.errors import NoSuchPage, NotAllowed, SecondFactorNeeded, TokensFull
from clinics.models import ApiToken, ApiTokenUse, Clinic, Integration, User, UserKind
from clinics.scopes import ApiScope, text_of, words_of

PREFIX: Final = "zhizhi_"  # so that a program that looks for secrets in code knows one when it sees it
LONGEST_DAYS: Final = 365
MOST_TOKENS: Final = 20
USE_NOTED_EVERY: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token with the secret that is shown now and never again; None where the same form had made it before."""

    token: ApiToken
    secret: str | None


@transaction.atomic
def make_token(
    token_id: UUID,
    user: User,
    clinic: Clinic,
    *,
    label: str,
    scopes: Iterable[str],
    days: int,
    by: User,
    at: datetime,
) -> NewToken:
    """A token for oneself, or for an integration. `token_id` is the form's own: sent twice, it makes one token.

    Raises SecondFactorNeeded where `by` has none, NotAllowed for a scope that the account may not have, TokensFull.
    """
    if not is_mfa_enabled(by):
        raise SecondFactorNeeded
    wanted = frozenset(scopes)
    if not wanted or not wanted <= scopes_open_to(user, clinic) or not 1 <= days <= LONGEST_DAYS:
        raise NotAllowed
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # one maker at a time counts
    if made := ApiToken.objects.filter(pk=token_id, user=user).first():
        return NewToken(token=made, secret=None)
    if living_tokens(at).filter(user=user).count() >= MOST_TOKENS:
        raise TokensFull
    secret = PREFIX + token_urlsafe(32)
    token = ApiToken.objects.create(
        id=token_id,
        user=user,
        clinic=clinic,
        label=label,
        digest=_digest(secret),
        scopes=text_of(wanted),
        made_at=at,
        made_by=by,
        expires_at=at + timedelta(days=days),
    )
    record("token.made", object=token, fields={"scopes": (None, token.scopes)})
    return NewToken(token=token, secret=secret)


def scopes_open_to(user: User, clinic: Clinic) -> frozenset[str]:
    """What a token of this account may say at most in this clinic."""
    if user.kind == UserKind.INTEGRATION:
        integration = integration_at_work(user.pk)
        return (
            words_of(integration.scopes)
            if integration and integration.clinic_id == clinic.pk
            else frozenset()
        )
    may = queries.permissions_in(queries.roles_at_work(user), clinic.pk)
    return frozenset(scope.value for scope in ApiScope if scope.permission in may)


@transaction.atomic
def end_token(token_id: UUID, of: Q, *, at: datetime) -> ApiToken:
    """The token opens nothing from the next request on. `of` says whose tokens the actor may end; raises NoSuchPage."""
    token = ApiToken.objects.select_for_update(of=("self",)).filter(of, pk=token_id).first()
    if token is None:
        raise NoSuchPage
    if token.ended_at is None:
        token.ended_at = at
        token.save(update_fields=["ended_at"])
        record("token.ended", object=token)
    return token


@transaction.atomic
def end_tokens(user_id: UUID, *, at: datetime, clinic_id: UUID | None = None) -> int:
    """Every living token of an account, with the account; or those for one clinic, when somebody leaves it. How many there were."""
    living = ApiToken.objects.select_for_update(of=("self",)).filter(user_id=user_id, ended_at=None)
    tokens = list(living.filter(clinic_id=clinic_id) if clinic_id else living)
    for token in tokens:
        token.ended_at = at
        token.save(update_fields=["ended_at"])
        record("token.ended", object=token)
    return len(tokens)


def living_tokens(at: datetime) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(ended_at=None, expires_at__gt=at)


def token_of(secret: str, *, at: datetime) -> tuple[ApiToken | None, bool]:
    """The token behind a secret, with account and clinic, and whether it opens anything now. None where nobody made it."""
    if not secret.startswith(PREFIX):
        return None, False
    found = ApiToken.objects.select_related("user", "clinic", "use").filter(digest=_digest(secret)).first()
    if found is None:
        return None, False
    lives = found.ended_at is None and found.expires_at > at
    return found, lives and found.user.is_active and found.clinic.is_active


def note_use(token: ApiToken, *, at: datetime) -> None:
    """Remember that the token was used, once in ten minutes."""
    use: ApiTokenUse | None = getattr(token, "use", None)
    if use is None or use.last_used_at <= at - USE_NOTED_EVERY:
        ApiTokenUse.objects.update_or_create(token=token, defaults={"last_used_at": at})


def integration_at_work(user_id: UUID) -> Integration | None:
    return Integration.objects.filter(user_id=user_id, user__is_active=True, ended_at=None).first()


@transaction.atomic
def make_integration(
    clinic: Clinic,
    *,
    name: str,
    scopes: Iterable[str],
    purposes: Iterable[str],
    field_sets: Iterable[str],
    at: datetime,
) -> Integration:
    """A program that may work in this clinic. Put its account into a care team, or it sees no patient."""
    integration = Integration.objects.create(
        user=User.objects.create_integration_account(name),
        clinic=clinic,
        scopes=text_of(frozenset(scopes)),
        purposes=text_of(frozenset(purposes)),
        field_sets=text_of(frozenset(field_sets)),
        made_at=at,
    )
    record("account.made", object=integration.user)
    record(
        "integration.made",
        object=integration,
        fields={name: (None, getattr(integration, name)) for name in ("scopes", "purposes", "field_sets")},
    )
    return integration


@transaction.atomic
def end_integration(integration_id: UUID, clinic: Clinic, *, at: datetime) -> Integration:
    """The program works here no longer: its tokens end, and its account is closed. Raises NoSuchPage."""
    found = Integration.objects.select_for_update(of=("self",)).select_related("user")
    integration = found.filter(pk=integration_id, clinic=clinic).first()
    if integration is None:
        raise NoSuchPage
    end_tokens(integration.user_id, at=at)
    if integration.ended_at is None:
        integration.ended_at = at
        integration.save(update_fields=["ended_at"])
        record("integration.ended", object=integration)
        integration.user.is_active = False
        integration.user.save(update_fields=["is_active"])
        record("account.closed", object=integration.user)
    return integration


def _digest(secret: str) -> bytes:
    """Keyed, so that a table of digests from elsewhere fits nothing here. The secret is long and random: no slow hash is needed."""
    return salted_hmac("zhizhi/api/token", secret, algorithm="sha256").digest()
