"""Marks that rules set and end. The rules live above; here a mark is written once, with its reason, and ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from audit.actors import Actor
from audit.services import record
from patients.choices import TagLevel, TagSource
from patients.models import Patient, PatientTag, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDefinition:
    """What a tag means, as the rule book says. `sealed`: of high sensitivity, so not even its code stands in clear."""

    code: str
    name_zh: str
    name_en: str
    group: str
    level: TagLevel
    sealed: bool = False

    def words(self) -> dict[str, str]:
        """Everything the reader is shown, as plain text."""
        return {name: str(value) for name, value in asdict(self).items() if name != "sealed"}


def set_rule_tag(
    patient: Patient,
    tag: TagDefinition,
    *,
    reason: Mapping[str, Any],
    rule_version: str,
    at: datetime,
    by: Actor,
) -> PatientTag:
    """Mark the chart. A mark that is there stays, and one a person set wins; for other reasons it is ended and set anew.

    `reason` holds the values, dates and words that fired the rule. Opens the patient's sealed tags, so a caller needs an
    access scope with clinical data.
    """
    _lock(patient)
    sealed_reason = {"facts": dict(reason), **({"tag": tag.words()} if tag.sealed else {})}
    present = _tag_in_force(patient, tag.code)
    if present is not None:
        unchanged = present.reason == sealed_reason and present.rule_version == rule_version
        if unchanged or present.source == TagSource.MANUAL:
            return present
        _end(present, at)
    marked = PatientTag.objects.create(
        clinic_id=patient.clinic_id,
        subject_id=patient.subject_id,
        patient=patient,
        tag=None if tag.sealed else _tag_row(tag),
        source=TagSource.RULE,
        rule_version=rule_version,
        reason=sealed_reason,
        set_at=at,
        set_by_id=by.user_id,
    )
    record("tag.set", object=marked, subjects=[patient.subject_id])
    return marked


def end_rule_tag(patient: Patient, code: str, *, at: datetime, by: Actor) -> PatientTag | None:
    """Take the rule's mark off the chart; None when it is not there. A mark a person set stays."""
    _lock(patient)
    present = _tag_in_force(patient, code)
    if present is None or present.source != TagSource.RULE:
        return None
    _end(present, at)
    record("tag.ended", object=present, subjects=[patient.subject_id])
    return present


def end_rule_tags(patient: Patient, *, at: datetime, by: Actor) -> list[PatientTag]:
    """Take every mark off the chart that a rule set; marks that people set stay. Opens nothing, so damage does not stop it."""
    _lock(patient)
    rows = list(
        PatientTag.objects.filter(patient=patient, source=TagSource.RULE, ended_at=None).order_by("set_at")
    )
    for row in rows:
        _end(row, at)
        record("tag.ended", object=row, subjects=[patient.subject_id])
    return rows


def _lock(patient: Patient) -> None:
    """One writer of tags per patient: the database cannot see that two sealed tags are the same."""
    Patient.objects.select_for_update().only("pk").get(pk=patient.pk)


def _tag_in_force(patient: Patient, code: str) -> PatientTag | None:
    rows = PatientTag.objects.filter(patient=patient, ended_at=None).select_related("tag")
    for row in rows:
        if (row.tag.code if row.tag else row.reason["tag"]["code"]) == code:
            return row
    return None


def _tag_row(tag: TagDefinition) -> Tag:
    words = tag.words()
    row, _made = Tag.objects.get_or_create(code=words.pop("code"), defaults=words)
    if any(getattr(row, name) != value for name, value in words.items()):
        Tag.objects.filter(pk=row.pk).update(**words)
    return row


def _end(row: PatientTag, at: datetime) -> None:
    row.ended_at = at
    row.save(update_fields=["ended_at"])
