"""Default deny: a view that does not say who may come and for which purpose must not exist."""

from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from clinics.guards import guard_of

PACKAGES = ("django.", "allauth.")


def every_pattern(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from every_pattern(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern), pattern


def our_views() -> list[tuple[str, URLPattern]]:
    return [
        (path, pattern)
        for path, pattern in every_pattern(get_resolver().url_patterns)
        if not pattern.callback.__module__.startswith(PACKAGES)
        and not path.startswith("admin/")  # Django's site, to which the unit of work has its own door
    ]


@pytest.mark.parametrize(("path", "pattern"), our_views(), ids=[path or "/" for path, _ in our_views()])
def test_every_view_of_ours_says_what_it_is(path: str, pattern: URLPattern) -> None:
    guard = guard_of(pattern.callback)

    assert guard is not None, f"{path} is open to anybody: declare it with clinics.guards"
    if path.startswith("p/"):
        assert guard.audience in ("patient", "portal_entry")
    elif path.startswith("api/"):
        assert guard.audience == "api"
        assert all(one.scope for one in guard.methods.values()) or path == "api/v1/schema/"
    else:
        assert guard.audience in ("staff", "account", "visitor", "public")


def test_only_health_is_public() -> None:
    public = [
        path
        for path, pattern in our_views()
        if (guard := guard_of(pattern.callback)) and guard.audience == "public"
    ]

    assert public == ["health/"]


def test_only_these_pages_are_reached_before_signing_in_or_before_a_second_factor() -> None:
    """Each is small and opens nothing: the lock, the language, and the link to a new password."""
    guards = {path: guard for path, pattern in our_views() if (guard := guard_of(pattern.callback))}

    assert {path for path, guard in guards.items() if guard.audience == "visitor"} == {
        "account/language/",
        "account/password/strength/",
        "account/password/reset/",
        "account/password/reset/<slug:token>/",
    }
    assert {path for path, guard in guards.items() if guard.before_second_factor} == {
        "account/session/",
        "account/session/alive/",
        "account/lock/",
        "account/locked/",
        "account/unlock/",
        "account/unlock/passkey/",
    }


def test_the_walk_finds_the_pages_of_every_app() -> None:
    modules = {pattern.callback.__module__.split(".")[0] for _, pattern in our_views()}

    assert {"desk", "portal", "patients", "consent", "records", "followups", "exchange"} <= modules


@pytest.mark.parametrize(("path", "pattern"), our_views(), ids=[path or "/" for path, _ in our_views()])
def test_no_address_takes_a_name_or_a_number_that_means_something(path: str, pattern: URLPattern) -> None:
    kinds = {type(converter).__name__ for converter in pattern.pattern.converters.values()}

    assert kinds <= {"UUIDConverter", "SlugConverter", "IntConverter"}
