"""How a measured value may be known: exactly, as a bound, as a step of a scale. Pure: no database, no clock."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Self

INFINITY = Decimal("Infinity")


class Comparator(StrEnum):
    """What a sender prints before a number it could not measure exactly (FHIR QuantityComparator)."""

    EXACT = ""
    LESS = "<"
    AT_MOST = "<="
    AT_LEAST = ">="
    MORE = ">"


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a number lies: between `low` and `high`, an edge left out where `open_low` or `open_high` says so."""

    low: Decimal
    high: Decimal
    open_low: bool = False
    open_high: bool = False

    @classmethod
    def of(cls, number: Decimal, comparator: Comparator = Comparator.EXACT) -> Self:
        """The interval a printed number stands for: `<0.5` is everything below 0.5."""
        match comparator:
            case Comparator.LESS:
                return cls(-INFINITY, number, open_high=True)
            case Comparator.AT_MOST:
                return cls(-INFINITY, number)
            case Comparator.AT_LEAST:
                return cls(number, INFINITY)
            case Comparator.MORE:
                return cls(number, INFINITY, open_low=True)
            case _:
                return cls(number, number)

    def is_at_least(self, limit: Decimal) -> bool | None:
        """True when every possible value is >= limit, False when none is, None when the bound does not tell."""
        if self.low >= limit:
            return True
        if self.high < limit or (self.high == limit and self.open_high):
            return False
        return None

    def is_above(self, limit: Decimal) -> bool | None:
        """True when every possible value is > limit, False when none is, None when the bound does not tell."""
        if self.low > limit or (self.low == limit and self.open_low):
            return True
        if self.high <= limit:
            return False
        return None

    def is_at_most(self, limit: Decimal) -> bool | None:
        """The opposite of is_above."""
        above = self.is_above(limit)
        return None if above is None else not above

    def is_below(self, limit: Decimal) -> bool | None:
        """The opposite of is_at_least."""
        reached = self.is_at_least(limit)
        return None if reached is None else not reached

    def equals(self, number: Decimal) -> bool | None:
        """True when exactly `number`, False when it cannot be, None when it may be."""
        if self.low == self.high == number:
            return True
        return False if self.is_below(number) or self.is_above(number) else None


STEPS = ("阴性", "±", "1+", "2+", "3+", "4+")
_STEP_OF = {
    **dict.fromkeys(("阴性", "阴", "-", "(-)", "neg", "negative", "absent", "未检出", "not detected"), 0),
    **dict.fromkeys(("±", "+-", "+/-", "(±)", "(+-)", "弱阳性", "微量", "trace", "weakly positive"), 1),
    **dict.fromkeys(
        ("阳性", "阳", "pos", "positive", "present", "detected", "检出", "+", "(+)", "1+", "+1", "(1+)"), 2
    ),
    **dict.fromkeys(("2+", "+2", "++", "(++)", "(2+)"), 3),
    **dict.fromkeys(("3+", "+3", "+++", "(+++)", "(3+)"), 4),
    **dict.fromkeys(("4+", "+4", "++++", "(++++)", "(4+)"), 5),
}


def step_of(text: str) -> int | None:
    """The place of an ordinal result on 阴性 < ± < 1+ < 2+ < 3+ < 4+, or None when the word is not on the scale.

    A bare 阳性 says no grade and takes the lowest positive step.
    """
    word = unicodedata.normalize("NFKC", text).strip().casefold().rstrip("↑↓ ").replace("−", "-")
    return _STEP_OF.get(word)


_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"^({_NUMBER})\s*(?:--?|~|–|—|至|to)\s*({_NUMBER})$")
_BOUND = re.compile(rf"^(<=|>=|<|>|≤|≥)\s*({_NUMBER})$")
_SIGNS = {"≤": "<=", "≥": ">="}


@dataclass(frozen=True, slots=True)
class Limits:
    """A reference range: edges inclusive unless open, None where there is no edge."""

    low: Decimal | None = None
    high: Decimal | None = None
    open_low: bool = False
    open_high: bool = False


def limits_of(text: str) -> Limits | None:
    """Read a printed range such as `3.5-5.3`, `3.5～5.3`, `<5.18` or `≥1.04`; None when it says anything else."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if found := _RANGE.match(plain):
        low, high = Decimal(found[1]), Decimal(found[2])
        return Limits(low, high) if low <= high else None
    if found := _BOUND.match(plain):
        sign, edge = _SIGNS.get(found[1], found[1]), Decimal(found[2])
        if sign.startswith("<"):
            return Limits(high=edge, open_high=sign == "<")
        return Limits(low=edge, open_low=sign == ">")
    return None
