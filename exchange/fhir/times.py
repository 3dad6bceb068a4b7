"""FHIR's dates and times. A day without an hour begins at midnight of the clinic's calendar."""

import re
from datetime import date, datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from exchange.fhir.document import Node

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


def moment(node: Node) -> datetime:
    """An instant, a dateTime or a date. Raises Broken where it is none of them."""
    text = node.as_text()
    try:
        if found := _DATE.fullmatch(text):
            year, month, day = (int(part or 1) for part in found.groups())
            return timezone.make_aware(datetime(year, month, day))
        parsed = datetime.fromisoformat(text)
        return timezone.make_aware(parsed) if timezone.is_naive(parsed) else parsed
    except (ValueError, OverflowError):
        raise node.broken(_("This is not a date or a time.")) from None


def whole_day(node: Node) -> date | None:
    """A birth date; None when only the month or the year is told. Raises Broken where it is no date."""
    text = node.as_text()
    try:
        if len(text) == len("2026-11-21"):
            return date.fromisoformat(text)
        if _DATE.fullmatch(text):
            return None
    except ValueError:
        pass
    raise node.broken(_("This is not a date."))


def taken_at(resource: Node) -> datetime | None:
    """When it was measured: `effective[x]`, the end of a period before its start; None where the resource does not say."""
    for name in ("effectiveDateTime", "effectiveInstant"):
        if found := resource.get(name):
            return moment(found)
    if period := resource.get("effectivePeriod"):
        edge = period.get("end") or period.get("start")
        return moment(edge) if edge else None
    return None
