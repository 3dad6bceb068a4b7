"""Letting the rules look at a patient's facts. Rests on the permission for risk estimates and automatic tags."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from consent.choices import Operation
from consent.errors import ConsentMissing
from consent.permitted import requires_consent
from patients.choices import TagSource
from patients.models import Patient
from patients.queries import patient_for, tags_of
from patients.services import end_rule_tag, set_rule_tag
from records.details import Detail
from records.models import Observation
from records.rules import Evidence, Facts, Known, RuleBook, rule_book
from records.services.filing import person_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChange:
    """What a rule did to a chart. `action` is what a person must do at once, empty where nothing."""

    code: str
    is_set: bool
    action: str = ""


@transaction.atomic
def apply_rules(patient_id: UUID, *, at: datetime, by: Actor) -> list[TagChange]:
    """Set the tags whose rules are true and take off those whose rules are false; unknown leaves the chart as it is.

    Without the patient's permission nothing is looked at and nothing changes. Raises PatientNotFound, and SealBroken where a
    result or a tag does not open: then nothing changes either.
    """
    patient = patient_for(by, patient_id)
    try:
        return _apply(patient, rule_book(), at, by)
    except ConsentMissing:
        return []


@requires_consent(
    Purpose.RISK,
    op=Operation.AUTOMATED,
    patient=lambda patient, book, at, by: patient.pk,
    at=lambda patient, book, at, by: at,
)
@access(Purpose.RISK, Kind.COMPUTED)
def _apply(patient: Patient, book: RuleBook, at: datetime, by: Actor) -> list[TagChange]:
    present = {tag.code: tag.id for tag in tags_of(by, patient) if tag.source == TagSource.RULE}
    changes = []
    for verdict in book.judge(facts_of(patient, at, days=book.longest_window_days)):
        tag = verdict.rule.tag
        if verdict.truth:
            reason = {"rule": tag.code, "evidence": [_reason(evidence) for evidence in verdict.evidence]}
            marked = set_rule_tag(patient, tag, reason=reason, rule_version=book.version, at=at, by=by)
            if present.get(tag.code) != marked.pk and marked.source == TagSource.RULE:
                changes.append(TagChange(code=tag.code, is_set=True, action=verdict.rule.action))
        elif verdict.truth is False and tag.code in present:
            end_rule_tag(patient, tag.code, at=at, by=by)
            changes.append(TagChange(code=tag.code, is_set=False))
    return changes


def facts_of(patient: Patient, at: datetime, *, days: int) -> Facts:
    """What the rules may ask about a patient at a moment, back to `days` before. Opens results, those sealed whole too."""
    rows = Observation.objects.filter(
        ~Q(indicator="") | Q(flag=""),
        patient=patient,
        taken_at__lte=at,
        taken_at__gt=at - timedelta(days=days),
    ).order_by("-taken_at", "-pk")
    results: defaultdict[str, list[Known]] = defaultdict(list)
    for row in rows:
        detail = Detail(row.detail)
        if detail.indicator is not None and not detail.implausible:
            results[detail.indicator.key].append(
                Known(observation_id=row.pk, taken_at=row.taken_at, detail=detail)
            )
    return Facts(at=at, person=person_of(patient), results=results)


def _reason(evidence: Evidence) -> dict[str, Any]:
    """One leaf that fired, with the value, its unit and its date, for whoever asks why."""
    test = f"{evidence.op} {_in_words(evidence.wanted)}"
    if evidence.known is None:
        return {"path": evidence.path, "test": test}
    detail = evidence.known.detail
    indicator = detail.meant
    return {
        "path": evidence.path,
        "test": test,
        "name_zh": indicator.name_zh if indicator else "",
        "name_en": indicator.name_en if indicator else "",
        "value": _value(detail),
        "unit": indicator.unit if indicator else "",
        "taken_at": evidence.known.taken_at.isoformat(),
        "observation": str(evidence.known.observation_id),
    }


def _value(detail: Detail) -> str:
    if detail.value is not None:
        return f"{detail.comparator}{detail.value:f}"
    return str(detail.facts["printed"].get("text", ""))


def _in_words(wanted: object) -> str:
    return (
        "/".join(map(str, wanted))
        if isinstance(wanted, Sequence) and not isinstance(wanted, str)
        else str(wanted)
    )
