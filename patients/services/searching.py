"""How often one account may search: whoever works at a desk never meets the limit, whoever copies a list of people does."""

from datetime import datetime
from typing import Final

from django.core.cache import cache
from django.utils.crypto import salted_hmac

from audit.actors import Actor
from patients.errors import SearchTooOften

MOST_SEARCHES_A_MINUTE: Final = 120  # the box looks while somebody types, and the form looks for twins
SECONDS_COUNTED: Final = 120


def count_search(by: Actor, *, at: datetime) -> None:
    """One search more of this account in this minute. Raises SearchTooOften beyond 120 of them, in whichever clinic.

    The count stands in the cache under a keyed hash, so that the cache does not tell who works when.
    """
    if by.kind == "system":
        return
    minute = int(at.timestamp()) // 60
    key = (
        "searches."
        + salted_hmac("patients.count_search", f"{by.ref} {minute}", algorithm="sha256").hexdigest()
    )
    cache.add(key, 0, timeout=SECONDS_COUNTED)
    if cache.incr(key) > MOST_SEARCHES_A_MINUTE:
        raise SearchTooOften
