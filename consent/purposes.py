"""What each purpose needs, rests on and stops: `data/purposes.yaml`, read once and checked as it is read.

The codes are `audit.purposes.Purpose`; a file that lacks one, or has one more, does not load.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import get_language

from audit.purposes import Purpose
from consent.choices import LegalBasis, Operation

_FILE = Path(__file__).parent / "data" / "purposes.yaml"
_ASKED = frozenset({LegalBasis.CONSENT, LegalBasis.SEPARATE, LegalBasis.WRITTEN, LegalBasis.GUARDIAN})
_OUTSIDE = frozenset({Operation.SHARE, Operation.PUBLISH, Operation.CROSSBORDER})


@dataclass(frozen=True, slots=True)
class Words:
    """The same words in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.zh if (get_language() or "zh-hans").startswith("zh") else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCategory:
    code: str
    name: Words
    level: str
    scope: str
    field_sets: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientKind:
    code: str
    name: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeRule:
    """One purpose: on what basis, with which data and operations, for how long, and what ends when it ends.

    `needs_assessment`: nobody is asked before an impact assessment was approved (PIPL art. 55).
    """

    purpose: Purpose
    name: Words
    legal_basis: LegalBasis
    article: str
    data: tuple[DataCategory, ...]
    operations: tuple[Operation, ...]
    recipients: tuple[RecipientKind, ...]
    needs_assessment: bool
    withdrawable: bool
    stops: frozenset[str]
    rests_on: frozenset[Purpose]
    term: timedelta | None
    min_notice_version: int
    asked_at_opening: bool
    what: Words
    who: Words
    if_no: Words
    if_withdrawn: Words
    keeps: tuple[Words, ...]

    @property
    def needs_consent(self) -> bool:
        """False where the law or a contract is the basis, and the ledger is not asked."""
        return self.legal_basis in _ASKED

    @property
    def leaves_the_clinic(self) -> bool:
        """Whether what is agreed names who else gets the data: each recipient is a permission of its own."""
        return bool(_OUTSIDE.intersection(self.operations))

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(category.code for category in self.data)

    @property
    def grants(self) -> tuple[tuple[str, Operation], ...]:
        """What one yes covers: each kind of data with each operation is a permission of its own."""
        return tuple(product((category.code for category in self.data), self.operations))


def _words(row: Mapping[str, Any], key: str) -> Words:
    return Words(row.get(f"{key}_zh", ""), row.get(f"{key}_en", ""))


@cache
def _file() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.load(_FILE.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return loaded


def version() -> int:
    """The version of the purposes' data in force."""
    return int(_file()["version"])


@cache
def data_categories() -> Mapping[str, DataCategory]:
    return {
        row["code"]: DataCategory(
            code=row["code"],
            name=_words(row, "name"),
            level=row["level"],
            scope=row["scope"],
            field_sets=frozenset(row["field_sets"]),
        )
        for row in _file()["data_categories"]
    }


@cache
def recipient_kinds() -> Mapping[str, RecipientKind]:
    return {
        row["code"]: RecipientKind(code=row["code"], name=_words(row, "name"))
        for row in _file()["recipient_kinds"]
    }


def stop_codes() -> Mapping[str, str]:
    """Everything that can end with a permission, with what ends it: "participant", "gate" or "list"."""
    return {row["code"]: row["by"] for row in _file()["stop_codes"]}


def _rule(row: Mapping[str, Any]) -> PurposeRule:
    stops = frozenset(row["stops"])
    if unknown := stops - stop_codes().keys():
        raise ValueError(f"purpose {row['code']} stops the unknown: {sorted(unknown)}")
    term = row.get("term_days")
    return PurposeRule(
        purpose=Purpose(row["code"]),
        name=_words(row, "name"),
        legal_basis=LegalBasis(row["legal_basis"]),
        article=str(row["article"]),
        data=tuple(data_categories()[code] for code in row["data"]),
        operations=tuple(Operation(op) for op in row["ops"]),
        recipients=tuple(recipient_kinds()[code] for code in row["recipients"]),
        needs_assessment=row["needs_assessment"],
        withdrawable=row["withdrawable"],
        stops=stops,
        rests_on=frozenset(map(Purpose, row.get("rests_on", ()))),
        term=timedelta(days=term) if term else None,
        min_notice_version=row.get("min_notice_version", 0),
        asked_at_opening=row.get("asked_at_opening", False),
        what=_words(row, "what"),
        who=_words(row, "who"),
        if_no=_words(row, "if_no"),
        if_withdrawn=_words(row, "if_withdrawn"),
        keeps=tuple(
            Words(zh, en) for zh, en in zip(row.get("keeps_zh", ()), row.get("keeps_en", ()), strict=True)
        ),
    )


@cache
def rules() -> Mapping[Purpose, PurposeRule]:
    """Every purpose, in the order people are shown them."""
    found = {rule.purpose: rule for rule in map(_rule, _file()["purposes"])}
    if missing := set(Purpose) - set(found):
        raise ValueError(f"purposes without a rule: {sorted(missing)}")
    return found


def rule_of(purpose: Purpose) -> PurposeRule:
    return rules()[purpose]


def rests_on(purpose: Purpose) -> frozenset[Purpose]:
    """The purposes whose withdrawal ends this one too: reminders, reports and risk rest on care."""
    return rule_of(purpose).rests_on


@cache
def carries(purpose: Purpose) -> frozenset[Purpose]:
    """The purposes that rest on this one."""
    return frozenset(other for other in Purpose if purpose in rests_on(other))
