"""How often one token, or one person's browser, may ask. Counted in the cache under a keyed hash, a minute at a time."""

from typing import Any, Final

from django.core.cache import cache
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

MOST_A_MINUTE: Final = 600
MOST_REFUSED_A_MINUTE: Final = 30
SECONDS_COUNTED: Final = 120


class EachCaller(BaseThrottle):
    """Sixty seconds hold 600 requests of one token; programs that need more ask for larger pages."""

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = request.api_token.pk if request.api_token else request.actor.ref  # type: ignore[attr-defined]  # an ApiRequest
        return count("caller", str(caller)) <= MOST_A_MINUTE

    def wait(self) -> float:
        return 60 - timezone.now().second


def count(what: str, who: str) -> int:
    """One more in this minute; how many there were."""
    minute = int(timezone.now().timestamp()) // 60
    digest = salted_hmac(f"zhizhi/api/{what}", f"{who} {minute}", algorithm="sha256").hexdigest()
    cache.add(f"api.{digest}", 0, timeout=SECONDS_COUNTED)
    return int(cache.incr(f"api.{digest}"))
