"""The unit of work of a request: one transaction around view and rendering, with clinic, actor and access scope set.

Innermost of all middleware. It decides who acts and where, refuses who may not come, runs the view and renders
inside the transaction (sealed values open lazily in templates), commits, and only then lets the body out. An answer of
400 or more is rolled back; the denial and whatever had been opened are then written in a transaction of their own.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NoReturn

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.middleware import get_user
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.cache import add_never_cache_headers

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.errors import LogUnavailable
from audit.services import record_denial
from clinics import queries
from clinics.accounts import idle
from clinics.accounts.factors import is_last_factor, needs_second_factor
from clinics.addresses import where_asked
from clinics.api.placing import place as place_machine
from clinics.errors import (
    LastFactor,
    NoClinic,
    NoSuchPage,
    NotAllowed,
    PageOfOtherClinic,
    SecondFactorNeeded,
)
from clinics.guards import PageGuard, guard_of
from clinics.models import Clinic, User, UserKind
from clinics.page_clinic import sent_from
from clinics.roles import opened_by
from crypto.errors import ClinicError

SESSION_CLINIC = "clinic"
SWITCH = "clinics:switch"  # the way from one clinic to another, from a page of any
_MEANS_NOTHING = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{1,9}"
)  # a phone has more digits
# The packages' pages that staff use. The others would keep an e-mail address in clear, or open a second way in.
PACKAGE_PAGES = frozenset(
    {
        "account_login",
        "account_logout",
        "account_inactive",
        "account_signup",  # closed, and says so
        "account_change_password",
        "account_reauthenticate",
        "mfa_index",
        "mfa_authenticate",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_login_webauthn",
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_list_webauthn",
        "mfa_add_webauthn",
        "mfa_edit_webauthn",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
        "openid_connect_login",
        "openid_connect_callback",
        "socialaccount_login_cancelled",
        "socialaccount_login_error",
    }
)
# What somebody without a second factor reaches where one is required: setting it up, and the way out.
ADMIN_DOORS = frozenset({"admin:login", "admin:logout"})
ENROLMENT = frozenset(
    {
        "account_login",
        "account_logout",
        "account_reauthenticate",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_view_recovery_codes",
        "mfa_download_recovery_codes",
    }
)


class _RollBack(Exception):
    """Takes the unit of work back; what it had opened is written by `acting` when the transaction is over."""


class _TurnedAway(HttpResponseRedirect):
    """A refusal that leads somewhere at once. It is told like any other."""

    def __init__(self, to: str, error: ClinicError) -> None:
        super().__init__(to)
        self.error = error


def _opens(guard: PageGuard, actor: Actor) -> frozenset[str]:
    """What the page opens for this actor: their own field sets, of those only what its permission is for."""
    return opened_by(guard.permission, actor.field_sets) if guard.permission else actor.field_sets


class UnitOfWork:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        guard = guard_of(match.func)
        if guard is not None:
            guard = guard.of(request.method or "")
        if guard and guard.audience == "public":
            return self.get_response(request)  # knows nobody and opens nothing: no unit of work
        try:
            early = self._place(request, match, guard)
        except ClinicError as error:
            return self._refused(request, match, error)
        if isinstance(early, _TurnedAway):
            return self._denied(request, match, early, early.error)
        if early is not None:
            return early
        return self._run(request, match, guard)

    # Who acts, and where

    def _place(self, request: Any, match: ResolverMatch, guard: PageGuard | None) -> HttpResponse | None:
        """Sets clinic, actor, roles and permissions on the request. Raises the refusal, or answers with a redirect."""
        request.clinic, request.roles, request.permissions = None, [], frozenset()
        request.actor = queries.anonymous_actor(None)
        if guard is not None and guard.audience == "api":
            place_machine(request, match.view_name, guard, self._place_staff)
            return None
        # Itself, and no longer a promise that is asked for each of its words.
        request.user = get_user(request)
        if request.user.is_authenticated and (stopped := idle.watch(request, match.view_name)):
            return stopped
        user = request.user
        if "clinic_code" in match.kwargs:
            request.clinic = self._clinic_of_portal(match.kwargs["clinic_code"])
            request.actor = queries.anonymous_actor(request.clinic.pk)
        if user.is_authenticated and user.kind == UserKind.PATIENT and request.clinic:
            request.actor = queries.patient_actor(user, request.clinic.pk)
        elif user.is_authenticated and user.kind == UserKind.STAFF and not request.clinic:
            self._place_staff(request, user)
        if guard is not None:
            return self._admit(request, user, guard)
        return self._admit_to_package(request, user, match)

    @staticmethod
    def _clinic_of_portal(code: str) -> Clinic:
        clinic = queries.clinic_by_code(code)
        if clinic is None:
            raise NoSuchPage
        return clinic

    @staticmethod
    def _place_staff(request: Any, user: User) -> None:
        request.roles = queries.roles_at_work(user)
        chosen = request.session.get(SESSION_CLINIC)
        clinics = {str(role.clinic_id): role.clinic for role in request.roles}
        request.clinic = clinics.get(chosen) or next(iter(clinics.values()), None)
        if request.clinic:
            request.actor = queries.staff_actor(user, request.clinic.pk, request.roles)
            request.permissions = queries.permissions_in(request.roles, request.clinic.pk)

    def _admit(self, request: Any, user: Any, guard: PageGuard) -> HttpResponse | None:
        if guard.audience == "staff":
            return self._admit_staff(request, user, guard)
        if guard.audience == "account":
            return self._admit_account(request, user, guard)
        if guard.audience == "patient" and not (user.is_authenticated and user.kind == UserKind.PATIENT):
            if user.is_authenticated:
                self._find_nothing(request, user)
            return redirect("portal:sign_in", clinic_code=request.clinic.code)
        return None

    def _admit_to_package(self, request: Any, user: Any, match: ResolverMatch) -> HttpResponse | None:
        """The pages of sign-in and of Django admin: units of work with nothing to open, and none of them for patients."""
        if user.is_authenticated and user.kind == UserKind.PATIENT:
            self._find_nothing(request, user)
        if match.app_name == "admin":
            if not _MEANS_NOTHING.fullmatch(match.kwargs.get("object_id", "0")):
                raise NoSuchPage  # admin would repeat what was typed in a message, and so in the session
        elif match.view_name not in PACKAGE_PAGES:
            raise NoSuchPage
        if match.view_name == "mfa_remove_webauthn":
            self._keep_last_factor(user, match)
        if user.is_authenticated and match.view_name not in ENROLMENT:
            if early := self._ask_for_second_factor(request, user):
                return early
            if match.app_name == "admin" and not user.is_staff and match.view_name not in ADMIN_DOORS:
                self._find_nothing(request, user)  # Django would lead to its own sign-in, and tell nobody
        return None

    @staticmethod
    def _keep_last_factor(user: Any, match: ResolverMatch) -> None:
        passkey = Authenticator.objects.filter(pk=match.kwargs["pk"], user_id=user.pk).first()
        if passkey is not None and is_last_factor(passkey):
            raise LastFactor

    @staticmethod
    def _ask_for_second_factor(request: Any, user: Any) -> HttpResponse | None:
        if not needs_second_factor(request, user):
            return None
        if request.actor.user_id is None:
            request.actor = queries.account_actor(user, None)
        return _TurnedAway(resolve_url("mfa_index"), SecondFactorNeeded())

    def _admit_account(self, request: Any, user: Any, guard: PageGuard) -> HttpResponse | None:
        if not user.is_authenticated:
            return redirect_to_login(_to_go_on_with(request), resolve_url(settings.LOGIN_URL))
        if user.kind != UserKind.STAFF:
            self._find_nothing(request, user)
        return None if guard.before_second_factor else self._ask_for_second_factor(request, user)

    def _admit_staff(self, request: Any, user: Any, guard: PageGuard) -> HttpResponse | None:
        if early := self._admit_account(request, user, guard):
            return early
        if request.clinic is None:
            raise NoClinic
        if guard.permission and guard.permission not in request.permissions:
            raise NotAllowed
        return None

    @staticmethod
    def _find_nothing(request: Any, user: User) -> NoReturn:
        """The page is for accounts of another kind. The log says which account tried."""
        request.actor = queries.account_actor(user, request.clinic.pk if request.clinic else None)
        raise NoSuchPage

    # The transaction

    def _run(self, request: Any, match: ResolverMatch, guard: PageGuard | None) -> HttpResponse:
        clinic_ids = (request.clinic.pk,) if request.clinic else ()
        failed = False
        try:
            with (
                acting(request.actor, *clinic_ids, address=request.META.get("REMOTE_ADDR", "")),
                ExitStack() as stack,
            ):
                if guard and guard.purpose:
                    stack.enter_context(
                        access(guard.purpose, guard.kind, field_sets=_opens(guard, request.actor))
                    )
                response = self.get_response(request)
                if response.status_code >= 400:
                    raise _RollBack
        except _RollBack:
            failed = True
        except LogUnavailable as unavailable:
            return self._unlogged(request, unavailable)
        error = getattr(request, "clinic_error", None)
        if failed and (guard or error):
            return self._denied(request, match, response, error)
        # The back button must not show a chart, or the seed of a second factor, to the next person at this screen.
        add_never_cache_headers(response)
        return response

    def process_view(self, request: Any, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        """After the token against forgery was looked at: what a page of staff sends is for the clinic in hand, or refused."""
        kwargs.pop("clinic_code", None)  # request.clinic says it
        guard = guard_of(view)
        if guard is None or guard.audience != "staff" or request.resolver_match.view_name == SWITCH:
            return None
        here = str(request.clinic.pk)
        if all(clinic == here for clinic in sent_from(request)):
            return None
        return self.process_exception(request, PageOfOtherClinic())

    def process_exception(self, request: Any, error: Exception) -> HttpResponse | None:
        """A refusal becomes an empty answer here; the page for it is rendered outside, after the rollback."""
        if isinstance(error, Http404):
            error = NoSuchPage()
        elif isinstance(error, PermissionDenied):
            error = NotAllowed()
        if not isinstance(error, ClinicError):
            return None
        request.clinic_error = error
        return HttpResponse(status=error.status)

    # What is left of a refusal

    def _refused(self, request: Any, match: ResolverMatch, error: ClinicError) -> HttpResponse:
        request.clinic_error = error
        return self._denied(request, match, HttpResponse(status=error.status), error)

    def _denied(
        self, request: Any, match: ResolverMatch, response: HttpResponse, error: Exception | None
    ) -> HttpResponse:
        asked_for = next((str(value) for key, value in match.kwargs.items() if key != "clinic_code"), "")
        if not _MEANS_NOTHING.fullmatch(
            asked_for
        ):  # typed by a visitor: it may be a name or a number of a person
            asked_for = ""
        reason = type(error).__name__ if error else str(response.status_code)
        try:
            record_denial(
                request.actor,
                view=match.view_name,
                object_id=asked_for,
                reason=reason,
                address=request.META.get("REMOTE_ADDR", ""),
            )
        except LogUnavailable as unavailable:
            return self._unlogged(request, unavailable)
        return response

    @staticmethod
    def _unlogged(request: Any, unavailable: LogUnavailable) -> HttpResponse:
        """No log, no answer."""
        request.clinic_error = unavailable
        return HttpResponse(status=unavailable.status)


def _to_go_on_with(request: HttpRequest) -> str:
    """The page asked for, or the one whose form was sent: a form is not sent by signing in."""
    return request.get_full_path() if request.method in ("GET", "HEAD") else where_asked(request)
