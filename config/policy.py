"""The content policy of a page: django-csp's, written out once, because no page changes anything of it."""

from functools import cache
from typing import Any

from csp.constants import HEADER
from csp.middleware import CheckableLazyObject, CSPMiddleware
from csp.utils import build_policy
from django.http import HttpRequest
from django.http.response import HttpResponseBase


class ContentPolicy(CSPMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """django-csp builds the text anew for every answer; it still does where one has a nonce or a wish of its own."""
        if _has_its_own(request, response):
            answer: HttpResponseBase = super().process_response(request, response)
            return answer
        response[HEADER] = _usual()
        # From here on a nonce would be missing from the header, so asking for one is an error, as with django-csp.
        asked: Any = request
        asked.csp_nonce = CheckableLazyObject(self._csp_nonce_post_response)
        return response


def _has_its_own(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        "_csp_nonce" in vars(request)
        or HEADER in response
        or any(name.startswith("_csp_") for name in vars(response))
    )


@cache
def _usual() -> str:
    return build_policy()
