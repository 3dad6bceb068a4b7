"""Every page says what it may load: the text is written once, and is what the package would write for each."""

from collections.abc import Callable

import pytest
from csp.constants import HEADER
from csp.exceptions import CSPNonceError
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.policy import ContentPolicy


def served(
    middleware: type[CSPMiddleware], view: Callable[[HttpRequest], HttpResponse]
) -> tuple[HttpRequest, HttpResponse]:
    request = RequestFactory().get("/patients/")
    response = middleware(view)(request)
    assert isinstance(response, HttpResponse)
    return request, response


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("page")


def with_a_nonce(request: HttpRequest) -> HttpResponse:
    request._csp_nonce = "c3BlY2ltZW4="  # type: ignore[attr-defined]  # what the package keeps when a template asks
    return HttpResponse(f'<script nonce="{request.csp_nonce}">')  # type: ignore[attr-defined]


def with_a_wish(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("page")
    response._csp_update = {"img-src": ["blob:"]}  # type: ignore[attr-defined]  # as the package's decorators leave it
    return response


@pytest.mark.parametrize("view", [plain, with_a_nonce, with_a_wish])
def test_the_policy_of_a_page_is_what_the_package_writes(view: Callable[[HttpRequest], HttpResponse]) -> None:
    ours, theirs = (served(middleware, view)[1] for middleware in (ContentPolicy, CSPMiddleware))

    assert _directives(ours) == _directives(theirs)
    assert "default-src 'none'" in _directives(ours)


def test_a_nonce_that_is_asked_for_too_late_is_an_error() -> None:
    request, _response = served(ContentPolicy, plain)

    with pytest.raises(CSPNonceError):
        str(request.csp_nonce)  # type: ignore[attr-defined]


def _directives(response: HttpResponse) -> set[str]:
    return set(response[HEADER].split("; "))
