"""Signing in and out, failing to, and changing what opens an account are events of the log.

Signals are the only place that hears of all ways.
"""

from typing import Any

from allauth.account.signals import password_changed
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from audit.acting import acting
from audit.actors import Actor, ActorKind
from audit.services import record
from clinics.models import User, UserKind


def connect() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="clinics.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="clinics.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="clinics.sign_in_failed")
    password_changed.connect(_password_changed, dispatch_uid="clinics.password_changed")
    authenticator_added.connect(_second_factor_added, dispatch_uid="clinics.second_factor_added")
    authenticator_removed.connect(_second_factor_removed, dispatch_uid="clinics.second_factor_removed")
    authenticator_reset.connect(_second_factor_reset, dispatch_uid="clinics.second_factor_reset")


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _record("account.signed_in", request, user)


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        _record("account.signed_out", request, user)


def _failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """What was typed is not kept: a mistyped user name may be a password. A known account is named by its id."""
    username = str(credentials.get("username", ""))
    known = User.objects.filter(username=username).values_list("pk", flat=True).first()
    record("account.sign_in_failed", object=("clinics.user", str(known or "unknown")), result="refused")


def _password_changed(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _record("account.password_changed", request, user)


def _second_factor_added(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _record("account.second_factor_added", request, user)


def _second_factor_removed(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _record("account.second_factor_removed", request, user)


def _second_factor_reset(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _record("account.recovery_codes_made", request, user)


def _record(action: str, request: HttpRequest, user: User) -> None:
    """The event belongs to the account that signs in or out, not to the anonymous visitor the request began as."""
    clinic = getattr(request, "clinic", None)
    clinic_id = clinic.pk if clinic else None
    kind: ActorKind = "patient" if user.kind == UserKind.PATIENT else "staff"
    actor = Actor(
        ref=f"user:{user.pk}", kind=kind, clinic_id=clinic_id, field_sets=frozenset(), user_id=user.pk
    )
    with acting(actor, *([clinic_id] if clinic_id else [])):
        record(action, object=user)
