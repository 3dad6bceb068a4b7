"""The API described as OpenAPI 3, from the same operations that guard and answer it."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import django_filters
from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.response import Response

from clinics.api.operations import Operation, Shape
from clinics.api.paging import LIMITS, USUAL
from clinics.api.views import ApiRequest, ApiView
from clinics.scopes import ApiScope

ROOT: Final = "/api/v1/"
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457. `type` is urn:zhizhi:problem:… and the same in every language; `title` is for people.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "errors": {"type": "object", "additionalProperties": {}, "description": "What was wrong, by field."},
        "similar": {"type": "array", "items": {"type": "object"}, "description": "Similar patients."},
    },
}
REFUSED: Final = {
    "description": "Refused, and nothing was changed.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
SCHEMES: Final[dict[str, Any]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the API, made on the page of an account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "With X-CSRFToken for what changes something.",
    },
}
_TYPES: Final[list[tuple[type[django_filters.Filter], dict[str, str]]]] = [
    (django_filters.UUIDFilter, {"type": "string", "format": "uuid"}),
    (django_filters.IsoDateTimeFilter, {"type": "string", "format": "date-time"}),
    (django_filters.DateFilter, {"type": "string", "format": "date"}),
]


class ApiSchema(AutoSchema):
    """Says of an address what its `Operation`s say."""

    @property
    def _operation(self) -> Operation:
        operation: Operation = self.view.operations[self.method]  # type: ignore[attr-defined]  # an ApiView
        return operation

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        described: Any = super().get_operation(*args, **kwargs)
        operation = self._operation
        answer = described["responses"][str(operation.status)]
        if operation.versioned:
            answer["headers"] = {"ETag": {"schema": {"type": "string"}}}
        described["responses"]["default"] = REFUSED
        return described

    def get_operation_id(self) -> str:
        words = self.path.removeprefix(ROOT).replace("{", "").replace("}", "").replace("-", "_")
        return f"{self.method.lower()}_{'_'.join(words.strip('/').split('/'))}"

    def get_description(self) -> str:  # type: ignore[override]  # two packages, two signatures
        scope = self._operation.scope
        return f"{self._operation.says} Scope: `{scope.value}`." if scope else self._operation.says

    def get_summary(self) -> str | None:
        return None

    def get_auth(self) -> list[Any]:
        return [{"token": []}, {"session": []}]

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix(ROOT).split("/")[0]]

    def get_request_serializer(self) -> Any:
        return self._operation.takes

    def get_response_serializers(self) -> Any:
        operation = self._operation
        return {operation.status: page_shape(operation.gives) if operation.many else operation.gives}

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # a page is an object

    def get_override_parameters(self) -> list[Any]:
        return [*_in_address(self._operation), *_in_head(self._operation)]


@cache
def page_shape(row: Shape) -> Shape:
    """What a page of these rows looks like."""
    fields = {
        "results": row(many=True),
        "next": serializers.CharField(allow_null=True, help_text="The address of the next page."),
    }
    return type(f"{row.__name__}Page", (serializers.Serializer,), fields)


def _in_address(operation: Operation) -> Iterator[OpenApiParameter]:
    for name, one in operation.filters.base_filters.items() if operation.filters else ():
        yield OpenApiParameter(name, _type_of(one), OpenApiParameter.QUERY)
    if operation.many:
        size = {"type": "integer", "minimum": LIMITS[0], "maximum": LIMITS[-1], "default": USUAL}
        yield OpenApiParameter("limit", size, OpenApiParameter.QUERY)
        yield OpenApiParameter("cursor", {"type": "string"}, OpenApiParameter.QUERY)


def _type_of(one: django_filters.Filter) -> dict[str, Any]:
    if isinstance(one, django_filters.ChoiceFilter):
        choices = one.extra["choices"]
        return {
            "type": "string",
            "enum": [value for value, _words in (choices() if callable(choices) else choices)],
        }
    return next((said for kind, said in _TYPES if isinstance(one, kind)), {"type": "string"})


def _in_head(operation: Operation) -> Iterator[OpenApiParameter]:
    if operation.repeatable:
        key = {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,128}$"}
        yield OpenApiParameter("Idempotency-Key", key, OpenApiParameter.HEADER, required=True)
    if operation.held:
        yield OpenApiParameter("If-Match", {"type": "string"}, OpenApiParameter.HEADER, required=True)


def described() -> dict[str, Any]:
    """The whole document, in the language in hand."""
    return _described(get_language())


@cache
def _described(language: str | None) -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    document["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    document["components"]["securitySchemes"] = SCHEMES
    document["x-scopes"] = {scope.value: str(scope.label) for scope in ApiScope}
    return document


class Document(serializers.Serializer[Any]):
    """An OpenAPI document; it describes itself."""


class SchemaView(ApiView):
    """For whoever is signed in, or has a token of any scope."""

    schema = None
    operations = {"GET": Operation(says="This document.", gives=Document)}

    def get(self, request: ApiRequest, **ids: Any) -> Response:
        return Response(described())
