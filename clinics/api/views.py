"""One address of the API. An app says what its operations are and how they are read and done; the rest is the same for all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar, cast
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.actors import Actor
from clinics.api.operations import Operation
from clinics.api.paging import KeysetPage
from clinics.api.problems import BodyTooLarge
from clinics.api.repeats import repeat_of
from clinics.guards import ClinicRequest, PageGuard
from clinics.models import ApiToken, Clinic
from clinics.roles import Permission
from clinics.tokens import note_use

MOST_BYTES: Final = 256 * 1024
PAGE_WORDS: Final = frozenset({"limit", "cursor"})
Thing = TypeVar("Thing")


class ApiRequest(Request):
    """DRF's request over ours: the unit of work has set who acts and where."""

    actor: Actor
    clinic: Clinic
    permissions: frozenset[Permission]
    api_token: ApiToken | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Generic[Thing]):
    """What is answered about one thing, its version where it has one, and its address where it was made just now."""

    thing: Thing
    version: str = ""
    address: str = ""


class ApiView(APIView):
    """A subclass gives `operations`, and for them `found` (a page), `shown` (one thing) and `done` (a deed)."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.http_method_names = [method.lower() for method in cls.operations]
        if "GET" in cls.operations:
            cls.http_method_names.append("head")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        view.page_guard = PageGuard(audience="api", methods=cls.operations)  # type: ignore[attr-defined]  # a mark on a function
        return view

    @property
    def operation(self) -> Operation:
        method = self.request.method or ""
        return self.operations["GET" if method == "HEAD" else method]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before the deed: the size of the body, CSRF and rate, and what stands after the `?`."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
            raise BodyTooLarge
        super().initial(request, *args, **kwargs)
        self._know_every_word(request)
        token = cast(ApiRequest, request).api_token
        if token is not None:
            note_use(token, at=timezone.now())

    def _know_every_word(self, request: Request) -> None:
        if (request.method or "").upper() not in self.operations:
            return  # refused as an unknown method in a moment
        filters = self.operation.filters
        known = set(filters.base_filters) if filters else set()
        known |= PAGE_WORDS if self.operation.many else frozenset()
        if set(request.query_params) - known:
            words = ", ".join(sorted(known)) or "—"
            raise ValidationError({"query": [_("After the ? stand only: %(words)s") % {"words": words}]})

    # What an app fills in

    def found(self, request: ApiRequest, **ids: Any) -> KeysetPage:
        """One page of what the actor may see."""
        raise NotImplementedError

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[Any]:
        """One thing as the actor may see it: the one of the address, or the one that was made."""
        raise NotImplementedError

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Do what was asked by the app's service; the id of what was made, or None where the address names it."""
        raise NotImplementedError

    # The methods

    def get(self, request: ApiRequest, **ids: Any) -> Response:
        if not self.operation.many:
            return self._answer(self.shown(request, None, {}, **ids), status=200)
        page = self.found(request, **ids)
        rows = self.operation.gives(page.rows, many=True, context={"request": request}).data
        return Response({"results": rows, "next": self._next(request, page.cursor)})

    def post(self, request: ApiRequest, **ids: Any) -> Response:
        said = self._said(request)
        if not self.operation.repeatable:
            made = self.done(request, said, **ids)
            return self._answer(self.shown(request, made, said, **ids), status=self.operation.status)
        repeat = repeat_of(cast(ClinicRequest, request._request), at=timezone.now())
        again = repeat.made is not None
        if repeat.made is None:
            repeat.made = self.done(request, said, **ids) or next(iter(ids.values()))
            repeat.save(update_fields=["made"])
        answer = self._answer(self.shown(request, repeat.made, said, **ids), status=self.operation.status)
        if again:
            answer["Idempotency-Replayed"] = "true"
        return answer

    def patch(self, request: ApiRequest, **ids: Any) -> Response:
        self.done(request, said := self._said(request), **ids)
        return self._answer(self.shown(request, None, said, **ids), status=200)

    def _said(self, request: ApiRequest) -> Mapping[str, Any]:
        if self.operation.takes is None:
            return {}
        body = self.operation.takes(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        said: Mapping[str, Any] = body.validated_data
        return said

    def _answer(self, shown: Shown[Any], *, status: int) -> Response:
        answer = Response(self.operation.gives(shown.thing).data, status=status)
        if shown.version:
            answer["ETag"] = shown.version
        if shown.address and status == 201:
            answer["Location"] = shown.address
        return answer

    def filtered(self, request: ApiRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Of the rows those that the address asks for. Raises ValidationError."""
        filtered: QuerySet[Any] = self.filters(request, rows).qs
        return filtered

    def filters(self, request: ApiRequest, rows: QuerySet[Any]) -> django_filters.FilterSet:
        """What the address says after its `?`, of an operation that has filters. Raises ValidationError."""
        filters = self.operation.filters
        if filters is None:
            raise TypeError(f"{type(self).__name__} names no filters")
        said = filters(request.query_params, queryset=rows, request=request)
        if not said.is_valid():
            raise ValidationError({name: list(messages) for name, messages in said.errors.items()})
        return said

    @staticmethod
    def _next(request: ApiRequest, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        words = request.query_params.copy()
        words["cursor"] = cursor
        return f"{request.path}?{words.urlencode()}"
