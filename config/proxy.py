"""Behind the reverse proxy every visitor has the proxy's address: a limit on attempts would count the whole clinic as one."""

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class VisitorAddress:
    """Outermost middleware: puts the visitor's own address where everybody looks for it.

    A proxy appends the address it saw to X-Forwarded-For. Only the last entry is believed, and only from our own
    proxy; what stands before it is the visitor's own text.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seen = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if _is_address(seen) and self._is_ours(request.META.get("REMOTE_ADDR", "")):
            request.META["REMOTE_ADDR"] = seen
        return self.get_response(request)

    @staticmethod
    def _is_ours(peer: str) -> bool:
        return _is_address(peer) and any(ip_address(peer) in network for network in settings.TRUSTED_PROXIES)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
