"""Refusals as RFC 9457 problem details, in the reader's language. They say what was wrong, and never repeat what was sent."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.response import Response

from clinics.errors import NotSignedIn, TokenRefused
from crypto.errors import ClinicError

MEDIA_TYPE: Final = "application/problem+json"
ROOT: Final = "/api/"
KINDS: Final = "urn:zhizhi:problem:"


class Problem(ClinicError):
    """A refusal of the API alone. `more` are members beside the standard ones: ids and codes, nothing of a person."""

    def __init__(self, **more: Any) -> None:
        super().__init__()
        self.more = more


class BodyTooLarge(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = gettext_lazy("The body is larger than 256 KiB.")


class RepeatKeyMissing(Problem):
    """Without a repeat key nobody could send the request again after a broken connection."""

    status = HTTPStatus.BAD_REQUEST
    message = gettext_lazy(
        "Send an Idempotency-Key of 8 to 128 letters, digits and hyphens with this request."
    )


class RepeatKeyTaken(Problem):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = gettext_lazy("This Idempotency-Key was used for another request in the last 24 hours.")


class RepeatInProgress(Problem):
    status = HTTPStatus.CONFLICT
    message = gettext_lazy("The same request is being worked on. Ask again in a moment.")


class VersionMissing(Problem):
    status = HTTPStatus.PRECONDITION_REQUIRED
    message = gettext_lazy("Read it first, and send its ETag back in If-Match.")


class ChangedMeanwhile(Problem):
    status = HTTPStatus.PRECONDITION_FAILED
    message = gettext_lazy("Somebody changed this after you read it. Read it again.")


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(ROOT)


def problem_of(error: ClinicError) -> HttpResponse:
    """The answer that says no, for whatever the domain refused."""
    body = _body(type(error).__name__, error.status, str(error.message))
    answer = JsonResponse(
        {**body, **getattr(error, "more", {})}, status=error.status, content_type=MEDIA_TYPE
    )
    if isinstance(error, NotSignedIn | TokenRefused):
        answer["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        answer["Retry-After"] = "60"
    return answer


def server_problem() -> HttpResponse:
    """What is answered where we failed ourselves."""
    said = _("Something went wrong here. Nothing was changed.")
    body = _body("ServerError", HTTPStatus.INTERNAL_SERVER_ERROR, said)
    return JsonResponse(body, status=HTTPStatus.INTERNAL_SERVER_ERROR, content_type=MEDIA_TYPE)


def answer(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. What the domain refused is left to the unit of work, which rolls back and tells the log."""
    if not isinstance(error, APIException):
        return None
    body = _body(type(error).__name__, error.status_code, _title(error))
    if isinstance(error, ValidationError):
        body["errors"] = _plain(error.detail)
    headers = {"Retry-After": str(round(wait))} if (wait := getattr(error, "wait", None)) else {}
    return Response(body, status=error.status_code, headers=headers, content_type=MEDIA_TYPE)


def _title(error: APIException) -> str:
    if isinstance(error, ValidationError):
        return _("Some of what was sent cannot be taken. Nothing was changed.")
    # The package's own sentence repeats what was sent: the media type, or the place in the body.
    return {
        400: _("The body is not JSON."),
        405: _("This address does not know this method."),
        406: _("Answers are JSON alone."),
        415: _("Send the body as application/json."),
        429: _("Too many requests in one minute. Please wait a minute and try again."),
    }.get(error.status_code, _("This is not allowed."))


def _body(name: str, status: int, title: str) -> dict[str, Any]:
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
    return {"type": f"{KINDS}{kind}", "title": title, "status": int(status)}


def _plain(detail: Any) -> Any:
    """The messages by field, as plain lists and mappings."""
    if isinstance(detail, Mapping):
        return {str(name): _plain(one) for name, one in detail.items()}
    if isinstance(detail, list | tuple):
        return [_plain(one) for one in detail]
    return str(detail) if isinstance(detail, ErrorDetail | str) else detail
