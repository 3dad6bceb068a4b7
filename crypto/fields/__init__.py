"""Sealed fields. Migrations name them by this package, whichever module holds them."""

from crypto.core.scopes import Scope
from crypto.fields.base import SealedField, seal_reader
from crypto.fields.kinds import (
    SealedBoolean,
    SealedBytes,
    SealedDate,
    SealedDecimal,
    SealedInteger,
    SealedJSON,
    SealedText,
)
from crypto.fields.parts import Parts, SealedParts

__all__ = [
    "Parts",
    "Scope",
    "SealedBoolean",
    "SealedBytes",
    "SealedDate",
    "SealedDecimal",
    "SealedField",
    "SealedInteger",
    "SealedJSON",
    "SealedParts",
    "SealedText",
    "seal_reader",
]
