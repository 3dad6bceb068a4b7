"""One sealed field for each kind of value."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import forms

from crypto.core import values
from crypto.fields.base import GetT, SealedField, SetT


class SealedText(SealedField[SetT, GetT]):
    """A sealed text, in Unicode NFC. "" is a value."""

    _pyi_private_set_type: "str"
    _pyi_private_get_type: "str"

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"{self.aad_name} is a text")
        return values.from_text(value)

    def decode(self, encoded: bytes) -> str:
        return values.to_text(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.CharField, **kwargs})


class SealedInteger(SealedField[SetT, GetT]):
    """A sealed whole number of any size."""

    _pyi_private_set_type: "int"
    _pyi_private_get_type: "int"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{self.aad_name} is a whole number")
        return values.from_integer(value)

    def decode(self, encoded: bytes) -> int:
        return values.to_integer(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.IntegerField, **kwargs})


class SealedBoolean(SealedField[SetT, GetT]):
    """A sealed yes or no. A form has a box to tick; where the field may be NULL, a third answer for not known."""

    _pyi_private_set_type: "bool"
    _pyi_private_get_type: "bool"

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, bool):
            raise TypeError(f"{self.aad_name} is True or False")
        return values.from_boolean(value)

    def decode(self, encoded: bytes) -> bool:
        return values.to_boolean(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        form_class = forms.NullBooleanField if self.null else forms.BooleanField
        return super().formfield(**{"form_class": form_class, "required": False, **kwargs})


class SealedDecimal(SealedField[SetT, GetT]):
    """A sealed number with its digits as given."""

    _pyi_private_set_type: "Decimal | int"
    _pyi_private_get_type: "Decimal"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise TypeError(f"{self.aad_name} is a decimal")
        return values.from_decimal(Decimal(value))

    def decode(self, encoded: bytes) -> Decimal:
        return values.to_decimal(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.DecimalField, **kwargs})


class SealedDate(SealedField[SetT, GetT]):
    """A sealed calendar day."""

    _pyi_private_set_type: "date"
    _pyi_private_get_type: "date"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise TypeError(f"{self.aad_name} is a calendar day")
        return values.from_date(value)

    def decode(self, encoded: bytes) -> date:
        return values.to_date(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.DateField, **kwargs})


class SealedBytes(SealedField[SetT, GetT]):
    """Sealed bytes that fit into a row; larger ones are files (crypto.files)."""

    _pyi_private_set_type: "bytes"
    _pyi_private_get_type: "bytes"

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        options.setdefault("editable", False)
        super().__init__(verbose_name, **options)

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise TypeError(f"{self.aad_name} is bytes")
        return values.from_bytes(value)

    def decode(self, encoded: bytes) -> bytes:
        return values.to_bytes(encoded)


class SealedJSON(SealedField[SetT, GetT]):
    """A sealed object or list. Each reading gives a copy of its own: assign a new value to change it."""

    _pyi_private_set_type: "Mapping[str, Any] | list[Any]"
    _pyi_private_get_type: "Any"

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        options.setdefault("editable", False)
        super().__init__(verbose_name, **options)

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, Mapping | list):
            raise TypeError(f"{self.aad_name} is an object or a list")
        return values.from_json(value)

    def decode(self, encoded: bytes) -> Any:
        return values.to_json(encoded)
