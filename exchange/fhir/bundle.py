"""A whole bundle: one person, and their results gathered into reports. Entries may stand in any order."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from exchange.errors import Problem, ReportUnreadable
from exchange.fhir.document import Broken, Node, load
from exchange.fhir.entries import Entries, Resource
from exchange.fhir.observations import TAKEN_BACK, parse_concept, parse_observation
from exchange.fhir.person import ParsedPerson, parse_person
from exchange.fhir.times import moment, taken_at
from records.parsed import ParsedObservation, ParsedReport

MAX_PROBLEMS = 20
_READ = frozenset({"Patient", "Observation", "DiagnosticReport", "Encounter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedBundle:
    """What a file says. `not_read` counts resources this house does not read, `without_value` results that hold none."""

    person: ParsedPerson
    reports: tuple[ParsedReport, ...]
    not_read: Mapping[str, int]
    without_value: int
    taken_back: int


def parse_bundle(data: bytes) -> ParsedBundle:
    """Read a FHIR R4 bundle. Raises ReportUnreadable, naming each place that is wrong; nothing is half read."""
    document = load(data)
    problems: list[Problem] = []
    with _noting(problems):
        if document.text("resourceType") != "Bundle":
            raise Broken("resourceType", _("A FHIR bundle is expected, and this is something else."))
        work = _Work(Entries(document), problems)
        patient = _only_patient(work.entries)
        with _noting(problems):
            work.person = parse_person(patient.node)
        _gather(work, patient)
    if problems or work.person is None:
        raise ReportUnreadable(problems[:MAX_PROBLEMS])
    return ParsedBundle(
        person=work.person,
        reports=tuple(_reports(work, _source_system(document))),
        not_read=dict(Counter(r.kind for r in work.entries.resources if r.kind not in _READ)),
        without_value=work.without_value,
        taken_back=work.taken_back,
    )


@contextmanager
def _noting(problems: list[Problem]) -> Iterator[None]:
    """What is broken inside is noted, and the reading goes on after it."""
    try:
        yield
    except Broken as broken:
        problems.append(broken.problem)


@dataclass(slots=True)
class _Work:
    """What was found so far. `occasions` gathers results by the occasion they were taken on."""

    entries: Entries
    problems: list[Problem]
    person: ParsedPerson | None = None
    occasions: dict[str, list[ParsedObservation]] = field(default_factory=lambda: defaultdict(list))
    titles: dict[str, str] = field(default_factory=dict)
    without_value: int = 0
    taken_back: int = 0


def _only_patient(entries: Entries) -> Resource:
    patients = list(entries.of("Patient"))
    if not patients:
        raise Broken("", _("The file does not say whom it is about: there is no Patient."))
    if len(patients) > 1:
        raise patients[1].node.broken(_("The file is about more than one person. One file holds one person."))
    return patients[0]


def _source_system(document: Node) -> str:
    """Who sent the file, where it says; ids of one sender are not mixed with those of another."""
    meta, identifier = document.get("meta"), document.get("identifier")
    told = (meta.text("source") if meta else "") or (identifier.text("system") if identifier else "")
    return told[:120] or "fhir"


def _gather(work: _Work, patient: Resource) -> None:
    """Put every result with the occasion it was taken on, and note what cannot be used."""
    listed = _listed_in_reports(work)
    seen: set[str] = set()
    for resource in work.entries.of("Observation"):
        with _noting(work.problems):
            if resource.node.text("status") in TAKEN_BACK:
                work.taken_back += 1
                continue
            _check_subject(work, resource, patient)
            results = _results(work, resource, listed.get(id(resource)))
            if not results:
                work.without_value += not _has_components(resource)
                continue
            occasion = _occasion(work, resource, listed.get(id(resource)), results[0].taken_at)
            for result in results:
                if result.source_id in seen:
                    raise resource.node.broken(_("Another result of the file has the same id."))
                seen.add(result.source_id)
                work.occasions[occasion].append(result)
    if not work.occasions and not work.problems:
        raise Broken("", _("The file holds no result."))


def _listed_in_reports(work: _Work) -> dict[int, Resource]:
    """For each result that a DiagnosticReport lists, that report; of several, the one with the smallest id."""
    listed: dict[int, Resource] = {}
    for report in sorted(work.entries.of("DiagnosticReport"), key=lambda report: report.source_id):
        with _noting(work.problems):
            for place, result in enumerate(report.node.items("result")):
                found = work.entries.referred(Node({"result": result.value}, report.node.owner, ""), "result")
                if found is None:
                    raise Broken(
                        f"{report.node.owner} result[{place}]", _("The result it lists is not in the file.")
                    )
                listed.setdefault(id(found), report)
    return listed


def _check_subject(work: _Work, resource: Resource, patient: Resource) -> None:
    resource.node.need("subject")
    if work.entries.referred(resource.node, "subject") is not patient:
        raise Broken(
            f"{resource.node.owner} subject", _("This result belongs to somebody who is not in the file.")
        )


def _has_components(resource: Resource) -> bool:
    return any(True for _component in resource.node.items("component"))


def _results(work: _Work, resource: Resource, report: Resource | None) -> list[ParsedObservation]:
    when = (
        taken_at(resource.node)
        or (taken_at(report.node) if report else None)
        or _start_of_visit(work, resource)
    )
    if when is None:
        raise resource.node.broken(_("It does not say when this was measured."))
    source_id = resource.source_id or _id_of_content(resource, when)
    return list(parse_observation(resource.node, source_id=source_id, taken_at=when))


def _start_of_visit(work: _Work, resource: Resource) -> datetime | None:
    visit = work.entries.referred(resource.node, "encounter")
    period = visit.node.get("period") if visit else None
    start = period.get("start") if period else None
    return moment(start) if start else None


def _id_of_content(resource: Resource, when: datetime) -> str:
    """For senders that give results no id: what was measured, and when."""
    codings, name = parse_concept(resource.node.need("code"))
    return f"{codings[0].code if codings else name}@{when.isoformat()}"


def _occasion(work: _Work, resource: Resource, report: Resource | None, when: datetime) -> str:
    """The sender's id of the occasion: the visit, else the report that lists the result, else the day."""
    visit = work.entries.referred(resource.node, "encounter")
    if visit is None and report is not None:
        visit = work.entries.referred(report.node, "encounter")
    if visit is not None:
        work.titles[visit.source_id] = _title(visit, "type")
        return visit.source_id
    if report is not None:
        work.titles[report.source_id] = _title(report, "code")
        return report.source_id
    return f"day:{timezone.localdate(when).isoformat()}"


def _title(resource: Resource, name: str) -> str:
    found = resource.node.get(name)
    if found is None:
        return ""
    concepts = list(resource.node.items(name)) if isinstance(found.value, list) else [found]
    return parse_concept(concepts[0])[1] if concepts else ""


def _reports(work: _Work, source_system: str) -> Iterator[ParsedReport]:
    """One report for each occasion, oldest first; inside, results in the order they were taken."""
    reports = []
    for source_id, results in work.occasions.items():
        results.sort(key=lambda result: (result.taken_at, result.source_id))
        reports.append(
            ParsedReport(
                source_system=source_system,
                source_id=source_id,
                taken_at=results[0].taken_at,
                observations=tuple(results),
                title=work.titles.get(source_id, ""),
                about_the_dead=bool(work.person and work.person.has_died),
            )
        )
    yield from sorted(reports, key=lambda report: (report.taken_at, report.source_id))
