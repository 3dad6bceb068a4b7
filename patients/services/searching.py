"""How often one account may search or break the glass: whoever works at a desk never meets the limit, whoever tries numbers does."""

from datetime import datetime
from typing import Final

from django.core.cache import cache
from django.utils.crypto import salted_hmac

from audit.actors import Actor
from patients.errors import GlassTooOften, SearchTooOften

MOST_EMERGENCIES_AN_HOUR: Final = 10
MOST_SEARCHES_A_MINUTE: Final = 120  # the box looks while somebody types, and the form looks for twins
SECONDS_COUNTED: Final = 120


def count_search(by: Actor, *, at: datetime) -> None:
    """One search more of this account in this minute. Raises SearchTooOften beyond 120 of them, in whichever clinic.

    The count stands in the cache under a keyed hash, so that the cache does not tell who works when.
    """
    if (
        by.kind != "system"
        and _times(by, "searches", int(at.timestamp()) // 60, SECONDS_COUNTED) > MOST_SEARCHES_A_MINUTE
    ):
        raise SearchTooOften


def count_glass(by: Actor, *, at: datetime) -> None:
    """One emergency more of this account in this hour, whether it finds somebody or not. Raises GlassTooOften beyond 10."""
    if _times(by, "emergencies", int(at.timestamp()) // 3600, 2 * 3600) > MOST_EMERGENCIES_AN_HOUR:
        raise GlassTooOften


def _times(by: Actor, what: str, period: int, seconds: int) -> int:
    said = salted_hmac(f"patients.{what}", f"{by.ref} {period}", algorithm="sha256").hexdigest()
    key = f"{what}.{said}"
    cache.add(key, 0, timeout=seconds)
    return cache.incr(key)
