"""The data catalogue: what each column of each table holds, how it is protected and why, and which purposes need it.

Every app describes its tables in `catalogue.yaml` beside its models, the packages' tables stand in `config.dbroles`.
The rules they keep are in `consent.catalogue_rules`, the page made of them is docs/data-catalogue.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from django.apps import apps

from audit.purposes import Purpose
from consent.purposes import data_categories

FILE_NAME = "catalogue.yaml"
NOT_KEPT = "not kept: "
_WORDS = Path(__file__).parent / "data" / "catalogue_words.yaml"


class Level(IntEnum):
    """How sensitive, after GB/T 39725-2020."""

    L1 = 1
    L2 = 2
    L3 = 3
    L4 = 4
    L5 = 5


class Seal(StrEnum):
    """How a column is protected; the words are explained in the file of words."""

    SEALED = "sealed"
    WRAPPED_KEY = "wrapped key"
    KEYED_TOKEN = "keyed token"  # noqa: S105 (a word, not a credential)
    HASH = "hash"
    CLEAR = "clear"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The vocabulary: each word with what it means."""

    levels: Mapping[str, str]
    seals: Mapping[str, str]
    retention: Mapping[str, str]
    sealed_until: Mapping[str, frozenset[str]]
    kinds: Mapping[str, str]
    forbidden: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One named value inside a column. `field_set` is empty where the whole column has one."""

    name: str
    reason: str
    field_set: str
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `kind` is set where it is one of the ordinary columns that hold no value of their own.

    `scope` and `field_set` are set where it is sealed, `proof` where a test keeps something out of it (path::test).
    """

    table: str
    name: str
    category: str
    level: Level
    seal: Seal
    reason: str
    kind: str
    purposes: frozenset[Purpose]
    retention: str
    scope: str
    field_set: str
    parts: Mapping[str, Part]
    proof: str

    @property
    def place(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def is_ordinary(self) -> bool:
        """An id, a moment, a state: what every table has, and no value that somebody collected."""
        return bool(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, with partitions folded into their parent. `app` is the label of the app whose file describes it."""

    name: str
    app: str
    what: str
    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Where one field that somebody fills in or sends ends: a column, a part of one, or nowhere and why."""

    source: str
    field: str
    column: Column | None
    part: Part | None
    why_not_kept: str

    @property
    def purposes(self) -> frozenset[Purpose]:
        if self.part:
            return self.part.purposes
        return self.column.purposes if self.column else frozenset()

    @property
    def kept_in(self) -> str:
        """The column or part, in words; empty when it is not kept."""
        if self.column is None:
            return ""
        return f"{self.column.place}.{self.part.name}" if self.part else self.column.place


@cache
def words() -> Words:
    loaded = _load(_WORDS)
    return Words(
        levels=loaded["levels"],
        seals=loaded["seals"],
        retention=loaded["retention"],
        sealed_until={scope: frozenset(fitting) for scope, fitting in loaded["sealed_until"].items()},
        kinds=loaded["kinds"],
        forbidden={what: frozenset(said) for what, said in loaded["forbidden"].items()},
    )


@cache
def tables() -> Mapping[str, Table]:
    """Every table by its name, in the order of the apps and of their files. Raises ValueError for an unknown word."""
    found: dict[str, Table] = {}
    for app, file in _files().items():
        for name, row in file["tables"].items():
            if name in found:
                raise ValueError(f"{name} is described by {found[name].app} and by {app}")
            found[name] = read_table(name, row, app=app)
    return MappingProxyType(found)


def columns() -> Iterator[Column]:
    """Every column of every table."""
    for table in tables().values():
        yield from table.columns.values()


def needed_for(purpose: Purpose) -> list[Column]:
    """What a purpose uses: every column that it needs, without the ordinary ones. This is the list of what is collected."""
    return [column for column in columns() if purpose in column.purposes and not column.is_ordinary]


@cache
def collected() -> tuple[Collected, ...]:
    """Every field of every form, of every body the API takes and of every reader of files, with the column it ends in."""
    return tuple(
        _collected(source, field, str(target))
        for file in _files().values()
        for source, fields in file.get("collected", {}).items()
        for field, target in fields.items()
    )


def read_table(name: str, row: Mapping[str, Any], *, app: str) -> Table:
    """One table of a file. Raises ValueError for a word that the vocabulary does not have, KeyError for a missing one."""
    try:
        described = {
            column: _column(name, column, {"reason": said} if isinstance(said, str) else said, row)
            for column, said in row["columns"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
    return Table(name=name, app=app, what=row["what"], columns=MappingProxyType(described))


def _column(table: str, name: str, said: Mapping[str, Any], row: Mapping[str, Any]) -> Column:
    """A column says what differs from its table; a reason of one word is a kind of the vocabulary."""
    if unknown := said.keys() - _SAYS:
        raise ValueError(f"{name} says the unknown: {sorted(unknown)}")
    reason = str(said["reason"])
    kind = "" if " " in reason else _word(reason, words().kinds, name)
    category = _word(said.get("category", row["category"]), data_categories(), name)
    purposes = frozenset(map(Purpose, said.get("purposes", row.get("purposes", ()))))
    column_parts = said.get("parts", {})
    return Column(
        table=table,
        name=name,
        category=category,
        level=Level[said.get("level", row["level"])],
        seal=Seal(said.get("seal", Seal.NONE if category == "resource" else Seal.CLEAR)),
        reason=words().kinds[kind] if kind else reason,
        kind=kind,
        purposes=purposes,
        retention=_word(said.get("retention", row["retention"]), words().retention, name),
        scope=said.get("scope", ""),
        field_set=said.get("field_set", ""),
        parts=MappingProxyType({part: _part(part, column_parts[part], purposes) for part in column_parts}),
        proof=said.get("proof", ""),
    )


_SAYS = {
    "reason",
    "category",
    "level",
    "seal",
    "purposes",
    "retention",
    "scope",
    "field_set",
    "parts",
    "proof",
}


def _part(name: str, said: str | Mapping[str, Any], purposes: frozenset[Purpose]) -> Part:
    if isinstance(said, str):
        return Part(name=name, reason=said, field_set="", purposes=purposes)
    own = frozenset(map(Purpose, said["purposes"])) if "purposes" in said else purposes
    return Part(name=name, reason=said["reason"], field_set=said.get("field_set", ""), purposes=own)


def _word(word: str, vocabulary: Mapping[str, object], place: str) -> str:
    if word not in vocabulary:
        raise ValueError(f"{place}: {word!r} is none of {', '.join(vocabulary)}")
    return word


def _collected(source: str, field: str, target: str) -> Collected:
    if target.startswith(NOT_KEPT):
        why = target.removeprefix(NOT_KEPT)
        return Collected(source=source, field=field, column=None, part=None, why_not_kept=why)
    try:
        table, name, *inside = target.split(".")
        column = tables()[table].columns[name]
        part = column.parts[inside[0]] if inside else None
    except (KeyError, ValueError) as error:
        raise ValueError(f"{source}.{field} ends in {target!r}, which is not in the catalogue") from error
    return Collected(source=source, field=field, column=column, part=part, why_not_kept="")


@cache
def _files() -> Mapping[str, Mapping[str, Any]]:
    """The file of each app that has one, by the app's label, highest app last."""
    found = {app.label: Path(app.path) / FILE_NAME for app in apps.get_app_configs()}
    return {label: _load(path) for label, path in found.items() if path.is_file()}


def _load(path: Path) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return loaded
