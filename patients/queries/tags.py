"""The marks on a chart, clear and sealed, in one shape."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import get_language

from audit.actors import Actor
from crypto.reading import Unreadable, shown
from patients.choices import TagLevel, TagSource
from patients.models import Patient, PatientTag, Tag

_ORDER: Final = {TagLevel.CRITICAL: 0, TagLevel.WARN: 1, TagLevel.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTag:
    """One mark as the care team sees it. `facts` are the values, dates and words that set it.

    Where these cannot be read, `unreadable` says so, and a mark that is sealed whole has no name either.
    """

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
    unreadable: Unreadable | None = None

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


def tags_of(actor: Actor, patient: Patient) -> list[ShownTag]:
    """The tags in force, the gravest first. Empty for a role without clinical data: a tag tells of a result.

    For whoever acts on them. Raises SealBroken where one of them does not open.
    """
    return _sorted(shown_tag(row) for row in _rows(actor, patient))


def tags_to_show(actor: Actor, patient: Patient) -> list[ShownTag]:
    """The same for a page: a tag that does not open stands there and says so."""
    return _sorted(_shown_or_marked(row) for row in _rows(actor, patient))


def _rows(actor: Actor, patient: Patient) -> Iterable[PatientTag]:
    if "clinical" not in actor.field_sets:
        return []
    return PatientTag.objects.filter(patient=patient, ended_at=None).select_related("tag").order_by("set_at")


def _sorted(tags: Iterable[ShownTag]) -> list[ShownTag]:
    return sorted(tags, key=lambda tag: _ORDER[tag.level])


def _shown_or_marked(row: PatientTag) -> ShownTag:
    tag = shown(lambda: shown_tag(row))
    if not isinstance(tag, Unreadable):
        return tag
    says = _words_of(row.tag) if row.tag else {**dict.fromkeys(TAG_WORDS, ""), "level": TagLevel.WARN}
    return ShownTag(
        id=row.pk,
        **{**says, "level": TagLevel(says["level"])},
        sealed=row.tag is None,
        source=TagSource(row.source),
        rule_version=row.rule_version,
        set_at=row.set_at,
        facts={},
        unreadable=tag,
    )


def shown_tag(row: PatientTag) -> ShownTag:
    """Open one row. A sealed tag keeps what it is beside why it is there."""
    sealed = row.tag is None
    reason: Mapping[str, Any] = row.reason
    says = reason["tag"] if row.tag is None else _words_of(row.tag)
    return ShownTag(
        id=row.pk,
        **{**says, "level": TagLevel(says["level"])},
        sealed=sealed,
        source=TagSource(row.source),
        rule_version=row.rule_version,
        set_at=row.set_at,
        facts=reason["facts"],
    )


def _words_of(tag: Tag) -> dict[str, Any]:
    return {name: getattr(tag, name) for name in TAG_WORDS}


TAG_WORDS: Final = ("code", "name_zh", "name_en", "group", "level")
