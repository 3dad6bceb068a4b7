"""Tokens of one's own, and the programs of the clinic with theirs."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinics.errors import TokensFull
from clinics.guards import ClinicRequest, staff_page
from clinics.models import User
from clinics.queries import integration_for, integrations_of, tokens_in, tokens_of
from clinics.roles import Permission
from clinics.scopes import ApiScope
from clinics.token_forms import IntegrationForm, TokenForm
from clinics.tokens import end_integration, end_token, make_integration, make_token, scopes_open_to

View = TypeVar("View", bound=Callable[..., HttpResponse])


def _asks_who_it_is_again(view: View) -> View:
    """For deeds that a screen left alone must not allow: who signed in some minutes ago proves it once more.

    allauth would keep what was posted in the session until then, words of the form in clear: a form that comes too late is
    shown again instead.
    """
    asking = reauthentication_required(view)

    @wraps(view)
    def asked(request: ClinicRequest, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and is_reauthentication_required(request, app=""):
            return redirect(request.path)
        answer: HttpResponse = asking(request, **kwargs)
        return answer

    return asked  # type: ignore[return-value]  # the same view, asked for later


@staff_page(None)
@require_safe
def tokens(request: ClinicRequest) -> HttpResponse:
    """The tokens of the person who is signed in, in the clinic they work in."""
    context = {
        "tokens": tokens_of(_me(request), request.clinic),
        "at": timezone.now(),
        "second_factor": is_mfa_enabled(request.user),
    }
    return render(request, "clinics/tokens.html", context)


@staff_page(None)
@require_http_methods(["GET", "HEAD", "POST"])
@_asks_who_it_is_again
def new_token(request: ClinicRequest) -> HttpResponse:
    """A token for oneself. Raises SecondFactorNeeded; asks who it is again, where that is minutes ago."""
    return _new(request, _me(request))


@staff_page(None)
@require_POST
def end_own_token(request: ClinicRequest, token_id: UUID) -> HttpResponse:
    end_token(token_id, Q(user=_me(request), clinic=request.clinic), at=timezone.now())
    messages.success(request, _("The token is ended. Nothing opens with it any more."))
    return redirect("clinics:tokens")


@staff_page(None, permission=Permission.MANAGE_INTEGRATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
def integrations(request: ClinicRequest) -> HttpResponse:
    """The programs of the clinic, everybody's tokens, and a place for one more program."""
    form = IntegrationForm(request.POST if request.method == "POST" else None, sees_log=_sees_log(request))
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        made = make_integration(
            request.clinic,
            name=said["name"],
            scopes=said["scopes"],
            purposes=said["purposes"],
            field_sets=said["field_sets"],
            at=timezone.now(),
        )
        return redirect("clinics:integration", integration_id=made.pk)
    at = timezone.now()
    context = {
        "form": form,
        "integrations": integrations_of(request.clinic),
        "tokens": tokens_in(request.clinic, at),
        "at": at,
    }
    return render(request, "clinics/integrations.html", context)


@staff_page(None, permission=Permission.MANAGE_INTEGRATIONS)
@require_safe
def integration(request: ClinicRequest, integration_id: UUID) -> HttpResponse:
    """One program: what it may, whom it sees, its tokens."""
    found = integration_for(request.clinic, integration_id)
    context = {"integration": found, "tokens": tokens_of(found.user, request.clinic), "at": timezone.now()}
    return render(request, "clinics/integration.html", context)


@staff_page(None, permission=Permission.MANAGE_INTEGRATIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@_asks_who_it_is_again
def new_integration_token(request: ClinicRequest, integration_id: UUID) -> HttpResponse:
    return _new(request, integration_for(request.clinic, integration_id).user)


@staff_page(None, permission=Permission.MANAGE_INTEGRATIONS)
@require_POST
def end_integration_at_once(request: ClinicRequest, integration_id: UUID) -> HttpResponse:
    end_integration(integration_id, request.clinic, at=timezone.now())
    messages.success(request, _("The program works here no longer, and its tokens are ended."))
    return redirect("clinics:integrations")


@staff_page(None, permission=Permission.MANAGE_INTEGRATIONS)
@require_POST
def end_any_token(request: ClinicRequest, token_id: UUID) -> HttpResponse:
    end_token(token_id, Q(clinic=request.clinic), at=timezone.now())
    messages.success(request, _("The token is ended. Nothing opens with it any more."))
    return redirect("clinics:integrations")


def _new(request: ClinicRequest, user: User) -> HttpResponse:
    """The form, and once the secret. It is in this answer alone: no session and no address keeps it."""
    scopes = scopes_open_to(user, request.clinic)
    if not _sees_log(request):
        scopes -= {ApiScope.EVENTS_READ.value}
    form = TokenForm(request.POST if request.method == "POST" else None, open_scopes=scopes)
    context = {"form": form, "for": user, "own": user == request.user}
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            made = make_token(
                said["form_token"],
                user,
                request.clinic,
                label=said["label"],
                scopes=said["scopes"],
                days=said["days"],
                by=_me(request),
                at=timezone.now(),
            )
        except TokensFull as error:
            form.add_error(None, str(error.message))
        else:
            return render(request, "clinics/token_made.html", {**context, "made": made})
    return render(request, "clinics/token_new.html", context)


def _sees_log(request: ClinicRequest) -> bool:
    return Permission.SEE_LOG in request.permissions


def _me(request: ClinicRequest) -> User:
    me = request.user
    assert isinstance(me, User)  # noqa: S101  # the guard lets nobody in who is not signed in
    return me
