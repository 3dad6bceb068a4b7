"""Results: one Observation, or several where it is a panel with components."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from exchange.fhir.document import Node
from records.parsed import (
    Coding,
    ParsedObservation,
    PrintedCodes,
    PrintedNumber,
    PrintedRange,
    PrintedText,
    PrintedValue,
)
from records.values import Comparator

TAKEN_BACK = frozenset({"entered-in-error", "cancelled", "registered"})
"""What a sender says of results that do not exist yet or no longer count."""


def parse_observation(resource: Node, *, source_id: str, taken_at: datetime) -> Iterator[ParsedObservation]:
    """Each result an Observation holds: its own value and those of its components, each under its own code.

    Raises Broken at the first part that cannot be used. A result without a value gives nothing.
    """
    if resource.get("modifierExtension"):
        raise resource.broken(_("An extension changes the meaning of this result, and it is not known here."))
    status = resource.text("status")
    components = list(resource.items("component"))
    value = parse_value(resource)
    codings, name = parse_concept(resource.need("code"))
    if value is not None:
        yield ParsedObservation(
            source_id=source_id,
            codings=codings,
            name=name,
            taken_at=taken_at,
            value=value,
            range=_range(resource),
            printed_flag=_printed_flag(resource),
            status=status,
        )
    taken: set[str] = set()
    for place, component in enumerate(components):
        value = parse_value(component)
        if value is None:
            continue
        codings, name = parse_concept(component.need("code"))
        part = codings[0].code if codings and codings[0].code not in taken else str(place)
        taken.add(part)
        yield ParsedObservation(
            source_id=f"{source_id}#{part}",
            codings=codings,
            name=name,
            taken_at=taken_at,
            value=value,
            range=_range(component),
            printed_flag=_printed_flag(component),
            status=status,
        )


def parse_concept(node: Node) -> tuple[tuple[Coding, ...], str]:
    """The codes of a CodeableConcept and the name people read."""
    codings = tuple(
        Coding(coding.text("system"), code, coding.text("display"))
        for coding in node.items("coding")
        if (code := coding.text("code"))
    )
    name = node.text("text") or next((coding.display for coding in codings if coding.display), "")
    if not codings and not name:
        raise node.broken(_("There is neither a code nor a name."))
    return codings, name or codings[0].code


def parse_value(node: Node) -> PrintedValue | None:
    """`value[x]` as printed; None where there is none."""
    if quantity := node.get("valueQuantity"):
        return _quantity(quantity)
    if concept := node.get("valueCodeableConcept"):
        codings, text = parse_concept(concept)
        return PrintedCodes(codings, text)
    for name in ("valueString", "valueDateTime", "valueTime"):
        if found := node.get(name):
            text = found.as_text()
            return PrintedText(text) if text else None
    if integer := node.get("valueInteger"):
        text, number = integer.as_number()
        return PrintedNumber(text=text, number=number)
    if (answer := node.flag("valueBoolean")) is not None:
        return PrintedText("true" if answer else "false")
    if ratio := node.get("valueRatio"):
        return PrintedText(":".join(_words(ratio.need(side)) for side in ("numerator", "denominator")))
    if span := node.get("valueRange"):
        return PrintedText("–".join(_words(edge) for side in ("low", "high") if (edge := span.get(side))))
    if period := node.get("valuePeriod"):
        return PrintedText("–".join(filter(None, (period.text("start"), period.text("end")))))
    if sampled := node.get("valueSampledData"):
        return PrintedText(sampled.text("data"))
    return None


def _quantity(node: Node) -> PrintedNumber | None:
    value = node.get("value")
    if value is None:
        return None
    text, number = value.as_number()
    comparator = node.text("comparator")
    if comparator not in set(Comparator):
        raise node.broken(_("This sign before the number is not known."))
    return PrintedNumber(
        text=text,
        number=number,
        unit=node.text("unit"),
        unit_code=node.text("code"),
        comparator=Comparator(comparator),
    )


def _words(quantity: Node) -> str:
    """A quantity inside a ratio or a range, written as a person would."""
    number = _quantity(quantity)
    return f"{number.comparator}{number.text}{number.unit}" if number else ""


def _range(node: Node) -> PrintedRange | None:
    """The usual range for this person: FHIR leaves its type out where it is the normal one."""
    for printed in node.items("referenceRange"):
        kind = printed.get("type")
        if kind is not None and "normal" not in {coding.code for coding in parse_concept(kind)[0]}:
            continue
        low, high = _edge(printed, "low"), _edge(printed, "high")
        if (
            low
            and high
            and low.number > high.number
            and (low.unit_code, low.unit) == (high.unit_code, high.unit)
        ):
            raise printed.broken(_("The lower edge of the range is above the upper one."))
        return PrintedRange(low=low, high=high, text=printed.text("text"))
    return None


def _edge(printed: Node, name: str) -> PrintedNumber | None:
    edge = printed.get(name)
    return _quantity(edge) if edge else None


def _printed_flag(node: Node) -> str:
    """The sender's own mark (H, L, A …), kept beside the value and not used to flag it."""
    marks = (parse_concept(mark) for mark in node.items("interpretation"))
    return " ".join(codings[0].code if codings else name for codings, name in marks)
