"""What is kept of a reading: the sealed detail of an observation, and the way back. Numbers are kept as text, digit for digit."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from records.catalogue import Indicator, catalogue
from records.choices import Flag, WhyUncatalogued
from records.parsed import (
    ParsedObservation,
    PrintedCodes,
    PrintedNumber,
    PrintedRange,
    PrintedText,
    PrintedValue,
)
from records.readings import Reading, Reference
from records.values import Comparator, Interval, Limits

CODES_KEPT = 5


def detail_of(reading: Reading, *, catalogue_version: int) -> dict[str, Any]:
    """Everything that is known of one result, as JSON without floats. What is absent is left out."""
    printed = reading.printed
    return _without_nothing(
        {
            "catalogue": catalogue_version,
            "source_id": printed.source_id,
            "status": printed.status,
            "name": printed.name,
            "codes": [[c.system, c.code, c.display] for c in printed.codings[:CODES_KEPT]],
            "printed": _printed(printed.value),
            "printed_range": _printed_range(printed.range),
            "printed_flag": printed.printed_flag,
            "indicator": reading.indicator and reading.indicator.key,
            "meant": reading.meant and reading.meant.key,
            "why": reading.why_uncatalogued and reading.why_uncatalogued.value,
            "number": _number(reading),
            "step": reading.step,
            "answer": reading.answer,
            "conversion": reading.conversion and reading.conversion.in_words(),
            "reference": _reference(reading.reference),
            "flag": reading.flag.value,
            "critical": reading.critical
            and _without_nothing(
                {"class": reading.critical.clinical_class, "action": reading.critical.action}
            ),
            "implausible": reading.implausible or None,
        }
    )


def _without_nothing(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None and value != "" and value != []}


def _printed(value: PrintedValue) -> dict[str, Any]:
    match value:
        case PrintedNumber():
            return _without_nothing(
                {
                    "kind": "number",
                    "text": value.text,
                    "sign": value.comparator.value,
                    "unit": value.unit,
                    "unit_code": value.unit_code,
                }
            )
        case PrintedText(text):
            return {"kind": "text", "text": text}
        case PrintedCodes(codings, text):
            return {
                "kind": "codes",
                "text": text,
                "codes": [[c.system, c.code, c.display] for c in codings[:CODES_KEPT]],
            }


def _printed_range(printed: PrintedRange | None) -> dict[str, Any] | None:
    if printed is None:
        return None
    return _without_nothing(
        {
            "low": printed.low and _printed(printed.low),
            "high": printed.high and _printed(printed.high),
            "text": printed.text,
        }
    )


def _number(reading: Reading) -> dict[str, Any] | None:
    """The value in the catalogue's unit: one number and the sign before it."""
    interval = reading.number
    if interval is None:
        return None
    sign = (
        reading.printed.value.comparator
        if isinstance(reading.printed.value, PrintedNumber)
        else Comparator.EXACT
    )
    edge = interval.low if interval.low.is_finite() else interval.high
    return {"value": format(edge, "f"), "sign": sign.value}


def _reference(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    limits = reference.limits
    return _without_nothing(
        {
            "low": None if limits.low is None else format(limits.low, "f"),
            "high": None if limits.high is None else format(limits.high, "f"),
            "open_low": limits.open_low or None,
            "open_high": limits.open_high or None,
            "printed": reference.printed,
            "text": reference.text,
            "status": reference.status,
        }
    )


@dataclass(frozen=True, slots=True)
class Detail:
    """A kept detail, read back. `indicator` is today's catalogue entry of the item; the numbers are those kept."""

    facts: Mapping[str, Any]

    @property
    def source_id(self) -> str:
        """The sender's number of the result."""
        return str(self.facts.get("source_id", ""))

    @property
    def indicator(self) -> Indicator | None:
        return catalogue().indicators.get(self.facts.get("indicator", ""))

    @property
    def meant(self) -> Indicator | None:
        return catalogue().indicators.get(self.facts.get("meant", ""))

    @property
    def flag(self) -> Flag:
        return Flag(self.facts["flag"])

    @property
    def why_uncatalogued(self) -> WhyUncatalogued | None:
        return WhyUncatalogued(self.facts["why"]) if "why" in self.facts else None

    @property
    def implausible(self) -> bool:
        return bool(self.facts.get("implausible"))

    @property
    def comparator(self) -> Comparator:
        return Comparator(self.facts.get("number", {}).get("sign", ""))

    @property
    def value(self) -> Decimal | None:
        """The number in the catalogue's unit, without the sign before it."""
        return Decimal(self.facts["number"]["value"]) if "number" in self.facts else None

    @property
    def number(self) -> Interval | None:
        """Where the number lies, the sign before it considered."""
        return None if self.value is None else Interval.of(self.value, self.comparator)

    @property
    def step(self) -> int | None:
        step: int | None = self.facts.get("step")
        return step

    @property
    def answer(self) -> str:
        return str(self.facts.get("answer", ""))

    @property
    def conversion(self) -> str:
        return str(self.facts.get("conversion", ""))

    @property
    def limits(self) -> Limits | None:
        """The range in force when the value was taken, in the catalogue's unit."""
        kept = self.facts.get("reference")
        if kept is None:
            return None
        low, high = kept.get("low"), kept.get("high")
        return Limits(
            None if low is None else Decimal(low),
            None if high is None else Decimal(high),
            kept.get("open_low", False),
            kept.get("open_high", False),
        )

    @property
    def reference_is_printed(self) -> bool:
        return bool(self.facts.get("reference", {}).get("printed"))

    @property
    def reference_to_confirm(self) -> bool:
        """Whether the catalogue's range waits for the medical director."""
        return bool(self.facts.get("reference", {}).get("status") == "M")

    @property
    def clinical_class(self) -> str:
        """A or B where the value is critical and the catalogue says which; else empty."""
        return str(self.facts.get("critical", {}).get("class", ""))

    @property
    def action(self) -> str:
        """What must happen next, as the follow-up catalogue names it; empty where nothing must."""
        return str(self.facts.get("critical", {}).get("action", ""))

    def says_the_same_as(self, printed: ParsedObservation) -> bool:
        """Whether the sender prints now what was printed then: the code, the value and its range."""
        kept: list[Any] = [self.facts["printed"], self.facts.get("printed_range", {})]
        kept += [code[:2] for code in self.facts.get("codes", [])]
        said: list[Any] = [_printed(printed.value), _printed_range(printed.range) or {}]
        said += [[coding.system, coding.code] for coding in printed.codings[:CODES_KEPT]]
        return kept == said
