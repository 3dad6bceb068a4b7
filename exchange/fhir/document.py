"""From bytes to a JSON document whose every part knows where it stands. Numbers keep the text they were printed with."""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from exchange.errors import Problem, ReportUnreadable

MAX_BYTES = 20 * 1024 * 1024
MAX_DEPTH = 64
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,2})?")
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")  # what no database keeps
_INVISIBLE = dict.fromkeys([0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF])


class Broken(Exception):
    """One place that cannot be used. Collected by the reader of the bundle."""

    def __init__(self, where: str, why: str | Promise) -> None:
        self.problem = Problem(where, why)
        super().__init__(where)


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number, not yet computed with: its text is what was printed."""

    text: str


class _TwiceNamed(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise _TwiceNamed(next(name for name in names if names.count(name) > 1))
    return found


def load(data: bytes) -> "Node":
    """The document in a file. Raises ReportUnreadable when it is too large, not UTF-8, not JSON, or nested too deeply."""
    if len(data) > MAX_BYTES:
        raise _unreadable("", _("The file is larger than 20 MB."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(_("byte %d") % error.start, _("The file is not UTF-8 text.")) from None
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number
        )
    except _TwiceNamed as error:
        raise _unreadable(
            str(error), _("The name stands twice in one object, so it is not clear which one counts.")
        ) from None
    except json.JSONDecodeError as error:
        where = _("line %(line)d, column %(column)d") % {"line": error.lineno, "column": error.colno}
        raise _unreadable(where, _("The file is not JSON from here on.")) from None
    except RecursionError:
        raise _unreadable("", _("The file is nested more deeply than any report.")) from None
    _check_depth(document)
    return Node(document, "", "")


def _unreadable(where: str | Promise, why: str | Promise) -> ReportUnreadable:
    return ReportUnreadable([Problem(str(where), why)])


def _check_depth(document: object) -> None:
    layer = [document]
    for _depth in range(MAX_DEPTH):
        layer = [
            child
            for part in layer
            for child in (part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())
            if isinstance(child, dict | list)
        ]
        if not layer:
            return
    raise _unreadable("", _("The file is nested more deeply than any report."))


def clean(text: str) -> str:
    """Text for people: composed, without invisible characters, and without spaces at the ends."""
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE)).strip()


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the document. `owner` names the entry and resource it belongs to, `path` the way inside."""

    value: Any
    owner: str
    path: str

    @property
    def where(self) -> str:
        return f"{self.owner} {self.path}".strip()

    def broken(self, why: str | Promise) -> Broken:
        """This place cannot be used."""
        return Broken(self.where, why)

    def called(self, owner: str) -> "Node":
        """The same part, spoken of from here on as belonging to `owner`."""
        return Node(self.value, owner, "")

    def get(self, name: str) -> "Node | None":
        """The part called `name`; None where it is absent. Raises Broken where this is no object."""
        if not isinstance(self.value, dict):
            raise self.broken(_("An object is expected here."))
        if self.value.get(name) is None:
            return None
        return Node(self.value[name], self.owner, f"{self.path}.{name}" if self.path else name)

    def need(self, name: str) -> "Node":
        """The part called `name`. Raises Broken where it is absent."""
        found = self.get(name)
        if found is None:
            raise Broken(
                f"{self.where}.{name}" if self.path else f"{self.owner} {name}".strip(), _("This is missing.")
            )
        return found

    def items(self, name: str) -> Iterator["Node"]:
        """The members of the list called `name`; none where it is absent. Raises Broken where it is no list."""
        found = self.get(name)
        if found is None:
            return
        if not isinstance(found.value, list):
            raise found.broken(_("A list is expected here."))
        for place, member in enumerate(found.value):
            yield Node(member, self.owner, f"{found.path}[{place}]")

    def text(self, name: str) -> str:
        """The text called `name`, cleaned; empty where it is absent. Raises Broken where it is no text."""
        found = self.get(name)
        return "" if found is None else found.as_text()

    def as_text(self) -> str:
        """This part as text. Raises Broken where it is something else, or holds characters no database can keep."""
        if not isinstance(self.value, str):
            raise self.broken(_("Text is expected here."))
        if _NO_TEXT.search(self.value):
            raise self.broken(_("This text holds characters that are not text."))
        return clean(self.value)

    def flag(self, name: str) -> bool | None:
        """The yes or no called `name`; None where it is absent. Raises Broken where it is something else."""
        found = self.get(name)
        if found is None or isinstance(found.value, bool):
            return None if found is None else found.value
        raise found.broken(_("Yes or no (true, false) is expected here."))

    def as_number(self) -> tuple[str, Decimal]:
        """This part as it was printed and as a Decimal. Raises Broken where it is no number a person could have printed."""
        if not isinstance(self.value, Number):
            raise self.broken(_("A number is expected here."))
        if not _PLAIN_NUMBER.fullmatch(self.value.text):
            raise self.broken(_("This number is not one that can be measured."))
        return self.value.text, Decimal(self.value.text)
