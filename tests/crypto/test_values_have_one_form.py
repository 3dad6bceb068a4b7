"""Typed values: what goes in comes out, equal values have equal bytes, another type is refused."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from crypto.core import values
from crypto.core.suites import Broken


def test_empty_zero_and_false_are_values_of_their_own() -> None:
    encoded = [
        values.from_text(""),
        values.from_integer(0),
        values.from_decimal(Decimal(0)),
        values.from_boolean(False),
        values.from_json({}),
        values.from_json([]),
        values.from_bytes(b""),
    ]
    assert len(set(encoded)) == len(encoded)
    assert values.to_text(encoded[0]) == ""
    assert values.to_integer(encoded[1]) == 0
    assert values.to_decimal(encoded[2]) == 0
    assert values.to_boolean(encoded[3]) is False
    assert values.to_json(encoded[4]) == {}
    assert values.to_json(encoded[5]) == []
    assert values.to_bytes(encoded[6]) == b""


def test_a_decimal_keeps_its_digits() -> None:
    for text in ("5.20", "5.2", "-0.001", "0", "100", "0.00"):
        assert str(values.to_decimal(values.from_decimal(Decimal(text)))) == text
    assert str(values.to_decimal(values.from_decimal(Decimal("1E+3")))) == "1000"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_decimal_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        values.from_decimal(Decimal(text))


def test_text_is_kept_in_one_unicode_form() -> None:
    assert values.from_text("e\u0301") == values.from_text("\u00e9")
    assert values.to_text(values.from_text("䶮𬭎·阿依")) == "䶮𬭎·阿依"


def test_a_date_comes_back() -> None:
    assert values.to_date(values.from_date(date(1960, 2, 29))) == date(1960, 2, 29)


def test_json_is_canonical() -> None:
    left: values.Json = {"b": [1, True, None], "a": {"值": "高", "\U00010000": "x", "\ufb33": "y"}}
    right: values.Json = {"a": {"\ufb33": "y", "\U00010000": "x", "值": "高"}, "b": (1, True, None)}
    assert values.from_json(left) == values.from_json(right)
    encoded = values.from_json(left)[1:].decode()
    assert encoded == '{"a":{"值":"高","\U00010000":"x","\ufb33":"y"},"b":[1,true,null]}'
    assert json.loads(encoded) == left


@pytest.mark.parametrize("value", [1.5, {"a": 0.1}, [date(2026, 1, 1)], {1: "a"}, {"a": {2}}, b"x"])
def test_json_refuses_what_would_not_come_back_as_it_was(value: object) -> None:
    with pytest.raises(TypeError):
        values.from_json(value)  # type: ignore[arg-type]


def test_json_refuses_an_integer_other_readers_would_round() -> None:
    assert values.to_json(values.from_json([2**53 - 1])) == [2**53 - 1]
    with pytest.raises(ValueError, match="exact"):
        values.from_json([2**53])


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(Broken):
        values.to_text(values.from_decimal(Decimal(1)))
    with pytest.raises(Broken):
        values.to_decimal(values.from_text("1"))
    with pytest.raises(Broken):
        values.to_decimal(values.DECIMAL + b"one")
    with pytest.raises(Broken):
        values.to_json(b"")


NOT_OF_ITS_TYPE = [
    (values.to_text, values.TEXT + b"\xff"),
    (values.to_integer, values.INTEGER + b"4.5"),
    (values.to_decimal, values.DECIMAL + b"\xff"),
    (values.to_date, values.DATE + b"1960-02-30"),
    (values.to_boolean, values.BOOLEAN + b"\2"),
    (values.to_json, values.JSON + b'{"a":'),
    (values.to_json, values.JSON + b"\xff"),
]


@pytest.mark.parametrize(("read", "encoded"), NOT_OF_ITS_TYPE)
def test_bytes_that_are_no_value_of_their_type_are_refused_and_not_repeated(
    read: Callable[[bytes], object], encoded: bytes
) -> None:
    with pytest.raises(Broken) as refused:
        read(encoded)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
