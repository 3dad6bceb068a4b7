"""A report as a reader of files hands it over: nothing interpreted yet, every value as it was printed. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from records.values import Comparator


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of one code system, with the name the sender gives it."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedNumber:
    """A number with its unit. `text` is exactly what was printed, `number` the same as a Decimal."""

    text: str
    number: Decimal
    unit: str = ""
    unit_code: str = ""
    comparator: Comparator = Comparator.EXACT


@dataclass(frozen=True, slots=True)
class PrintedText:
    """A result in words."""

    text: str


@dataclass(frozen=True, slots=True)
class PrintedCodes:
    """A result as a code of some list."""

    codings: tuple[Coding, ...]
    text: str


PrintedValue = PrintedNumber | PrintedText | PrintedCodes


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRange:
    """The reference range as printed: two edges in a unit, or words, or both."""

    low: PrintedNumber | None = None
    high: PrintedNumber | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedObservation:
    """One result. `source_id` is the sender's own id of it, stable when the same file comes again."""

    source_id: str
    codings: tuple[Coding, ...]
    name: str
    taken_at: datetime
    value: PrintedValue
    range: PrintedRange | None = None
    printed_flag: str = ""
    status: str = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedReport:
    """What was measured on one occasion. `about_the_dead` is true when the sender says that the person has died."""

    source_system: str
    source_id: str
    taken_at: datetime
    observations: tuple[ParsedObservation, ...]
    title: str = ""
    about_the_dead: bool = field(default=False)
