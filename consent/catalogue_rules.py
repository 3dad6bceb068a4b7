"""What the data catalogue promises, checked against the tables as they stand in the database and against the models.

`defects()` names everything that does not hold in one sentence each; `make lint` and a test fail on the first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.apps import apps
from django.db import connection, models

from consent.catalogue import Collected, Column, Level, Seal, Table, collected, tables, words
from consent.purposes import data_categories, rule_of
from crypto.fields import SealedField, SealedJSON, SealedParts

MOST_OF_A_KIND = Level.L3
_CAN_HOLD_WORDS = re.compile(r"text|jsonb?|bytea|character varying.*")


@dataclass(frozen=True, slots=True)
class SealedIn:
    """What a model says of a sealed column: its scope, and the field set of the whole or of each part.

    `is_json`: it holds an object or a list, whose parts the entry alone can name.
    """

    scope: str
    field_set: str
    parts: Mapping[str, str]
    is_json: bool = False


def defects(*, without: tuple[str, ...] = ()) -> list[str]:
    """Every rule that does not hold now. `without`: beginnings of tables that are not the product's."""
    return [
        *compare(
            tables(),
            columns_in_database(without=without),
            sealed_columns(apps.get_models()),
            columns_of_fixed_lists(apps.get_models()),
        ),
        *forbidden_words(tables().values(), collected()),
    ]


def compare(
    described: Mapping[str, Table],
    found: Mapping[str, Mapping[str, str]],
    sealed: Mapping[str, SealedIn],
    fixed: frozenset[str] = frozenset(),
) -> list[str]:
    """The catalogue beside the database (types by table and column) and the models (sealed columns, and fixed lists)."""
    return [
        *_coverage(described, found),
        *(
            defect
            for name, table in described.items()
            for column in table.columns.values()
            for defect in (
                *_level(column),
                *_seal(column, sealed.get(column.place)),
                *_purposes(column),
                *_insides(column, found.get(name, {}).get(column.name, ""), fixed),
            )
        ),
    ]


def columns_in_database(*, without: tuple[str, ...] = ()) -> dict[str, dict[str, str]]:
    """The type of every column of every table and view of the database, partitions folded into their parent."""
    found: dict[str, dict[str, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition"
            " ORDER BY c.relname, a.attnum"
        )
        for table, column, kind in cursor.fetchall():
            if not table.startswith(without or "\0"):
                found.setdefault(table, {})[column] = kind
    return found


def sealed_columns(of: Iterable[type[models.Model]]) -> dict[str, SealedIn]:
    """The sealed columns of models, by table.column."""
    return {
        f"{model._meta.db_table}.{field.column}": SealedIn(
            scope=field.scope.name.lower(),
            field_set="" if isinstance(field, SealedParts) else field.field_set,
            parts=field.parts if isinstance(field, SealedParts) else {},
            is_json=isinstance(field, SealedJSON),
        )
        for model in of
        for field in model._meta.concrete_fields
        if isinstance(field, SealedField)
    }


def columns_of_fixed_lists(of: Iterable[type[models.Model]]) -> frozenset[str]:
    """The columns that take words of a list alone, by table.column."""
    return frozenset(
        f"{model._meta.db_table}.{field.column}"
        for model in of
        for field in model._meta.concrete_fields
        if field.choices
    )


def forbidden_words(of: Iterable[Table], fields: Iterable[Collected]) -> list[str]:
    """Columns, parts and form fields whose name says something that no purpose needs."""
    named = [
        *(column.place for table in of for column in table.columns.values()),
        *(
            f"{column.place}.{part}"
            for table in of
            for column in table.columns.values()
            for part in column.parts
        ),
        *(f"{one.source}.{one.field}" for one in fields),
    ]
    return [
        f"{place}: no purpose needs {what}, so there is no field for it"
        for place in named
        for what, said in words().forbidden.items()
        if said & set(place.rsplit(".", 1)[-1].lower().split("_"))
    ]


def _coverage(described: Mapping[str, Table], found: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    known = {column.place for table in described.values() for column in table.columns.values()}
    there = {f"{table}.{column}" for table, columns in found.items() for column in columns}
    for place in sorted(there - known):
        yield f"{place} has no entry in the catalogue.yaml of its app"
    for place in sorted(known - there):
        yield f"{place} has an entry, and the database has no such column"


def _level(column: Column) -> Iterator[str]:
    if column.level == Level.L5 and column.seal != Seal.SEALED:
        yield f"{column.place} is of level 5 and not sealed"
    if column.kind and column.level > MOST_OF_A_KIND:
        yield f"{column.place} is of level {column.level}: it gives a reason of its own, not a kind"
    of_the_house = column.category == "resource"
    if of_the_house and column.level > Level.L2:
        yield f"{column.place} is of level {column.level}: data of the clinic itself are at most of level 2"
    if column.seal == Seal.NONE and not of_the_house:
        yield f"{column.place} is personal ({column.category}): clear and why, not none"


def _seal(column: Column, model: SealedIn | None) -> Iterator[str]:
    if model is None:
        if column.seal == Seal.SEALED and not column.proof:
            yield f"{column.place} is said to be sealed: no sealed field is there, and no test proves it"
        return
    if column.seal != Seal.SEALED:
        yield f"{column.place} is a sealed field, and its entry says {column.seal}"
        return
    field_sets = {name: part.field_set for name, part in column.parts.items()} if model.parts else {}
    said = SealedIn(column.scope, column.field_set, field_sets, model.is_json)
    if said != model:
        yield f"{column.place} is sealed as {model}, and its entry says {said}"
    if model.is_json and not column.parts:
        yield f"{column.place} holds JSON and does not name its parts"
    if column.retention not in words().sealed_until[model.scope]:
        yield f"{column.place} is kept {column.retention}, and its key is of the scope {model.scope}"
    opens_for = data_categories()[column.category].field_sets
    for field_set in sorted({model.field_set, *model.parts.values()} - opens_for - {""}):
        yield f"{column.place} opens for {field_set}, which is no field set of the category {column.category}"


def _purposes(column: Column) -> Iterator[str]:
    if column.category == "resource":
        return
    if not column.purposes:
        yield f"{column.place} is personal ({column.category}) and names no purpose"
    needed = column.purposes.union(*(part.purposes for part in column.parts.values()))
    for purpose in sorted(needed):
        if column.category not in rule_of(purpose).codes:
            yield f"{column.place}: the purpose {purpose} does not use data of the category {column.category}"
    for part in column.parts.values():
        if not part.purposes:
            yield f"{column.place}.{part.name} names no purpose"


def _insides(column: Column, kind: str, fixed: frozenset[str]) -> Iterator[str]:
    """What can hold many things says which, and what can hold a name in clear has a test that keeps people out."""
    if kind in ("json", "jsonb") and not column.parts and column.kind != "unused":
        yield f"{column.place} holds JSON and does not name its parts"
    if column.seal != Seal.CLEAR or column.proof or column.place in fixed:
        return
    if _CAN_HOLD_WORDS.fullmatch(kind):
        yield f"{column.place} could hold a name in clear: it has no fixed list, and names no test that keeps persons out"
