"""Signing in and out, failing to, and changing what opens an account are events of the log, and its owner hears of them.

Signals are the only place that hears of all of allauth's ways.
"""

from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import authentication_step_completed, password_changed
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_removed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone

from clinics.accounts import idle
from clinics.accounts.devices import device_of, network_of, remember_device
from clinics.accounts.models import AccountSession, NoticeKind, SignInMethod
from clinics.accounts.notices import UNSEEN, give_notice, unseen
from clinics.accounts.telling import tell, tell_of_refusal
from clinics.models import User, UserKind
from clinics.sessions import end_sessions, kept_key

_METHODS = {"mfa": SignInMethod.PASSKEY, "socialaccount": SignInMethod.SINGLE_SIGN_ON}


def connect() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="clinics.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="clinics.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="clinics.sign_in_failed")
    authentication_step_completed.connect(_step_completed, dispatch_uid="clinics.step_completed")
    password_changed.connect(_password_changed, dispatch_uid="clinics.password_changed")
    # allauth's own signal comes after the commit, when a crash would leave a factor nobody was told of.
    post_save.connect(_second_factor_saved, sender=Authenticator, dispatch_uid="clinics.second_factor_added")
    authenticator_removed.connect(_second_factor_removed, dispatch_uid="clinics.second_factor_removed")


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    now = timezone.now()
    session = AccountSession.objects.create(
        user=user,
        session_key=kept_key(str(request.session.session_key)),
        device=device_of(request),
        network=network_of(request),
        method=_method(request, user),
        started_at=now,
        seen_at=now,
    )
    idle.begin(request.session, session.pk)
    tell("account.signed_in", request, user, reason=session.method)
    if remember_device(request, user):
        tell("account.device_new", request, user)
        give_notice(user, NoticeKind.NEW_DEVICE, device=session.device)
    request.session[UNSEEN] = unseen(user.pk)


def _method(request: HttpRequest, user: User) -> SignInMethod:
    if user.kind == UserKind.PATIENT:
        method: SignInMethod = getattr(request, "sign_in_method", SignInMethod.CODE)  # the portal's own pages
        return method
    steps = get_authentication_records(request, user)
    first = steps[0]["method"] if steps else "password"
    return _METHODS.get(first, SignInMethod.PASSWORD)


def _step_completed(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """allauth notes the name that was typed with each step; a session holds ids alone."""
    for step in request.session.get("account_authentication_methods", []):
        for name in ("username", "email", "phone", "uid"):
            step.pop(name, None)
    request.session.modified = True


def _signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        tell("account.signed_out", request, user)


def _failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    tell_of_refusal(str(credentials.get("username", "")), "password")


def _password_changed(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _changed("account.password_changed", NoticeKind.PASSWORD_CHANGED, request, user)


def _second_factor_saved(sender: Any, instance: Authenticator, created: bool, **kwargs: Any) -> None:
    if created and context.request is not None:
        codes = instance.type == Authenticator.Type.RECOVERY_CODES
        action = "account.recovery_codes_made" if codes else "account.second_factor_added"
        kind = NoticeKind.CODES_MADE if codes else NoticeKind.FACTOR_ADDED
        _changed(action, kind, context.request, instance.user)


def _second_factor_removed(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    _changed("account.second_factor_removed", NoticeKind.FACTOR_REMOVED, request, user)


def _changed(action: str, kind: NoticeKind, request: HttpRequest, user: User) -> None:
    """What opens the account has changed: whoever is signed in elsewhere came in by the old way, and goes."""
    tell(action, request, user)
    give_notice(user, kind, device=device_of(request))
    request.session[UNSEEN] = unseen(user.pk)
    if end_sessions(user.pk, but=request.session.session_key):
        tell("account.sessions_ended", request, user)
