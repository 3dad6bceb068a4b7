"""Signing in and out, and failing to, are events of the log. Django's signals are the only place that hears of all ways."""

from typing import Any

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
