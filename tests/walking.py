"""Walks over every route: addresses found by the resolver, asked without what the test client keeps of an answer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from clinics.guards import PageGuard, guard_of
from clinics.models import User

BACKEND = "clinics.accounts.backend.AccountBackend"
WORDS = {
    "purpose": "followup",
    "indicator": "ldl",
    "version": 1,
    "locale": "en",
    "token": "none",
    "kind": "copy",
    "clinic_code": "east",
}
_ID = re.compile(r"<(?:\w+:)?(\w+)>")
_CHANGING = re.compile(r'"[A-Za-z0-9]{64}"|nonce[="-]+[\w+/=-]+')  # CSRF tokens, and the policy's nonce


@dataclass(frozen=True, slots=True)
class Route:
    """One pattern of the resolver. `name` is what `reverse` takes, or the path where there is no name."""

    name: str
    path: str
    pattern: URLPattern

    @property
    def ids(self) -> list[str]:
        return _ID.findall(self.path)

    @property
    def guard(self) -> PageGuard | None:
        return guard_of(self.pattern.callback)

    def address(self, ids: Mapping[str, Any]) -> str:
        """Where it is, with these ids; words that mean nothing are filled in."""
        if not self.pattern.name:
            return "/" + _ID.sub(lambda found: str(ids.get(found[1], "none")), self.path).replace(
                "(?P", ""
            ).replace(".*)$", "")
        return reverse(self.name, kwargs={name: ids.get(name, WORDS.get(name, "1")) for name in self.ids})


@cache
def routes() -> list[Route]:
    """Every route of the product, the packages' and Django admin's among them."""
    return list(_routes(get_resolver().url_patterns))


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "", space: str = "") -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inside = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _routes(pattern.url_patterns, path, inside)
        else:
            yield Route(f"{space}{pattern.name}" if pattern.name else path, path, pattern)


class Walker(Client):
    """A browser, signed in or not, that keeps no copies of templates and contexts: an answer costs what it costs.

    `session` is put into the session beside what signing in leaves. Cookies of answers are not kept.
    """

    def __init__(self, user: User | None = None, session: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        if user is not None:
            self.force_login(user, backend=BACKEND)
            kept = self.session
            kept.update(session or {})
            kept.save()

    def request(self, **request: Any) -> Any:
        return self.handler(self._base_environ(**request))  # type: ignore[attr-defined]  # the stubs leave it out


def comparable(answer: HttpResponse) -> tuple[int, dict[str, str], str]:
    """Status, headers and body, without what differs from one answer to the next in any case."""
    headers = {name: _CHANGING.sub("", value) for name, value in answer.headers.items()}
    return answer.status_code, headers, _CHANGING.sub("", answer.content.decode())
