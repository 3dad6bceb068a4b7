"""What a view is: who may come, for which purpose, and how its openings are told in the log.

Every view of the project carries one of these; a test walks the URLs and fails the build for a view without.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic, StaffRole
from clinics.roles import Permission
from clinics.scopes import ApiScope

Audience = Literal["staff", "account", "visitor", "patient", "portal_entry", "public", "api"]
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class ClinicRequest(HttpRequest):
    """A request as our views see it: the middleware has set who acts and where."""

    actor: Actor
    clinic: Clinic
    roles: list[StaffRole]
    permissions: frozenset[Permission]
    patient_id: UUID | None  # on the pages of the portal: whose they are (portal.queries.on_screen)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageGuard:
    """`purpose` None means that the page opens nothing sealed: without a scope an opening is refused.

    `scope` is what a token must say beside the permission; `methods` are the guards of an address of the API, by HTTP method.
    """

    audience: Audience
    purpose: Purpose | None = None
    kind: Kind = Kind.VIEWED
    permission: Permission | None = None
    before_second_factor: bool = False
    scope: ApiScope | None = None
    methods: "Mapping[str, PageGuard]" = field(default_factory=dict)

    def of(self, method: str) -> "PageGuard":
        """The guard of one method, where an address of the API has several."""
        return self.methods.get("GET" if method == "HEAD" else method, self)


def guard_of(view: object) -> PageGuard | None:
    return getattr(view, "page_guard", None)


def staff_page(
    purpose: Purpose | None, kind: Kind = Kind.VIEWED, *, permission: Permission | None = None
) -> Callable[[View], View]:
    """A page for staff at work in a clinic, with `permission` when it is given."""
    return _declare(PageGuard(audience="staff", purpose=purpose, kind=kind, permission=permission))


def account_page(*, before_second_factor: bool = False) -> Callable[[View], View]:
    """A page about one's own account, for any signed-in staff, in a clinic or in none. It opens nothing of a patient."""
    return _declare(PageGuard(audience="account", before_second_factor=before_second_factor))


def visitor_page(view: View) -> View:
    """A page outside the portal for anybody, signed in or not. It opens nothing."""
    return _declare(PageGuard(audience="visitor"))(view)


def portal_page(purpose: Purpose, kind: Kind = Kind.VIEWED) -> Callable[[View], View]:
    """A page for a signed-in patient. Its address starts with the clinic's code, which the middleware consumes."""
    return _declare(PageGuard(audience="patient", purpose=purpose, kind=kind))


def portal_entry(purpose: Purpose | None = None, kind: Kind = Kind.MATCHED) -> Callable[[View], View]:
    """A page of the portal that is reached before signing in."""
    return _declare(PageGuard(audience="portal_entry", purpose=purpose, kind=kind))


def public_page(view: View) -> View:
    """A page for anybody that knows no clinic and opens nothing."""
    return _declare(PageGuard(audience="public"))(view)


def _declare(guard: PageGuard) -> Callable[[View], View]:
    def declare(view: View) -> View:
        view.page_guard = guard  # type: ignore[attr-defined]  # a mark on a function
        return view

    return declare
