"""A program that talks to the API, and one call of every address with what it needs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from clinics.api import Operation
from clinics.models import ApiToken
from clinics.scopes import ApiScope
from config.api import urlpatterns

Ids = Mapping[str, Any]


class Machine:
    """Speaks JSON with a token, or with none."""

    def __init__(self, secret: str | None = None, *, client: Client | None = None) -> None:
        self._client = client or Client(raise_request_exception=False)
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if method == "GET":
            return self._client.get(path, headers=sent)
        send = {"POST": self._client.post, "PATCH": self._client.patch}[method]
        text = body if isinstance(body, str | bytes) else json.dumps(body if body is not None else {})
        return send(path, text, content_type="application/json", headers=sent)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, *, key: str | None = "", **headers: str) -> Any:
        """`key` is the repeat key; by itself a fresh one, None sends none."""
        if key is not None:
            headers["Idempotency-Key"] = key or str(uuid4())
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)


@dataclass(frozen=True)
class Call:
    """One method of one address. `of` names the page whose ETag it sends back."""

    name: str
    method: str
    operation: Operation
    body: Mapping[str, Any] = field(default_factory=dict)
    etag_of: str = ""

    @property
    def label(self) -> str:
        return f"{self.method} {self.name}"

    def path(self, ids: Ids) -> str:
        pattern = next(one for one in urlpatterns if one.name == self.name)
        return reverse(f"api:{self.name}", kwargs={name: ids[name] for name in pattern.pattern.converters})

    def send(
        self, machine: Machine, ids: Ids, *, body: Mapping[str, Any] | None = None, **headers: str
    ) -> Any:
        """Call it as it is meant to be called."""
        said = dict(self.body if body is None else body)
        if said.get("notice") == "newest":
            said["notice"] = str(ids["notice"])
        if self.operation.repeatable:
            headers.setdefault("Idempotency-Key", str(uuid4()))
        if self.etag_of and "If_Match" not in headers:
            pattern = next(one for one in urlpatterns if one.name == self.etag_of)
            of = reverse(
                f"api:{self.etag_of}", kwargs={name: ids[name] for name in pattern.pattern.converters}
            )
            headers["If_Match"] = machine.get(of).headers.get("ETag", '"none"')
        return machine.call(self.method, self.path(ids), said, **headers)


SAID: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "patients"): {
        "name": "顾念慈",
        "gender": "female",
        "birth_date": "1971-04-09",
        "phone": "13900004321",
        "email": "gu.nianci@example.invalid",
    },
    ("PATCH", "patient"): {"phone": "13900008765"},
    ("POST", "patient_search"): {"q": "陈雅琴"},
    ("POST", "reveal"): {"part": "phone", "reason": "call"},
    ("POST", "observations"): {
        "identifier": {"system": "urn:invented:lab", "value": "g-77"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "13457-7", "display": "LDL-C"}]},
        "effective_date_time": (timezone.now()).isoformat(),
        "value_quantity": {"value": "5.10", "unit": "mmol/L"},
        "reference_range": {"high": {"value": "3.40"}},
    },
    ("POST", "consents"): {
        "purpose": "followup",
        "decision": "permit",
        "notice": "newest",
        "told": True,
        "method": "verbal_witnessed",
        "witness": "沈护士",
    },
    ("POST", "withdrawal"): {"method": "verbal_witnessed"},
    ("POST", "outcome"): {"outcome": "reached", "note": "打了家里电话，本人接的。", "read_back": True},
}
ETAG_OF = {("PATCH", "patient"): "patient", ("POST", "outcome"): "follow_up"}


def calls() -> Iterator[Call]:
    """Every method of every address. One without a body here sends an empty one."""
    for pattern in urlpatterns:
        for method, operation in operations_of(pattern).items():
            key = (method, str(pattern.name))
            yield Call(key[1], method, operation, SAID.get(key, {}), ETAG_OF.get(key, ""))


def operations_of(pattern: URLPattern) -> Mapping[str, Operation]:
    found: Mapping[str, Operation] = pattern.callback.page_guard.methods  # type: ignore[attr-defined]
    return found


def call(name: str, method: str = "GET") -> Call:
    return next(one for one in calls() if (one.name, one.method) == (name, method))


ALL_SCOPES = [scope.value for scope in ApiScope]


def without(scope: str) -> list[str]:
    return [one for one in ALL_SCOPES if one != scope]


def row_of(token_id: UUID) -> ApiToken:
    return ApiToken.objects.get(pk=token_id)
