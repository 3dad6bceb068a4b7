"""Filing a report: everything it says in one transaction, once, however often the same file comes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from consent.decisions import NO
from consent.queries import states_of
from crypto.errors import SealBroken
from crypto.fields import Scope
from crypto.services import commitment
from patients.models import Patient
from records.catalogue import catalogue
from records.choices import Cause
from records.details import Detail, detail_of
from records.errors import RecordClosed, ReportChanged, TakenBeforeBirth, TakenInTheFuture
from records.models import ExamReport, Observation, RecordsChange
from records.parsed import ParsedObservation, ParsedReport
from records.readings import Person, Reading, read

CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCounts:
    """What a report holds. Items sealed whole are counted once, in `sealed_whole`, and never told apart here.

    `stored` are results that were not there before, `same` those that were; the rest describes what is stored.
    """

    stored: int = 0
    same: int = 0
    sealed_whole: int = 0
    flagged: int = 0
    critical: int = 0
    implausible: int = 0
    uncatalogued: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "ReportCounts") -> "ReportCounts":
        return ReportCounts(
            stored=self.stored + other.stored,
            same=self.same + other.same,
            sealed_whole=self.sealed_whole + other.sealed_whole,
            flagged=self.flagged + other.flagged,
            critical=self.critical + other.critical,
            implausible=self.implausible + other.implausible,
            uncatalogued=self.uncatalogued + other.uncatalogued,
        )

    @property
    def uncatalogued_count(self) -> int:
        return self.uncatalogued.total()

    @property
    def uncatalogued_by_code(self) -> list[tuple[str, int]]:
        """The sender's codes with their numbers, the commonest first."""
        return self.uncatalogued.most_common()

    def as_json(self) -> dict[str, Any]:
        """For sealed summaries."""
        return {name: getattr(self, name) for name in _NUMBERS} | {"uncatalogued": dict(self.uncatalogued)}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "ReportCounts":
        return cls(
            **{name: kept.get(name, 0) for name in _NUMBERS},
            uncatalogued=Counter(kept.get("uncatalogued", {})),
        )


_NUMBERS = ("stored", "same", "sealed_whole", "flagged", "critical", "implausible")


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledReport:
    """What filing did. `changed` is false when the same report had been filed before."""

    report: ExamReport
    counts: ReportCounts
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What filing would do: the report that is there, and the readings that are not."""

    present: ExamReport | None
    new: tuple[Reading, ...]
    counts: ReportCounts


def person_of(patient: Patient) -> Person:
    """What the ranges ask about a patient. Opens the birth date."""
    born = patient.identity.birth_date
    return Person(
        sex=patient.sex, born_on=date.fromisoformat(born) if born else None, birth_year=patient.birth_year
    )


def weigh_report(patient: Patient | None, person: Person, parsed: ParsedReport, *, at: datetime) -> Weighed:
    """What filing the report would do; nothing is written. `patient` None: a person who has no card yet.

    Needs an access scope with clinical data when the patient has reports.
    Raises TakenInTheFuture, TakenBeforeBirth, ReportChanged, RecordClosed.
    """
    _check_times(parsed, person, at)
    if patient is not None:
        _check_open(patient, at)
    present = _present(patient, parsed) if patient else None
    known = _known(present) if present else {}
    changed = []
    new = []
    for printed in parsed.observations:
        kept = known.get(printed.source_id)
        if kept is None:
            new.append(
                read(printed, person=person, catalogue=catalogue(), day=timezone.localdate(printed.taken_at))
            )
        elif kept.taken_at != printed.taken_at or not Detail(kept.detail).says_the_same_as(printed):
            changed.append(printed.source_id)
    if changed:
        raise ReportChanged(changed)
    counts = counts_of(new, same=len(parsed.observations) - len(new))
    return Weighed(present=present, new=tuple(new), counts=counts)


@transaction.atomic
def file_report(patient: Patient, parsed: ParsedReport, *, by: Actor, at: datetime) -> FiledReport:
    """File what a report says about a patient. The same report again changes nothing; more results of it are added.

    Raises ReportChanged when a result says something else than before under the same number, TakenInTheFuture,
    TakenBeforeBirth, and RecordClosed when the record takes no new entries. Then nothing is changed.
    """
    patient = Patient.objects.select_for_update().get(pk=patient.pk)
    with access(Purpose.CARE, Kind.COMPUTED):
        weighed = weigh_report(patient, person_of(patient), parsed, at=at)
        if weighed.present is not None and not weighed.new:
            return FiledReport(report=weighed.present, counts=weighed.counts, changed=False)
        report = _write_report(patient, parsed, weighed, at)
    _write_observations(patient, report, weighed.new)
    if not parsed.about_the_dead:
        RecordsChange.objects.create(
            clinic_id=patient.clinic_id, patient=patient, cause=Cause.REPORT_FILED, at=at
        )
    return FiledReport(report=report, counts=weighed.counts, changed=True)


def file_observation(
    patient: Patient, source: str, report_id: str, printed: ParsedObservation, *, by: Actor, at: datetime
) -> Observation:
    """File one result as a program sends it, into the report of this number; the same again gives the one that is there.

    Raises as `file_report` does.
    """
    parsed = ParsedReport(
        source_system=source, source_id=report_id, taken_at=printed.taken_at, observations=(printed,)
    )
    filed = file_report(patient, parsed, by=by, at=at)
    with access(Purpose.CARE, Kind.COMPUTED):
        return _known(filed.report)[printed.source_id]


def counts_of(readings: Sequence[Reading], *, same: int = 0) -> ReportCounts:
    """Count readings that are new; what is sealed whole is only counted as such."""
    clear = [reading for reading in readings if not reading.sealed_whole]
    return ReportCounts(
        stored=len(readings),
        same=same,
        sealed_whole=len(readings) - len(clear),
        flagged=sum(reading.flag.is_out_of_range for reading in clear),
        critical=sum(reading.flag.is_critical for reading in clear),
        implausible=sum(reading.implausible for reading in clear),
        uncatalogued=Counter(_code(reading.printed) for reading in clear if not reading.is_catalogued),
    )


def _code(printed: ParsedObservation) -> str:
    return printed.codings[0].code if printed.codings else printed.name


def _check_times(parsed: ParsedReport, person: Person, at: datetime) -> None:
    moments = [printed.taken_at for printed in parsed.observations]
    if max(moments) > at + CLOCKS_DIFFER:
        raise TakenInTheFuture
    if person.born_on is not None and timezone.localdate(min(moments)) < person.born_on:
        raise TakenBeforeBirth


def _check_open(patient: Patient, at: datetime) -> None:
    """A restricted record takes no entry, nor does one whose owner said no to care."""
    if patient.restricted_at is not None or states_of(patient, at)[Purpose.CARE].state in NO:
        raise RecordClosed


def _source_key(patient: Patient, parsed: ParsedReport) -> str:
    """The sender and its number under the patient's key; the length keeps one from running into the other."""
    source = f"{len(parsed.source_system)} {parsed.source_system} {parsed.source_id}"
    return commitment(patient.subject_id, Scope.RECORD, "exam_report.source", source)


def _key(report: ExamReport, source_id: str) -> str:
    return commitment(report.subject_id, Scope.RECORD, "observation.source", source_id)


def _present(patient: Patient, parsed: ParsedReport) -> ExamReport | None:
    """The report as it was filed before. Its key is another one after the patient's keys were changed: then it is opened."""
    reports = list(ExamReport.objects.filter(clinic_id=patient.clinic_id, patient=patient))
    key = _source_key(patient, parsed)
    if found := next((report for report in reports if report.source_key == key), None):
        return found
    return next((report for report in reports if _is_told_by(report, parsed)), None)


def _is_told_by(report: ExamReport, parsed: ParsedReport) -> bool:
    """Whether a report has this sender and number. One that does not open is no obstacle to filing another."""
    try:
        summary = report.summary
    except SealBroken:
        return False
    return (summary.get("sender"), summary.get("source_id")) == (parsed.source_system, parsed.source_id)


def _known(report: ExamReport) -> dict[str, Observation]:
    """The results of a report by the sender's number."""
    return {Detail(row.detail).source_id: row for row in Observation.objects.filter(report=report)}


def _write_report(patient: Patient, parsed: ParsedReport, weighed: Weighed, at: datetime) -> ExamReport:
    report = weighed.present or ExamReport(
        clinic_id=patient.clinic_id,
        patient=patient,
        subject_id=patient.subject_id,
        taken_at=parsed.taken_at,
        filed_at=at,
        observation_count=0,
    )
    report.source_key = _source_key(patient, parsed)
    before = ReportCounts.from_json(report.summary["counts"]) if weighed.present else ReportCounts()
    report.observation_count += len(weighed.new)
    report.summary = {
        "sender": parsed.source_system,
        "source_id": parsed.source_id,
        "title": parsed.title,
        "counts": (before + weighed.counts).as_json(),
    }
    report.save()
    record("report.filed", object=report, subjects=[patient.subject_id], purpose=Purpose.CARE)
    return report


def _write_observations(patient: Patient, report: ExamReport, readings: Sequence[Reading]) -> None:
    version = catalogue().version
    rows = [
        Observation(
            clinic_id=patient.clinic_id,
            patient=patient,
            subject_id=patient.subject_id,
            report=report,
            source_key=_key(report, reading.printed.source_id),
            indicator=reading.indicator.key if reading.indicator and not reading.sealed_whole else "",
            flag=reading.flag if reading.indicator and not reading.sealed_whole else "",
            taken_at=reading.printed.taken_at,
            detail=detail_of(reading, catalogue_version=version),
        )
        for reading in readings
    ]
    Observation.objects.sealed_bulk_create(rows, batch_size=500)
    record(
        "results.filed",
        object=rows[0],
        subjects=[patient.subject_id],
        purpose=Purpose.CARE,
        count=len(rows),
    )
