"""What reaches the log: which code failed and how, never what it had in hand.

The text of an exception may hold what somebody typed or what was opened ("invalid literal for int(): …"), and so may an
address that somebody typed by hand. Both stay out; types, places in the code and codes of the database stay in.
"""

import logging
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import Resolver404, resolve

OURS = (
    "audit",
    "clinics",
    "config",
    "consent",
    "crypto",
    "desk",
    "exchange",
    "followups",
    "patients",
    "portal",
    "records",
)
NO_PAGE = "(no such page)"


class Discreet(logging.Formatter):
    """One line, and for an exception where it was raised, with the chain of its causes."""

    def format(self, record: logging.LogRecord) -> str:
        copy = logging.makeLogRecord(record.__dict__)
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            copy.args = tuple(_of_a_page(arg, request) for arg in record.args or ())
        elif isinstance(record.args, Mapping):
            copy.args = _of_a_task(record.args, record.exc_info[1] if record.exc_info else None)
        elif record.args:
            copy.args = tuple(said(arg) if isinstance(arg, BaseException) else arg for arg in record.args)
        copy.exc_text = None
        return super().format(copy)

    def formatException(self, ei: Any) -> str:  # the name is logging's
        return "\n".join(_chain(ei[1])) if ei[1] else ""


def route_of(request: HttpRequest) -> str:
    """The page's pattern with the ids that were asked for left out, or that there is no such page."""
    try:
        return "/" + resolve(request.path_info).route
    except Resolver404:
        return NO_PAGE


def _of_a_page(arg: object, request: HttpRequest) -> object:
    """Django escapes the address before it comes here; nothing else in its messages begins with a slash."""
    return route_of(request) if isinstance(arg, str) and arg.startswith("/") else arg


def said(error: BaseException) -> str:
    """What may be told of an exception: ours carry ids alone, and what is wrong with a setting is for whoever starts us; both are
    told whole, others by type and code.
    """
    kind = type(error)
    if kind is ImproperlyConfigured or kind.__module__.partition(".")[0] in OURS:
        return f"{kind.__qualname__}: {error}" if str(error) else kind.__qualname__
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return " ".join([name, *_codes(error)])


def _codes(error: BaseException) -> Iterator[str]:
    """What the system or the database says in words of their own."""
    if isinstance(error, OSError) and error.strerror:
        yield f"({error.strerror})"
    if state := getattr(error, "pgcode", None):
        told = getattr(error, "diag", None)
        names = [getattr(told, name, None) for name in ("table_name", "constraint_name")]
        yield f"({', '.join([state, *(name for name in names if name)])})"


def _chain(error: BaseException) -> Iterator[str]:
    """The first cause first, as Python prints it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _chain(before)
        yield "\nand then:\n"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    yield said(error)


def _of_a_task(told: Mapping[str, object], error: BaseException | None) -> dict[str, object]:
    """Celery passes a dictionary with the exception, its traceback and the task's arguments as text."""
    hidden = {"exc": said(error) if error else "", "traceback": "", "args": "", "kwargs": ""}
    return {key: hidden.get(key, value) for key, value in told.items()}
