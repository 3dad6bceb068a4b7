"""What one result means: which indicator, which value in its unit, against which range, and how it stands there.

Pure: a parsed observation, a sex and an age go in, a `Reading` comes out. What cannot be known is not guessed: an unknown
code, a value of another kind or a unit without conversion is kept as printed and compared with nothing.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from records.catalogue import Band, Catalogue, CriticalLine, Direction, Indicator, Kind
from records.choices import Flag, WhyUncatalogued
from records.parsed import ParsedObservation, PrintedCodes, PrintedNumber, PrintedRange, PrintedText
from records.units import Conversion
from records.values import STEPS, Interval, Limits, limits_of, step_of

SNOMED = "http://snomed.info/sct"
_STEP_OF_SNOMED = {"260385009": 0, "10828004": 2, "260415000": 0, "260373001": 2}
_STEP_OF_LOINC = {"LA6577-6": 0, "LA6576-8": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the ranges ask about a person. The birthday may be unknown while the year is known."""

    sex: str = "unknown"
    born_on: date | None = None
    birth_year: int | None = None

    def age_on(self, day: date) -> Interval | None:
        """The age in whole years on a day: exact from a birthday, one of two from a year, None when nothing is known."""
        if self.born_on is not None:
            had_birthday = (day.month, day.day) >= (self.born_on.month, self.born_on.day)
            years = Decimal(day.year - self.born_on.year - (not had_birthday))
            return Interval(years, years)
        if self.birth_year is not None:
            return Interval(Decimal(day.year - self.birth_year - 1), Decimal(day.year - self.birth_year))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The range a value was compared with. `printed` came with the report; otherwise it is the catalogue's of `status`."""

    limits: Limits
    printed: bool
    text: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One result, understood as far as it can be.

    `indicator` is set only when value and unit fit the catalogue. `meant` is the indicator its code stands for, even when
    the result itself could not be used: it decides whether the result must be sealed whole.
    """

    printed: ParsedObservation
    indicator: Indicator | None = None
    meant: Indicator | None = None
    why_uncatalogued: WhyUncatalogued | None = None
    number: Interval | None = None
    step: int | None = None
    answer: str = ""
    conversion: Conversion | None = None
    reference: Reference | None = None
    flag: Flag = Flag.UNFLAGGED
    critical: CriticalLine | None = None
    implausible: bool = False

    @property
    def sealed_whole(self) -> bool:
        """Whether even the code and the flag may not stand in clear."""
        return self.meant is not None and self.meant.sealed

    @property
    def is_catalogued(self) -> bool:
        return self.indicator is not None


def read(printed: ParsedObservation, *, person: Person, catalogue: Catalogue, day: date) -> Reading:
    """Understand one result of a person, taken on `day` by the clinic's calendar."""
    meant, code = _meant(printed, catalogue)
    if meant is None:
        two = len(_indicators(printed, catalogue)) > 1
        return Reading(
            printed=printed,
            why_uncatalogued=WhyUncatalogued.TWO_CODES if two else WhyUncatalogued.UNKNOWN_CODE,
        )
    match meant.kind:
        case Kind.QUANTITY:
            return _quantity(printed, meant, code, person, catalogue, day)
        case Kind.ORDINAL:
            return _ordinal(printed, meant)
        case Kind.CODED:
            return _coded(printed, meant)


def _indicators(printed: ParsedObservation, catalogue: Catalogue) -> dict[str, str]:
    """Each indicator its codes stand for, with the code that says so."""
    found: dict[str, str] = {}
    for coding in printed.codings:
        if indicator := catalogue.by_code(coding.system, coding.code):
            found.setdefault(indicator.key, coding.code)
    return found


def _meant(printed: ParsedObservation, catalogue: Catalogue) -> tuple[Indicator | None, str]:
    found = _indicators(printed, catalogue)
    if len(found) != 1:
        return None, ""
    key, code = next(iter(found.items()))
    return catalogue.indicators[key], code


# Numbers


def _quantity(
    printed: ParsedObservation, meant: Indicator, code: str, person: Person, catalogue: Catalogue, day: date
) -> Reading:
    if not isinstance(printed.value, PrintedNumber):
        return Reading(printed=printed, meant=meant, why_uncatalogued=WhyUncatalogued.WRONG_KIND)
    conversion = _conversion(printed.value, meant, code)
    if conversion is None:
        return Reading(printed=printed, meant=meant, why_uncatalogued=WhyUncatalogued.UNKNOWN_UNIT)
    number = conversion.apply_to(Interval.of(printed.value.number, printed.value.comparator))
    reference = _printed_reference(printed.range, conversion, meant, code) or _catalogue_reference(
        meant.band_for(person.sex, person.age_on(day), adults_from=catalogue.adults_from_age), meant
    )
    implausible = not _is_plausible(number, meant)
    flag, critical = (Flag.UNFLAGGED, None) if implausible else _flag(number, reference, meant)
    return Reading(
        printed=printed,
        indicator=meant,
        meant=meant,
        number=number,
        conversion=conversion,
        reference=reference,
        flag=flag,
        critical=critical,
        implausible=implausible,
    )


def _conversion(value: PrintedNumber, meant: Indicator, code: str) -> Conversion | None:
    """The one way from the printed unit. A unit and a unit code that lead to different ways lead to none."""
    words = [word for word in (value.unit_code, value.unit) if word] or [""]
    found = {way for word in words if (way := meant.conversion_from(word, code=code))}
    return found.pop() if len(found) == 1 else None


def _is_plausible(number: Interval, meant: Indicator) -> bool:
    if meant.plausible is None:
        return True
    low, high = meant.plausible
    return not number.is_below(low) and not number.is_above(high)


def _printed_reference(
    printed: PrintedRange | None, conversion: Conversion, meant: Indicator, code: str
) -> Reference | None:
    """The range of the report in the catalogue's unit, or None where it has none that can be compared."""
    if printed is None:
        return None
    low, high = printed.low, printed.high
    if low is None and high is None:
        limits = limits_of(printed.text)
    else:
        limits = Limits(low.number if low else None, high.number if high else None)
    low_way = _edge_conversion(low, conversion, meant, code)
    high_way = _edge_conversion(high, conversion, meant, code)
    if limits is None or low_way is None or high_way is None:
        return None
    converted = replace(
        limits,
        low=None if limits.low is None else low_way.apply(limits.low),
        high=None if limits.high is None else high_way.apply(limits.high),
    )
    return Reference(limits=converted, printed=True, text=printed.text)


def _edge_conversion(
    edge: PrintedNumber | None, conversion: Conversion, meant: Indicator, code: str
) -> Conversion | None:
    """An edge without a unit of its own is in the unit of the value."""
    if edge is None or not (edge.unit or edge.unit_code):
        return conversion
    return _conversion(edge, meant, code)


def _catalogue_reference(band: Band | None, meant: Indicator) -> Reference | None:
    if band is None:
        return None
    return Reference(limits=Limits(band.low, band.high), printed=False, status=meant.status)


def _flag(
    number: Interval, reference: Reference | None, meant: Indicator
) -> tuple[Flag, CriticalLine | None]:
    """Critical first, by the catalogue; then the range. A bound that does not tell the side is not flagged."""
    if line := meant.critical:
        if line.low is not None and number.is_at_most(line.low):
            return Flag.CRITICAL_LOW, line
        if line.high is not None and number.is_at_least(line.high):
            return Flag.CRITICAL_HIGH, line
    if reference is None:
        return Flag.UNFLAGGED, None
    if meant.bad_direction is Direction.NONE:
        return Flag.NORMAL, None
    return flag_against(number, reference.limits), None


def flag_against(number: Interval, limits: Limits) -> Flag:
    """Low, high or normal against a range; unflagged where a value known only as a bound may be either."""
    below = _outside_low(number, limits)
    above = _outside_high(number, limits)
    if below:
        return Flag.LOW
    if above:
        return Flag.HIGH
    return Flag.UNFLAGGED if below is None or above is None else Flag.NORMAL


def _outside_low(number: Interval, limits: Limits) -> bool | None:
    if limits.low is None:
        return False
    return number.is_at_most(limits.low) if limits.open_low else number.is_below(limits.low)


def _outside_high(number: Interval, limits: Limits) -> bool | None:
    if limits.high is None:
        return False
    return number.is_at_least(limits.high) if limits.open_high else number.is_above(limits.high)


# Words


def _ordinal(printed: ParsedObservation, meant: Indicator) -> Reading:
    step = _step(printed.value)
    if step is None:
        return Reading(printed=printed, meant=meant, why_uncatalogued=WhyUncatalogued.WRONG_KIND)
    usual = step_of(printed.range.text) if printed.range else None
    reference = None
    if usual is not None and printed.range is not None:
        reference = Reference(limits=Limits(high=Decimal(usual)), printed=True, text=printed.range.text)
    elif meant.ordinal_reference is not None:
        usual = STEPS.index(meant.ordinal_reference)
        reference = Reference(
            limits=Limits(high=Decimal(usual)),
            printed=False,
            text=meant.ordinal_reference,
            status=meant.status,
        )
    flag = Flag.UNFLAGGED
    if usual is not None:
        is_bad = meant.bad_direction is not Direction.NONE and step > usual
        flag = Flag.HIGH if is_bad else Flag.NORMAL
    return Reading(printed=printed, indicator=meant, meant=meant, step=step, reference=reference, flag=flag)


def _step(value: PrintedNumber | PrintedText | PrintedCodes) -> int | None:
    match value:
        case PrintedText(text):
            return step_of(text)
        case PrintedCodes(codings, text):
            for coding in codings:
                table = _STEP_OF_SNOMED if coding.system == SNOMED else _STEP_OF_LOINC
                if coding.code in table:
                    return table[coding.code]
            return next(
                (s for word in (text, *(c.display for c in codings)) if (s := step_of(word)) is not None),
                None,
            )
        case _:
            return None


def _coded(printed: ParsedObservation, meant: Indicator) -> Reading:
    """An answer of the list; another answer is kept as text and sets nothing."""
    if isinstance(printed.value, PrintedNumber):
        return Reading(printed=printed, meant=meant, why_uncatalogued=WhyUncatalogued.WRONG_KIND)
    answer = ""
    if isinstance(printed.value, PrintedCodes):
        listed = {a.snomed: a.code for a in meant.answers}
        answer = next(
            (listed[c.code] for c in printed.value.codings if c.system == SNOMED and c.code in listed), ""
        )
    return Reading(printed=printed, indicator=meant, meant=meant, answer=answer)
