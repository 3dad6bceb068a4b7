"""Where domain errors become HTTP: one page per refusal, in the reader's language, rendered after the rollback."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from clinics.errors import NoSuchPage
from crypto.errors import ClinicError


class EdgeMiddleware:
    """Stands just outside the unit of work: its transaction is over when the page of the refusal is rendered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        error = getattr(request, "clinic_error", None)
        return refusal(request, error) if isinstance(error, ClinicError) else response


def refusal(request: HttpRequest, error: ClinicError) -> HttpResponse:
    """The page, or for htmx the fragment, that says no."""
    return _page(request, error.status, str(error.message))


def _page(request: HttpRequest, status: HTTPStatus, message: str) -> HttpResponse:
    htmx = getattr(request, "htmx", False)
    template = "errors/_refusal.html" if htmx else "errors/refusal.html"
    return render(request, template, {"status": int(status), "message": message}, status=status)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: the same page as for what exists but is not for this account."""
    return refusal(request, NoSuchPage())


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _(
            "This form was open for too long or in another window. Go back, reload the page and send it again."
        ),
    )
