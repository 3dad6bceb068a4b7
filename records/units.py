"""Units as they are printed, and the way from them to the unit the catalogue keeps. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from records.values import Interval

UCUM = "http://unitsofmeasure.org"

_SAME_WORD = {
    "°c": "Cel",
    "度": "Cel",
    "°f": "°F",
    "次/分": "/min",
    "次/min": "/min",
    "次/分钟": "/min",
    "bpm": "/min",
    "beats/min": "/min",
    "{beats}/min": "/min",
    "breaths/min": "/min",
    "公斤": "kg",
    "千克": "kg",
    "厘米": "cm",
    "米": "m",
    "毫米汞柱": "mmHg",
}
_BRACKETED = re.compile(r"\[(iu|IU|Hg|pH|HPF|in_i|lb_av)\]")
_LITRE = re.compile(r"(?<![A-Za-z])([munpfd]?)l(?![A-Za-z])")
_POWER = re.compile(r"[x×*]?10[*^]?(3|6|9|12)(?!\d)")


def spelled(unit: str) -> str:
    """One spelling for one unit: `10^9/L`, `×10⁹/L` and `10*9/L` become the same word.

    Only the spelling changes. `mL/min` and `mL/min/1.73m²` stay two units, as do `g/L` and `g/dL`.
    """
    plain = unicodedata.normalize("NFKC", unit).replace(" ", "")
    plain = _SAME_WORD.get(plain.casefold(), plain)
    plain = _BRACKETED.sub(r"\1", plain).replace("{1.73_m2}", "1.73m2")
    plain = plain.replace("μ", "u").replace("{", "").replace("}", "")
    plain = _POWER.sub(r"10*\1", plain)
    return _LITRE.sub(r"\1L", plain)


@dataclass(frozen=True, slots=True)
class Conversion:
    """canonical = (printed x times + plus) / over. `unit` is the printed unit as the catalogue spells it."""

    unit: str
    times: Decimal = Decimal(1)
    plus: Decimal = Decimal(0)
    over: Decimal = Decimal(1)

    @property
    def is_identity(self) -> bool:
        """True when only the spelling of the unit differs from the catalogue's."""
        return self.times == 1 and self.plus == 0 and self.over == 1

    def apply(self, number: Decimal) -> Decimal:
        """The number in the catalogue's unit, not rounded."""
        return (number * self.times + self.plus) / self.over

    def apply_to(self, interval: Interval) -> Interval:
        """The same for a value known only as a bound; every conversion of the catalogue rises."""
        return Interval(
            self.apply(interval.low), self.apply(interval.high), interval.open_low, interval.open_high
        )

    def in_words(self) -> str:
        """How a person would write it beside the value, for example `×0.02586`; empty where nothing is computed."""
        if self.is_identity:
            return ""
        words = f"×{self.times:f}"
        if self.plus:
            words += f" {'+' if self.plus > 0 else '−'} {abs(self.plus):f}"
        return f"({words}) ÷ {self.over:f}" if self.over != 1 else words
