"""Results as the person reads them: a verdict in words first, then what to mind, then the rest. The counts add up."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit.actors import Actor
from consent.decisions import NO
from consent.queries import PurposeStanding
from patients.models import Patient
from portal.trends import Trend, trend_of
from records.choices import Flag
from records.queries import results_table
from records.shown import Result, ResultsTable, Row, rounded
from records.values import Comparator


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One item out of its range, and how it moved since the time before."""

    newest: Result
    previous: Result | None
    trend: Trend | None

    @property
    def movement(self) -> str:
        """“0.53 lower than on 12 May 2026.” Nothing where the two cannot be compared as numbers."""
        if self.previous is None or self.newest.indicator is None:
            return ""
        now, then = _exact(self.newest), _exact(self.previous)
        if now is None or then is None:
            return ""
        facts = {
            "difference": rounded(abs(now - then), self.newest.indicator.decimals),
            "unit": self.newest.unit,
            "day": _day_in_words(self.previous.day),
        }
        if now == then:
            return _("The same as on %(day)s.") % facts
        if now < then:
            return _("%(difference)s %(unit)s lower than on %(day)s.") % facts
        return _("%(difference)s %(unit)s higher than on %(day)s.") % facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The newest value of every item of the last visits. `set_apart` counts items that are told in person, not shown here;
    `unreadable` those that are damaged and in no other list. `stopped`: the person said no to reports, so none is shown."""

    taken_on: date | None
    concerns: list[Concern]
    in_range: list[Result]
    without_range: list[Result]
    set_apart: int
    unreadable: int
    stopped: bool = False

    @property
    def count(self) -> int:
        return len(self.concerns) + len(self.in_range) + len(self.without_range)

    @property
    def critical(self) -> list[Concern]:
        return [concern for concern in self.concerns if concern.newest.flag.is_critical]

    @property
    def above(self) -> int:
        return sum(1 for concern in self.concerns if concern.newest.flag.side == "high")

    @property
    def below(self) -> int:
        return len(self.concerns) - self.above

    @property
    def headline(self) -> str:
        """The one thing the page says."""
        if self.stopped:
            return _("You switched reports off")
        if not self.count and not self.unreadable:
            return _("No results yet")
        if self.critical:
            return _("Something needs a doctor now")
        if self.unreadable:  # nobody knows what they say
            return _("Results to look at together")
        if not self.concerns:
            return _("All within range") if self.in_range else _("Results to look at together")
        return (
            _("Most of it is fine") if len(self.in_range) > len(self.concerns) else _("A few things to mind")
        )

    @property
    def sentence(self) -> str:
        """What stands behind the headline, without judging more than the ranges do."""
        if self.stopped:
            return _(
                "Your results are told to you in person and on paper. Switch it on under My permissions."
            )
        if self.critical:
            names = _(", ").join(concern.newest.name for concern in self.critical)
            return _(
                "%(names)s: the clinic calls you. Do not wait if you feel unwell: call the clinic, or 120."
            ) % {"names": names}
        if self.unreadable:
            names = _(", ").join(concern.newest.name for concern in self.concerns)
            return _("Outside the range: %(names)s.") % {"names": names} if names else ""
        if self.concerns:
            names = _(", ").join(concern.newest.name for concern in self.concerns[:3])
            if len(self.concerns) > 3:
                return _(
                    "%(names)s and others, %(count)s in all, are outside their range. None of them is critical."
                ) % {
                    "names": names,
                    "count": len(self.concerns),
                }
            return _("Outside the range: %(names)s. Nothing among them is critical.") % {"names": names}
        return _("Nothing stands outside its range.") if self.in_range else ""


def summary_of(table: ResultsTable) -> Summary:
    """Sort the newest value of each row; what the catalogue seals whole is only counted."""
    own = [row for row in table.rows if not row.newest.sealed_whole]
    rows = [row for row in own if row.newest.unreadable is None]
    uncatalogued = [result for result in table.uncatalogued if not result.sealed_whole]
    concerns = [_concern(row) for row in rows if row.newest.flag.is_out_of_range]
    return Summary(
        taken_on=table.days[-1] if table.days else None,
        concerns=sorted(concerns, key=lambda concern: not concern.newest.flag.is_critical),
        in_range=[row.newest for row in rows if row.newest.flag is Flag.NORMAL],
        without_range=[row.newest for row in rows if row.newest.flag is Flag.UNFLAGGED]
        + [result for result in uncatalogued if result.unreadable is None],
        set_apart=len(table.rows) - len(own) + len(table.uncatalogued) - len(uncatalogued),
        unreadable=len(own) - len(rows) + sum(result.unreadable is not None for result in uncatalogued),
    )


def results_of(actor: Actor, patient: Patient, reports: PurposeStanding) -> Summary:
    """The person's own results; none is opened where they said no to reports on the phone."""
    if reports.state in NO:
        return Summary(
            taken_on=None,
            concerns=[],
            in_range=[],
            without_range=[],
            set_apart=0,
            unreadable=0,
            stopped=True,
        )
    return summary_of(results_table(actor, patient))


def _concern(row: Row) -> Concern:
    measured = [cell for cell in row.cells if cell is not None and cell.unreadable is None]
    previous = measured[-2] if len(measured) > 1 else None
    return Concern(newest=measured[-1], previous=previous, trend=trend_of(measured))


def _exact(result: Result) -> Decimal | None:
    """The value as a number, unless it is only known as a bound."""
    return result.detail.value if result.detail.comparator is Comparator.EXACT else None


def _day_in_words(day: date) -> str:
    return date_format(day, _("j N Y"))
