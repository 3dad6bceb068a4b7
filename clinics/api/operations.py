"""One method of one address: who may call it and what it takes and gives. The guard, the view and the schema read the same lines."""

from dataclasses import dataclass
from typing import Any

import django_filters
from rest_framework import serializers

from clinics.guards import Audience, PageGuard

Shape = type[serializers.Serializer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(PageGuard):
    """`takes` is the body, `gives` the answer; `many` a page of them. `filters` are what the address may say after its `?`.

    `repeatable`: asks for an Idempotency-Key, and does the same deed once. `versioned`: answers with an ETag. `held`:
    asks for the ETag of what it changes, in If-Match.
    """

    audience: Audience = "api"
    says: str
    gives: Shape
    takes: Shape | None = None
    many: bool = False
    status: int = 200
    filters: type[django_filters.FilterSet] | None = None
    repeatable: bool = False
    versioned: bool = False
    held: bool = False

    def __post_init__(self) -> None:
        """What the account must be allowed stands with the scope."""
        if self.scope is not None and self.permission is None:
            object.__setattr__(self, "permission", self.scope.permission)
