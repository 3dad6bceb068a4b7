"""How often somebody may try. Counted so that whoever guesses is slowed, and whoever owns the account is not locked out.

Attempts on an account are counted per door: the browser the account was signed in on before, else the network the visitor comes from.
A guesser has other doors than the owner. Strangers' doors together have a wider limit, so that many networks are no way round;
a known browser is outside it, and a passkey is never counted, because there is nothing to guess.
The counts stand in the cache under keyed hashes: the cache tells neither who signs in nor from where.
"""

from dataclasses import dataclass
from typing import Final

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from clinics.accounts.devices import knows_device, network_of, token_of


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    most: int
    seconds: int


ONE_DOOR: Final = Limit("door", 5, 5 * 60)
ALL_STRANGERS: Final = Limit("strangers", 60, 60 * 60)
ONE_ADDRESS: Final = Limit("address", 60, 60)  # a whole clinic behind one address signs in at eight
STRENGTH_ASKED: Final = Limit("strength", 120, 60)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try that was counted before its answer is known, so that a hundred at once are not one. Right ones are given back."""

    allowed: bool
    first_refused: bool
    counted: tuple[str, ...]

    def give_back(self) -> None:
        for key in self.counted:
            if cache.get(key):
                cache.decr(key)


def attempt_on(username: str, step: str, request: HttpRequest) -> Attempt:
    """Count one try of a `step` (password, second factor) on an account, which need not exist."""
    name, address = username.lower(), request.META.get("REMOTE_ADDR", "")
    known = knows_device(username, request)
    door = token_of(request) if known else network_of(request)
    counts = [(ONE_ADDRESS, (address,)), (ONE_DOOR, (step, name, door))]
    if not known:
        counts.append((ALL_STRANGERS, (step, name)))
    counted = [(limit, *_count(limit, *what)) for limit, what in counts]
    over = [number - limit.most for limit, _key, number in counted if number > limit.most]
    return Attempt(
        allowed=not over,
        first_refused=bool(over) and max(over) == 1,
        counted=tuple(key for _limit, key, _number in counted),
    )


def too_often(limit: Limit, *what: str) -> bool:
    """Count one use of something that has no right answer."""
    return _count(limit, *what)[1] > limit.most


def _count(limit: Limit, *what: str) -> tuple[str, int]:
    key = (
        "attempts."
        + salted_hmac(f"zhizhi/attempts/{limit.name}", "\x00".join(what), algorithm="sha256").hexdigest()
    )
    cache.add(key, 0, timeout=limit.seconds)
    try:
        return key, int(cache.incr(key))
    except ValueError:  # it ended between the two
        cache.set(key, 1, timeout=limit.seconds)
        return key, 1
