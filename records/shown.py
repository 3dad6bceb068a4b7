"""How results are shown: values as people read them, rows by item, columns by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from crypto.reading import Unreadable, shown
from records.catalogue import Group, Indicator, catalogue
from records.choices import Flag, WhyUncatalogued
from records.details import Detail
from records.models import Observation
from records.values import Comparator, Limits

_SIGNS = {"<=": "≤", ">=": "≥"}
NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Result:
    """One opened result; or one that could not be read, of which the row alone is known: its item, unless that is sealed too."""

    id: UUID
    report_id: UUID
    taken_at: datetime
    detail: Detail
    unreadable: Unreadable | None = None

    @classmethod
    def of(cls, row: Observation) -> "Result":
        """Open one observation, to be shown."""
        detail = shown(lambda: Detail(row.detail))
        if isinstance(detail, Unreadable):
            return cls(row.pk, row.report_id, row.taken_at, _nothing_of(row.indicator), detail)
        return cls(row.pk, row.report_id, row.taken_at, detail)

    @property
    def day(self) -> date:
        return timezone.localdate(self.taken_at)

    @property
    def indicator(self) -> Indicator | None:
        return self.detail.indicator

    @property
    def name(self) -> str:
        """The catalogue's name, or the sender's where the item is uncatalogued."""
        return self.detail.meant.name if self.detail.meant else str(self.detail.facts["name"])

    @property
    def code(self) -> str:
        """The sender's first code, or empty."""
        codes = self.detail.facts.get("codes", [])
        return codes[0][1] if codes else ""

    @property
    def flag(self) -> Flag:
        return self.detail.flag

    @property
    def why_uncatalogued(self) -> WhyUncatalogued | None:
        return self.detail.why_uncatalogued

    @property
    def implausible(self) -> bool:
        return self.detail.implausible

    @property
    def sealed_whole(self) -> bool:
        return self.detail.meant is not None and self.detail.meant.sealed

    @cached_property
    def value(self) -> str:
        """The value in the catalogue's unit, rounded for reading; as printed where there is none."""
        indicator, detail = self.indicator, self.detail
        if indicator is not None and detail.value is not None:
            return sign_of(detail.comparator) + rounded(detail.value, indicator.decimals)
        if indicator is not None and detail.answer:
            return next((a.name for a in indicator.answers if a.code == detail.answer), self.printed_value)
        return self.printed_value

    @property
    def unit(self) -> str:
        """The unit of `value`."""
        return self.indicator.unit if self.indicator is not None else self.printed_unit

    @property
    def printed_value(self) -> str:
        """The value exactly as the sender wrote it."""
        printed = self.detail.facts["printed"]
        return f"{sign_of(Comparator(printed.get('sign', '')))}{printed.get('text', '')}"

    @property
    def printed_unit(self) -> str:
        printed = self.detail.facts["printed"]
        return str(printed.get("unit") or printed.get("unit_code") or "")

    @property
    def printed(self) -> str:
        """Value and unit exactly as the sender wrote them."""
        return f"{self.printed_value}{NO_BREAK}{self.printed_unit}".strip(NO_BREAK)

    @property
    def conversion(self) -> str:
        return self.detail.conversion

    @property
    def reference(self) -> str:
        """The range in force when it was taken, in the unit of `value`; empty where there is none."""
        limits = self.detail.limits
        if limits is None:
            return self.printed_reference
        if self.indicator is not None and self.detail.step is not None:
            return str(self.detail.facts["reference"].get("text", ""))
        return range_in_words(limits, self.indicator.decimals if self.indicator else 0)

    @property
    def printed_reference(self) -> str:
        """The range as the sender printed it."""
        kept = self.detail.facts.get("printed_range", {})
        if kept.get("text"):
            return str(kept["text"])
        low, high = kept.get("low", {}).get("text"), kept.get("high", {}).get("text")
        return range_in_words(Limits(Decimal(low) if low else None, Decimal(high) if high else None), None)

    @property
    def explanation(self) -> str:
        """What stands behind the shown value: as printed, how converted, against which range, and what to doubt."""
        said = [self.printed] if self.conversion else []
        if self.conversion:
            said.append(self.conversion)
        if self.reference:
            source = (
                _("printed on the report") if self.detail.reference_is_printed else _("from the catalogue")
            )
            said.append(_("range %(range)s, %(source)s") % {"range": self.reference, "source": source})
        if self.detail.reference_to_confirm:
            said.append(_("range to be confirmed by the medical director"))
        if self.implausible:
            said.append(_("cannot be right: check the unit with the sender"))
        if self.why_uncatalogued:
            said.append(str(self.why_uncatalogued.label))
        return _("; ").join(said)


def _nothing_of(indicator: str) -> Detail:
    """The detail of a result that could not be read: an item, no value, no flag."""
    item = {"indicator": indicator, "meant": indicator} if indicator else {}
    return Detail({**item, "name": "", "printed": {}, "flag": Flag.UNFLAGGED.value})


def sign_of(comparator: Comparator) -> str:
    return _SIGNS.get(comparator.value, comparator.value)


def rounded(value: Decimal, decimals: int | None) -> str:
    """A number with the digits people read; None keeps what there is."""
    if decimals is None:
        return f"{value:f}"
    return f"{value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP):f}"


def range_in_words(limits: Limits, decimals: int | None) -> str:
    """`3.50–5.30`, `≤ 5.18`, `≥ 1.04`: an edge keeps more digits where rounding would move it."""
    low = None if limits.low is None else _edge(limits.low, decimals)
    high = None if limits.high is None else _edge(limits.high, decimals)
    if low is not None and high is not None:
        return f"{low}–{high}"
    if high is not None:
        return f"{'<' if limits.open_high else '≤'}{NO_BREAK}{high}"
    if low is not None:
        return f"{'>' if limits.open_low else '≥'}{NO_BREAK}{low}"
    return ""


def _edge(edge: Decimal, decimals: int | None) -> str:
    if decimals is None:
        return f"{edge:f}"
    short = rounded(edge, decimals)
    if Decimal(short) == edge:
        return short
    longer = rounded(edge, decimals + 2).rstrip("0")
    return longer if Decimal(longer) != Decimal(short) else short


@dataclass(frozen=True)
class Row:
    """One item over the days of a table; a cell is None where it was not measured. `reference` is the newest one."""

    indicator: Indicator
    cells: Sequence[Result | None]
    reference: str

    @property
    def newest(self) -> Result:
        return next(cell for cell in reversed(self.cells) if cell is not None)


@dataclass(frozen=True)
class Panel:
    """Rows that stand together under one heading."""

    group: Group
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class ResultsTable:
    """Results by panel and day, oldest day first. `uncatalogued` are kept as printed and compared with nothing."""

    days: Sequence[date]
    panels: Sequence[Panel]
    uncatalogued: Sequence[Result]
    older: bool

    @property
    def unreadable(self) -> int:
        """How many of the results shown could not be read."""
        cells = [cell for row in self.rows for cell in row.cells if cell is not None]
        return sum(result.unreadable is not None for result in [*cells, *self.uncatalogued])

    @property
    def rows(self) -> list[Row]:
        return [row for panel in self.panels for row in panel.rows]

    @property
    def newest_out_of_range(self) -> list[Row]:
        """Items whose newest value is out of range, critical ones first."""
        out = [row for row in self.rows if row.newest.flag.is_out_of_range]
        return sorted(out, key=lambda row: not row.newest.flag.is_critical)


def table_of(results: Sequence[Result], *, older: bool) -> ResultsTable:
    """Arrange opened results. Of several values of one item on one day the last is shown."""
    days = sorted({result.day for result in results})
    by_item: dict[str, dict[date, Result]] = {}
    uncatalogued = []
    for result in sorted(results, key=lambda result: (result.taken_at, result.id)):
        if result.indicator is None:
            uncatalogued.append(result)
        else:
            by_item.setdefault(result.indicator.key, {})[result.day] = result
    indicators = catalogue().indicators
    groups: dict[str, list[Row]] = {}
    for key in sorted(by_item, key=lambda key: indicators[key].place):
        cells = [by_item[key].get(day) for day in days]
        newest = next(cell for cell in reversed(cells) if cell is not None)
        groups.setdefault(indicators[key].group, []).append(Row(indicators[key], cells, newest.reference))
    return ResultsTable(
        days=days,
        panels=[Panel(catalogue().groups[name], rows) for name, rows in groups.items()],
        uncatalogued=uncatalogued[::-1],
        older=older,
    )
