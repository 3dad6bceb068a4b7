"""Pages of one's own account: notices, sessions, the lock, the language, and the link to a new password."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn.forms import ReauthenticateWebAuthnForm
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinics.accounts import idle
from clinics.accounts.attempts import STRENGTH_ASKED, too_often
from clinics.accounts.forms import NewPasswordForm, NoticeMailForm, UnlockForm
from clinics.accounts.idle import locked_page
from clinics.accounts.models import AccountNotice
from clinics.accounts.notices import UNSEEN, email_of, see_notices, set_email
from clinics.accounts.passwords import strength_of
from clinics.accounts.services import end_own_session, link_for, open_link, use_reset_link
from clinics.accounts.telling import tell
from clinics.addresses import own_address, where_asked
from clinics.errors import NoSuchPage
from clinics.guards import account_page, visitor_page
from clinics.models import User
from clinics.sessions import living_sessions

SHOWN_NOTICES = 10
RESET_LINK = "reset_link"  # in the session: the id of the link that was followed
KEPT = "kept."  # before the names of a form's fields that wait behind the lock, or in the other clinic


@account_page()
@require_http_methods(["GET", "POST"])
def account(request: Any) -> HttpResponse:
    """What one's account is, and the address for notices."""
    form = NoticeMailForm(request.POST or None, initial={"email": email_of(request.user)})
    if request.method == "POST" and form.is_valid():
        set_email(request.user, form.cleaned_data["email"])
        messages.success(request, _("The address for notices is kept."))
        return redirect("clinics:account")
    told = {
        "form": form,
        "notices": list(AccountNotice.objects.filter(user=request.user).order_by("-at")[:SHOWN_NOTICES]),
        "sessions": list(living_sessions().filter(user=request.user)),
        "this_session": UUID(request.session[idle.ID]),
        "second_factor": is_mfa_enabled(request.user),
    }
    if request.method == "GET":
        see_notices(request.user.pk)
        request.session.pop(UNSEEN, None)
    return render(request, "account/account.html", told)


@account_page()
@require_POST
def end_session(request: Any) -> HttpResponse:
    """End one of one's own sessions on another device."""
    end_own_session(request.user, typed_id(request.POST.get("session", "")))
    messages.success(request, _("That session is ended."))
    return redirect("clinics:account")


# The lock


@account_page(before_second_factor=True)
@require_POST
def lock(request: Any) -> HttpResponse:
    """Leave the desk: the session is locked at once, on every page that is open in this browser."""
    idle.lock(request.session)
    tell("account.locked", request, request.user, reason="asked")
    return redirect(idle.lock_address(where_asked(request)))


@account_page(before_second_factor=True)
@require_GET
def locked(request: Any) -> HttpResponse:
    if idle.seconds_left(request.session):
        return redirect(own_address(request.GET.get("next", "")))
    return locked_page(request, {"send_to": own_address(request.GET.get("next", ""))})


@account_page(before_second_factor=True)
@require_GET
def session_state(request: Any) -> HttpResponse:
    """How many seconds until this session locks. Asking is no sign of life."""
    return JsonResponse({"left": idle.seconds_left(request.session)})


@account_page(before_second_factor=True)
@require_POST
def still_here(request: Any) -> HttpResponse:
    """Somebody typed or moved the mouse; the middleware has noted it."""
    return JsonResponse({"left": idle.seconds_left(request.session)})


@account_page(before_second_factor=True)
@require_GET
def unlock_options(request: Any) -> HttpResponse:
    """What a browser needs to ask for a passkey."""
    return JsonResponse({"request_options": begin_authentication(request.user)})


@sensitive_post_parameters("password")
@account_page(before_second_factor=True)
@require_POST
def unlock(request: Any) -> HttpResponse:
    """Go on with a password or a passkey: with the page that shows the lock, or with a form that waited behind it."""
    form = UnlockForm(request.POST)
    error = _wrong_passkey(request) if request.POST.get("credential") else _wrong_password(request, form)
    quiet = "application/json" in request.headers.get("accept", "")
    if error:
        if quiet:
            return JsonResponse({"error": error})
        return locked_page(
            request,
            {"form": form, "error": error, "send_to": _send_to(request), "kept": list(_kept(request))},
        )
    idle.unlock(request.session)
    tell("account.unlocked", request, request.user)
    if quiet:
        return JsonResponse({"left": idle.seconds_left(request.session)})
    return go_on(request)


def go_on(request: Any) -> HttpResponse:
    """What stopped somebody is over: back to the form that waited, which they send themselves, or to the page."""
    if kept := list(_kept(request)):
        return render(request, "account/resume.html", {"send_to": _send_to(request), "kept": kept})
    return redirect(_send_to(request))


def _wrong_password(request: Any, form: UnlockForm) -> str:
    if not form.is_valid():
        return _("Type your password.")
    try:
        right = get_adapter().reauthenticate(request.user, form.cleaned_data["password"])
    except ValidationError as error:
        return str(error.messages[0])
    return "" if right else _("That is not your password.")


def _wrong_passkey(request: Any) -> str:
    form = ReauthenticateWebAuthnForm(data=request.POST, user=request.user)
    return "" if form.is_valid() else _("That passkey does not belong to this account.")


def _kept(request: Any) -> Iterator[tuple[str, str]]:
    for name, values in request.POST.lists():
        if name.startswith(KEPT):
            yield from ((name.removeprefix(KEPT), value) for value in values)


def _send_to(request: Any) -> str:
    return own_address(request.POST.get("send_to", ""))


# Before signing in


@visitor_page
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """The language of the pages in this browser."""
    wanted = request.POST.get("language", "")
    if wanted not in dict(settings.LANGUAGES):
        raise NoSuchPage
    response = redirect(where_asked(request))
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        wanted,
        max_age=365 * 24 * 60 * 60,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@sensitive_post_parameters()
@visitor_page
@require_POST
def password_strength(request: Any) -> HttpResponse:
    """How hard the password in this form is to guess. It is looked at and forgotten. Nobody else is told anything: it costs time."""
    typed = request.POST.get("password1", "")
    user = request.user if request.user.is_authenticated else _user_of_link(request)
    if not typed or user is None or too_often(STRENGTH_ASKED, request.META.get("REMOTE_ADDR", "")):
        return HttpResponse("")
    return render(request, "account/_strength.html", {"strength": strength_of(typed, user)})


def _user_of_link(request: Any) -> User | None:
    link_id = request.session.get(RESET_LINK)
    link = open_link(UUID(link_id), at=timezone.now()) if link_id else None
    return link.user if link else None


@visitor_page
@require_GET
def follow_reset_link(request: Any, token: str) -> HttpResponse:
    """The token leaves the address at once, so that no history, no print and no referrer shows it."""
    link = link_for(token, at=timezone.now())
    request.session[RESET_LINK] = str(link.pk) if link else ""
    return redirect("clinics:reset_password")


@sensitive_post_parameters("password1", "password2")
@visitor_page
@require_http_methods(["GET", "POST"])
def reset_password(request: Any) -> HttpResponse:
    """A new password behind an administrator's link. Whoever has set it still has to sign in, with the second factor."""
    now = timezone.now()
    link_id = request.session.get(RESET_LINK)
    link = open_link(UUID(link_id), at=now) if link_id else None
    if link is None:
        return render(request, "account/reset_ended.html")
    form = NewPasswordForm(request.POST or None, user=link.user)
    if request.method == "POST" and form.is_valid():
        use_reset_link(link, form.cleaned_data["password1"], at=now)
        request.session.pop(RESET_LINK)
        messages.success(request, _("The new password stands. Sign in with it."))
        return redirect("account_login")
    return render(request, "account/reset_password.html", {"form": form})


def typed_id(text: str) -> UUID:
    """Raises NoSuchPage."""
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchPage from None
