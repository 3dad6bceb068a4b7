"""A value and its type as one byte string: a tag byte, then the value in the one form it has.

Equal values have equal bytes, so bytes decide whether a value changed. Numbers in JSON are whole: a measured number is a
decimal, and a binary fraction would not come back as it was printed.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

import orjson

from crypto.core.suites import Broken

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

TEXT, INTEGER, DECIMAL, DATE, BOOLEAN, JSON, BYTES = (bytes((tag,)) for tag in range(1, 8))
LARGEST_JSON_INTEGER = 2**53 - 1  # RFC 8785: what every reader of JSON keeps exact


def from_text(value: str) -> bytes:
    """Text in Unicode NFC. Raises ValueError for a text that cannot be stored (a lone surrogate)."""
    return TEXT + unicodedata.normalize("NFC", value).encode()


def from_integer(value: int) -> bytes:
    return INTEGER + str(value).encode()


def from_decimal(value: Decimal) -> bytes:
    """The digits as given: 5.20 and 5.2 are different statements of precision. Raises ValueError unless finite."""
    if not value.is_finite():
        raise ValueError("a sealed decimal must be finite")
    return DECIMAL + format(value, "f").encode()


def from_date(value: date) -> bytes:
    return DATE + value.isoformat().encode()


def from_boolean(value: bool) -> bytes:
    return BOOLEAN + (b"\1" if value else b"\0")


def from_bytes(value: bytes) -> bytes:
    return BYTES + value


def from_json(value: Json) -> bytes:
    """Canonical JSON (RFC 8785). Raises TypeError for floats and foreign types, ValueError for too large integers."""
    return JSON + json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":")).encode()


def _ordered(value: Json) -> Json:
    """The same value with the keys of every object in RFC 8785's order, that of their UTF-16 units."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if abs(value) > LARGEST_JSON_INTEGER:
            raise ValueError("an integer in sealed JSON must be exact in every reader")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of sealed JSON are text")
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    raise TypeError(f"sealed JSON cannot hold {type(value).__name__}; write a measured number as text")


# The causes of what follows would carry the value into a log, so `Broken` has none.


def _body(encoded: bytes, tag: bytes) -> bytes:
    if encoded[:1] != tag:
        raise Broken("a value of another type")
    return encoded[1:]


def to_text(encoded: bytes) -> str:
    try:
        return _body(encoded, TEXT).decode()
    except UnicodeDecodeError:
        raise Broken("not a text") from None


def to_integer(encoded: bytes) -> int:
    try:
        return int(_body(encoded, INTEGER))
    except ValueError:
        raise Broken("not an integer") from None


def to_decimal(encoded: bytes) -> Decimal:
    try:
        return Decimal(_body(encoded, DECIMAL).decode())
    except (InvalidOperation, UnicodeDecodeError):
        raise Broken("not a decimal") from None


def to_date(encoded: bytes) -> date:
    try:
        return date.fromisoformat(_body(encoded, DATE).decode())
    except ValueError:
        raise Broken("not a calendar day") from None


def to_boolean(encoded: bytes) -> bool:
    body = _body(encoded, BOOLEAN)
    if body not in (b"\0", b"\1"):
        raise Broken("neither yes nor no")
    return body == b"\1"


def to_bytes(encoded: bytes) -> bytes:
    return _body(encoded, BYTES)


def to_json(encoded: bytes) -> Json:
    if not encoded.startswith(JSON):
        raise Broken("a value of another type")
    try:
        value: Json = orjson.loads(encoded[1:])
    except orjson.JSONDecodeError:
        raise Broken("not JSON") from None
    return value
