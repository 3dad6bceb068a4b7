"""Where domain errors become HTTP: one page per refusal, in the reader's language, rendered after the rollback."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.defaults import server_error as django_server_error

from clinics.accounts.idle import what_waits
from clinics.api.problems import is_api, problem_of, server_problem
from clinics.errors import NoSuchPage, PageOfOtherClinic
from clinics.page_clinic import sent_from
from crypto.errors import ClinicError


class EdgeMiddleware:
    """Stands just outside the unit of work: its transaction is over when the page of the refusal is rendered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        error = getattr(request, "clinic_error", None)
        if isinstance(error, ClinicError):
            return refusal(request, error)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not response.content:
            return _step_of_a_page(request, response)
        return response


def refusal(request: HttpRequest, error: ClinicError) -> HttpResponse:
    """The page, for htmx the fragment, and for machines the problem details, that say no."""
    if is_api(request):
        return problem_of(error)
    if isinstance(error, PageOfOtherClinic) and not getattr(request, "htmx", False):
        return _page_of_other_clinic(request, error)
    return _page(request, error.status, str(error.message))


def _page(request: HttpRequest, status: HTTPStatus, message: str) -> HttpResponse:
    htmx = getattr(request, "htmx", False)
    template = "errors/_refusal.html" if htmx else "errors/refusal.html"
    return render(request, template, {"status": int(status), "message": message}, status=status)


def _step_of_a_page(request: HttpRequest, refused: HttpResponse) -> HttpResponse:
    """Somebody came by an address that only a button leads to."""
    page = _page(
        request,
        HTTPStatus.METHOD_NOT_ALLOWED,
        _(
            "This is a step of another page, and was not taken. Go back to that page and press its button again."
        ),
    )
    page["Allow"] = refused["Allow"]
    return page


def _page_of_other_clinic(request: Any, error: PageOfOtherClinic) -> HttpResponse:
    """Which clinic the page was made for, which is in hand, and the way back with what was typed. Only one's own clinics are named."""
    mine = {str(role.clinic_id): role.clinic for role in request.roles}
    there = next(
        (mine.get(clinic) for clinic in sent_from(request) if clinic != str(request.clinic.pk)), None
    )
    told = {"there": there, "here": request.clinic, **what_waits(request)}
    response = render(request, "errors/other_clinic.html", told, status=error.status)
    add_never_cache_headers(response)
    return response


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: the same page as for what exists but is not for this account."""
    return refusal(request, NoSuchPage())


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for machines in their own words."""
    return server_problem() if is_api(request) else django_server_error(request)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _(
            "This form was open for too long or in another window. Go back, reload the page and send it again."
        ),
    )
