"""The marks on a chart, clear and sealed, in one shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import get_language

from audit.actors import Actor
from patients.choices import TagLevel, TagSource
from patients.models import Patient, PatientTag

_ORDER: Final = {TagLevel.CRITICAL: 0, TagLevel.WARN: 1, TagLevel.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTag:
    """One mark as the care team sees it. `facts` are the values, dates and words that set it."""

    id: UUID
    code: str
    name_zh: str
    name_en: str
    group: str
    level: TagLevel
    sealed: bool
    source: TagSource
    rule_version: str
    set_at: datetime
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


def tags_of(actor: Actor, patient: Patient) -> list[ShownTag]:
    """The tags in force, the gravest first. Empty for a role without clinical data: a tag tells of a result."""
    if "clinical" not in actor.field_sets:
        return []
    rows = PatientTag.objects.filter(patient=patient, ended_at=None).select_related("tag").order_by("set_at")
    return sorted((shown_tag(row) for row in rows), key=lambda tag: _ORDER[tag.level])


def shown_tag(row: PatientTag) -> ShownTag:
    """Open one row. A sealed tag keeps what it is beside why it is there."""
    sealed = row.tag is None
    reason: Mapping[str, Any] = row.reason
    says = reason["tag"] if row.tag is None else {name: getattr(row.tag, name) for name in TAG_WORDS}
    return ShownTag(
        id=row.pk,
        **{**says, "level": TagLevel(says["level"])},
        sealed=sealed,
        source=TagSource(row.source),
        rule_version=row.rule_version,
        set_at=row.set_at,
        facts=reason["facts"],
    )


TAG_WORDS: Final = ("code", "name_zh", "name_en", "group", "level")
