"""What is known of a patient. The caller has passed `patient_for` and stands in an access scope."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max
from django.db.models.functions import TruncDate

from audit.actors import Actor
from crypto.reading import Unreadable, shown
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from records.catalogue import catalogue
from records.models import ExamReport, Observation
from records.services.filing import ReportCounts
from records.shown import Result, ResultsTable, table_of

DAYS_SHOWN = 6
TIMELINE_LENGTH = 50


def results_table(actor: Actor, patient: Patient, *, days: int = DAYS_SHOWN) -> ResultsTable:
    """The newest `days` days with results, by panel and day."""
    found = list(
        Observation.objects.filter(patient=patient)
        .annotate(day=TruncDate("taken_at"))
        .values_list("day", flat=True)
        .order_by("-day")
        .distinct()[: days + 1]
    )
    if not found:
        return table_of([], older=False)
    shown = found[:days]
    rows = Observation.objects.of(patient.pk).filter(taken_at__date__gte=shown[-1])
    return table_of(opened_results(actor, patient, rows), older=len(found) > days)


def latest_results(actor: Actor, patient: Patient) -> list[Result]:
    """The newest result of every catalogued item, in the catalogue's order."""
    clear = Observation.objects.filter(patient=patient).exclude(indicator="")
    newest = clear.order_by("indicator", "-taken_at", "-pk").distinct("indicator")
    whole = Observation.objects.of(patient.pk).filter(indicator="")
    found: dict[str, Result] = {}
    for result in opened_results(actor, patient, [*newest, *whole]):
        if result.indicator is not None:
            found.setdefault(result.indicator.key, result)
    indicators = catalogue().indicators
    return sorted(found.values(), key=lambda result: indicators[result.detail.facts["indicator"]].place)


def history_of(actor: Actor, patient: Patient, key: str) -> list[Result]:
    """Every result of one item, newest first; empty for an item that is not in the catalogue."""
    indicator = catalogue().indicators.get(key)
    if indicator is None:
        return []
    rows = Observation.objects.of(patient.pk).filter(indicator="" if indicator.sealed else key)
    return [
        r for r in opened_results(actor, patient, rows) if r.indicator is not None and r.indicator.key == key
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One report on the patient's time line. Where it does not open, `title` is the marker that says so."""

    report_id: UUID
    taken_at: datetime
    filed_at: datetime
    title: str | Unreadable
    counts: ReportCounts


def timeline(actor: Actor, patient: Patient, *, limit: int = TIMELINE_LENGTH) -> list[TimelineEntry]:
    """The newest reports of a patient."""
    reports = ExamReport.objects.filter(patient=patient).order_by("-taken_at", "-pk")[:limit]
    return [_entry(report) for report in reports]


def _entry(report: ExamReport) -> TimelineEntry:
    summary = shown(lambda: report.summary)
    return TimelineEntry(
        report_id=report.pk,
        taken_at=report.taken_at,
        filed_at=report.filed_at,
        title=summary if isinstance(summary, Unreadable) else summary["title"],
        counts=ReportCounts()
        if isinstance(summary, Unreadable)
        else ReportCounts.from_json(summary["counts"]),
    )


def last_report_at(patient_id: UUID) -> datetime | None:
    """When something was last measured on the patient; None where no report was filed. Opens nothing."""
    newest: datetime | None = ExamReport.objects.filter(patient_id=patient_id).aggregate(at=Max("taken_at"))[
        "at"
    ]
    return newest


def opened_results(actor: Actor, patient: Patient, rows: Iterable[Observation]) -> list[Result]:
    """Open rows, leaving out items sealed whole for whoever may not see them, and what might be one but cannot be read."""
    results = [Result.of(row) for row in rows]
    if _sees_sealed_items(actor, patient):
        return results
    return [r for r in results if not r.sealed_whole and (r.indicator is not None or not r.unreadable)]


def _sees_sealed_items(actor: Actor, patient: Patient) -> bool:
    """The care team and the person do; somebody else's proxy does not."""
    if actor.kind != "patient" or actor.user_id is None:
        return actor.kind != "patient"
    return PortalAccess.objects.filter(
        user_id=actor.user_id, patient=patient, relation=PortalRelation.SELF
    ).exists()
