"""Bringing in the reports of one file: find the card or open one, file every report, in one transaction or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic
from exchange.errors import NobodyMatches, PersonIncomplete
from exchange.fhir import ParsedBundle, parse_bundle
from exchange.identity import Note, Told, card_of, may_open_card, told_by
from patients.models import Patient
from patients.services import open_card as open_patient_card
from records.parsed import ParsedReport
from records.services import ReportCounts, file_report, person_of, weigh_report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One report of the file: what it holds, and whether it is new here, completed by this file, or the same."""

    taken_at: datetime
    title: str
    counts: ReportCounts

    @property
    def outcome(self) -> str:
        if not self.counts.stored:
            return "same"
        return "update" if self.counts.same else "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import did, or on a dry run would do. `patient` None: a card would have to be opened."""

    patient: Patient | None
    opens_card: bool
    lines: tuple[ReportLine, ...]
    counts: ReportCounts
    not_read: Mapping[str, int]
    without_value: int
    taken_back: int
    notes: tuple[Note, ...]


def import_report(
    data: bytes, *, clinic: Clinic, open_card: bool, by: Actor, at: datetime, dry_run: bool = False
) -> ImportResult:
    """Bring in one file. Raises ReportUnreadable for what cannot be read, and everything `import_bundle` raises."""
    return import_bundle(
        parse_bundle(data), clinic=clinic, open_card=open_card, by=by, at=at, dry_run=dry_run
    )


@transaction.atomic
def import_bundle(
    bundle: ParsedBundle, *, clinic: Clinic, open_card: bool, by: Actor, at: datetime, dry_run: bool = False
) -> ImportResult:
    """Bring in a file that was read. Nothing is written on a dry run, nor when anything is refused.

    Raises NobodyMatches (unless `open_card`), SeveralMatch, CardContradicts, PersonIncomplete, and what filing raises.
    """
    told = told_by(bundle.person, at=at)
    patient = card_of(told, clinic.pk)
    if patient is None:
        _check_may_open(told, open_card)
    if dry_run:
        lines = [_weighed(patient, told, report, at) for report in bundle.reports]
        return _result(bundle, told, lines, patient=patient, opens_card=patient is None)
    opens_card = patient is None
    if patient is None:
        patient = _open_card(told, clinic, by, at)
    lines = [_filed(patient, report, by, at) for report in bundle.reports]
    return _result(bundle, told, lines, patient=patient, opens_card=opens_card)


def _check_may_open(told: Told, open_card: bool) -> None:
    if not open_card:
        raise NobodyMatches
    if not may_open_card(told):
        raise PersonIncomplete


def _open_card(told: Told, clinic: Clinic, by: Actor, at: datetime) -> Patient:
    if told.identity is None:
        raise PersonIncomplete
    return open_patient_card(clinic=clinic, identity=told.identity, by=by, at=at)


def _weighed(patient: Patient | None, told: Told, report: ParsedReport, at: datetime) -> ReportLine:
    with access(Purpose.CARE, Kind.COMPUTED):
        person = person_of(patient) if patient else told.person
        weighed = weigh_report(patient, person, report, at=at)
    return ReportLine(taken_at=report.taken_at, title=report.title, counts=weighed.counts)


def _filed(patient: Patient, report: ParsedReport, by: Actor, at: datetime) -> ReportLine:
    filed = file_report(patient, report, by=by, at=at)
    return ReportLine(taken_at=report.taken_at, title=report.title, counts=filed.counts)


def _result(
    bundle: ParsedBundle, told: Told, lines: list[ReportLine], *, patient: Patient | None, opens_card: bool
) -> ImportResult:
    return ImportResult(
        patient=patient,
        opens_card=opens_card,
        lines=tuple(lines),
        counts=sum((line.counts for line in lines), ReportCounts()),
        not_read=bundle.not_read,
        without_value=bundle.without_value,
        taken_back=bundle.taken_back,
        notes=told.notes,
    )
