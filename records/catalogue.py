"""The indicator catalogue: what may be measured, in which unit, and what is usual. Pure; read once from `data/indicators.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import get_language

from records.units import Conversion, spelled
from records.values import Interval

DATA = Path(__file__).parent / "data"
LOINC = "http://loinc.org"
LOINC_SYSTEMS = frozenset({LOINC, "https://loinc.org", "urn:oid:2.16.840.1.113883.6.1"})
INDICATOR_SYSTEM = "urn:zhizhi:indicator"
"""The code system of our own keys, for senders that speak them and for indicators without a verified LOINC code."""


def _in_language(zh: str, en: str) -> str:
    return en if (get_language() or "").startswith("en") else zh


class Kind(StrEnum):
    """What kind of answer an indicator has."""

    QUANTITY = "quantity"
    ORDINAL = "ordinal"
    CODED = "coded"


class Direction(StrEnum):
    """Which side of the range matters; `positive` is for ordinal results, `none` is never flagged."""

    HIGH = "high"
    LOW = "low"
    BOTH = "both"
    POSITIVE = "positive"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Band:
    """A reference range for one sex and one span of whole years; edges inclusive, None is open."""

    sex: str | None
    from_age: int | None
    to_age: int | None
    low: Decimal | None
    high: Decimal | None

    def covers(self, sex: str, years: Decimal) -> bool:
        """Whether a person of this sex and age in whole years falls into the band."""
        if self.sex is not None and self.sex != sex:
            return False
        return (self.from_age is None or years >= self.from_age) and (
            self.to_age is None or years <= self.to_age
        )


@dataclass(frozen=True, slots=True)
class CriticalLine:
    """From where a value needs somebody at once. `clinical_class` A or B; `action` as the follow-up catalogue names it."""

    low: Decimal | None
    high: Decimal | None
    clinical_class: str | None
    action: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One listed answer of a coded indicator."""

    code: str
    name_zh: str
    name_en: str
    snomed: str

    @property
    def name(self) -> str:
        """The words in the reader's language."""
        return _in_language(self.name_zh, self.name_en)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One measured thing. Numbers are in `ucum`, printed for people as `unit` with `decimals` places.

    `place` orders lists: by group, then as the catalogue lists them.
    """

    key: str
    name_zh: str
    name_en: str
    group: str
    kind: Kind
    unit: str
    ucum: str
    decimals: int
    bands: tuple[Band, ...]
    ordinal_reference: str | None
    bad_direction: Direction
    critical: CriticalLine | None
    plausible: tuple[Decimal, Decimal] | None
    conversions: Mapping[str, Conversion]
    ambiguous_units: Mapping[str, str]
    answers: tuple[Answer, ...]
    sealed: bool
    status: str
    place: int

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return _in_language(self.name_zh, self.name_en)

    def conversion_from(self, unit: str, *, code: str = "") -> Conversion | None:
        """How a number printed in `unit` under the LOINC code `code` becomes the catalogue's; None when unknown."""
        word = spelled(unit)
        if code in self.ambiguous_units and word == spelled(self.ambiguous_units[code].partition(" (")[0]):
            word = spelled(self.ambiguous_units[code])
        return self.conversions.get(word)

    def band_for(self, sex: str, age: Interval | None, *, adults_from: int) -> Band | None:
        """The catalogue range for a person, or None where none is known.

        The age may be known as an interval of whole years (only the birth year on the card): then the band counts
        only when every age of the interval leads to the same one. Below `adults_from` years there is none.
        """
        if age is None or age.low < adults_from:
            return None
        found = [next((b for b in self.bands if b.covers(sex, years)), None) for years in (age.low, age.high)]
        return found[0] if found[0] == found[1] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A heading under which results stand together."""

    name_zh: str
    name_en: str

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return _in_language(self.name_zh, self.name_en)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All indicators of one version, found by key and by code."""

    version: int
    adults_from_age: int
    groups: Mapping[str, Group]
    indicators: Mapping[str, Indicator]
    _by_loinc: Mapping[str, Indicator] = field(repr=False)

    def by_code(self, system: str, code: str) -> Indicator | None:
        """The indicator a code stands for. A code without a known system stands for nothing."""
        if system == INDICATOR_SYSTEM:
            return self.indicators.get(code)
        return self._by_loinc.get(code) if system in LOINC_SYSTEMS else None


class _Loader(yaml.CSafeLoader):
    """YAML whose numbers are Decimals: 0.0555 stays 0.0555."""


def _decimal(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def read_yaml(path: Path) -> Any:
    """A data file of this app, numbers with a point as Decimal."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader


@cache
def catalogue() -> Catalogue:
    """The catalogue in force. Read once a process."""
    facts = read_yaml(DATA / "indicators.yaml")
    groups = {
        row["name_zh"]: Group(name_zh=row["name_zh"], name_en=row["name_en"]) for row in facts["groups"]
    }
    order = list(groups)
    rows = sorted(facts["indicators"], key=lambda row: order.index(row["group"]))
    indicators = {row["key"]: _indicator(row, place) for place, row in enumerate(rows)}
    by_loinc: dict[str, Indicator] = {}
    for row in rows:
        for code in [row["loinc"], *(alias["code"] for alias in row.get("loinc_aliases", []))]:
            if code is not None:
                by_loinc[code] = indicators[row["key"]]
    return Catalogue(
        version=facts["version"],
        adults_from_age=facts["adults_from_age"],
        groups=groups,
        indicators=indicators,
        _by_loinc=by_loinc,
    )


def _indicator(row: dict[str, Any], place: int) -> Indicator:
    kind = Kind(row["kind"])
    reference = row["reference"] or {}
    is_range = kind is Kind.QUANTITY
    plausible = row.get("plausible")
    return Indicator(
        key=row["key"],
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        group=row["group"],
        kind=kind,
        unit=row.get("unit", ""),
        ucum=row.get("ucum", ""),
        decimals=row.get("decimals", 0),
        bands=tuple(_band(who, edges) for who, edges in reference.items()) if is_range else (),
        ordinal_reference=None if is_range else reference.get("all"),
        bad_direction=Direction(row["bad_direction"]),
        critical=_critical(row.get("critical")),
        plausible=(Decimal(plausible[0]), Decimal(plausible[1])) if plausible else None,
        conversions=_conversions(row) if is_range else {},
        ambiguous_units={
            a["code"]: a["convert_as"] for a in row.get("loinc_aliases", []) if "convert_as" in a
        },
        answers=tuple(
            Answer(a["code"], a["name_zh"], a["name_en"], a["snomed"]) for a in row.get("answers", [])
        ),
        sealed=row.get("sealed", False),
        status=row["status"],
        place=place,
    )


def _band(who: str, edges: list[Decimal | int | None]) -> Band:
    """`all`, `male`, `female` or `female_20_49` with its two edges."""
    sex, _, years = who.partition("_")
    first, _, last = years.partition("_")
    return Band(
        sex=None if sex == "all" else sex,
        from_age=int(first) if first else None,
        to_age=int(last) if last else None,
        low=_edge(edges[0]),
        high=_edge(edges[1]),
    )


def _edge(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _critical(row: dict[str, Any] | None) -> CriticalLine | None:
    """The critical line, where it is a number; a line told only in words is for people to read."""
    if row is None or ("low" not in row and "high" not in row):
        return None
    return CriticalLine(
        _edge(row.get("low")), _edge(row.get("high")), row.get("class"), row.get("action"), row["status"]
    )


def _conversions(row: dict[str, Any]) -> dict[str, Conversion]:
    """Every spelling of every unit this indicator may arrive in."""
    own = Conversion(row["unit"])
    found = {spelled(unit): own for unit in (row["unit"], row["ucum"])}
    for alt in row.get("alt_units", []):
        factors = {name: Decimal(alt[name]) for name in ("times", "plus", "over") if name in alt}
        found[spelled(alt["unit"])] = Conversion(alt["unit"], **factors)
    return found
