"""How long a session lasts: twelve hours from signing in, and for staff fifteen minutes without a sign of anybody.

An idle session is locked, not ended: the page stays as it is, and a password or a passkey goes on with it. The server decides;
a page only shows what the server would say.
"""

from time import time
from typing import Any, Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from clinics.accounts.forms import UnlockForm
from clinics.accounts.models import AccountSession
from clinics.accounts.telling import tell
from clinics.models import UserKind

ID, STARTED, SEEN, LOCKED = "session_id", "started", "seen", "locked"
NOTED_EVERY: Final = 60  # seconds; a click within is not written down
NO_SIGN_OF_LIFE: Final = "HTTP_X_NO_SIGN_OF_LIFE"  # the page asks by itself: nobody need be there
# What a locked session still reaches: the way back in, the way out, and the languages.
OPEN_WHILE_LOCKED: Final = frozenset(
    {
        "account_logout",
        "clinics:locked",
        "clinics:unlock",
        "clinics:unlock_options",
        "clinics:session_state",
        "clinics:language",
    }
)


def begin(session: SessionBase, session_id: UUID) -> None:
    """Somebody has just signed in."""
    now = int(time())
    session[ID], session[STARTED], session[SEEN], session[LOCKED] = str(session_id), now, now, False


def seconds_left(session: SessionBase) -> int:
    """How long until it locks; 0 for a locked one."""
    if session.get(LOCKED, True):
        return 0
    return max(0, int(session[SEEN]) + settings.SESSION_IDLE_SECONDS - int(time()))


def lock(session: SessionBase) -> None:
    session[LOCKED] = True


def unlock(session: SessionBase) -> None:
    session[LOCKED] = False
    _note(session)


def watch(request: Any, view_name: str) -> HttpResponse | None:
    """Ends, locks or goes on with the session of this request; an answer where it does not go on."""
    session = request.session
    if int(session.get(STARTED, 0)) + settings.SESSION_COOKIE_AGE <= time():
        logout(request)
        return None
    if request.user.kind != UserKind.STAFF:
        return None
    if not seconds_left(session):
        if not session[LOCKED]:
            lock(request.session)
            tell("account.locked", request, request.user, reason="idle")
        return None if view_name in OPEN_WHILE_LOCKED else locked_answer(request)
    if view_name not in OPEN_WHILE_LOCKED and NO_SIGN_OF_LIFE not in request.META:
        _note(session)
    return None


def locked_answer(request: Any) -> HttpResponse:
    """A page leads to the lock; a form that was sent comes back with it, unsent; a fragment or an API says 423."""
    if getattr(request, "htmx", False) or "application/json" in request.headers.get("accept", ""):
        return HttpResponse(status=423)
    if request.method in ("GET", "HEAD"):
        return redirect(lock_address(request.get_full_path()))
    return locked_page(request, what_waits(request), status=423)


def what_waits(request: Any) -> dict[str, Any]:
    """What was typed into a form that could not be taken, for the page that says so: send_to, kept, files_lost."""
    kept = [
        (name, value)
        for name, values in request.POST.lists()
        if name != "csrfmiddlewaretoken"
        for value in values
    ]
    return {"send_to": request.get_full_path(), "kept": kept, "files_lost": bool(request.FILES)}


def locked_page(request: Any, told: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """The page of the lock; `told` are send_to, and what waits behind it."""
    passkeys = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.WEBAUTHN).exists()
    return render(
        request, "account/locked.html", {"form": UnlockForm(), "passkeys": passkeys, **told}, status=status
    )


def lock_address(send_to: str) -> str:
    return f"{reverse('clinics:locked')}?{urlencode({'next': send_to})}"


def _note(session: SessionBase) -> None:
    """At most once a minute: the session is written, and the list of sessions says when somebody was last seen."""
    now = int(time())
    if session.get(LOCKED) or now - int(session[SEEN]) >= NOTED_EVERY:
        session[SEEN] = now
        AccountSession.objects.filter(pk=session[ID]).update(seen_at=timezone.now())
