"""The administrator's page of the clinic's accounts: a link for who forgot, a way back for who lost a phone, an end to sessions."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from clinics.accounts.services import account_within_reach, end_all_sessions, issue_reset_link, take_factors
from clinics.accounts.views import typed_id
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, staff_page
from clinics.models import StaffRole, User, UserKind
from clinics.roles import Permission
from clinics.sessions import living_sessions


@staff_page(None, permission=Permission.MANAGE_ACCOUNTS)
@require_GET
def accounts(request: ClinicRequest) -> HttpResponse:
    return render(request, "clinics/accounts.html", {"accounts": _accounts(request)})


@staff_page(None, permission=Permission.MANAGE_ACCOUNTS)
@require_POST
def issue_link(request: ClinicRequest) -> HttpResponse:
    """The link stands on this page once; it is handed over by the administrator, in person or by telephone."""
    user = _account(request)
    token = issue_reset_link(user, _administrator(request), at=timezone.now())
    link = f"{settings.PUBLIC_URL}{reverse('clinics:follow_reset_link', args=[token])}"
    return render(
        request, "clinics/accounts.html", {"accounts": _accounts(request), "link": link, "link_for": user}
    )


@staff_page(None, permission=Permission.MANAGE_ACCOUNTS)
@require_POST
def remove_factors(request: ClinicRequest) -> HttpResponse:
    user = _account(request)
    take_factors(user)
    messages.success(
        request,
        _("%(name)s sets up a new second factor at the next sign-in.") % {"name": user.get_full_name()},
    )
    return redirect("clinics:accounts")


@staff_page(None, permission=Permission.MANAGE_ACCOUNTS)
@require_POST
def end_sessions(request: ClinicRequest) -> HttpResponse:
    ended = end_all_sessions(_account(request))
    messages.success(
        request,
        ngettext("%(count)d session is ended.", "%(count)d sessions are ended.", ended) % {"count": ended},
    )
    return redirect("clinics:accounts")


def _accounts(request: ClinicRequest) -> QuerySet[User]:
    """Who works in this clinic, with roles, second factor and living sessions, in three statements."""
    factors = Authenticator.objects.filter(user=OuterRef("pk")).exclude(
        type=Authenticator.Type.RECOVERY_CODES
    )
    here = StaffRole.objects.filter(clinic=request.clinic)
    return (
        User.objects.filter(kind=UserKind.STAFF, pk__in=here.values("user"))
        .annotate(has_factor=Exists(factors))
        .prefetch_related(
            Prefetch("staff_roles", here, to_attr="roles_here"),
            Prefetch("living_sessions", living_sessions(), to_attr="sessions"),
        )
        .order_by("username")
    )


def _account(request: ClinicRequest) -> User:
    return account_within_reach(
        typed_id(request.POST.get("account", "")), request.clinic.pk, _administrator(request)
    )


def _administrator(request: Any) -> User:
    if not isinstance(request.user, User):
        raise NoSuchPage
    return request.user
