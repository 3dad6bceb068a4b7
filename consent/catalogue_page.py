"""docs/data-catalogue.md: the data catalogue as a page, made from the files so that it cannot say something else."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from django.conf import settings

from audit.purposes import Purpose
from consent.catalogue import Column, Level, Seal, Table, collected, columns, needed_for, tables, words
from consent.purposes import data_categories, rule_of

PLACE = Path(settings.BASE_DIR) / "docs" / "data-catalogue.md"
_HEAD = """# Data catalogue

What stands in each column of each table, how it is protected and why, and which purposes need it. For the privacy officer, an
auditor, and whoever adds a field.

This page is made by `manage.py data_catalogue` from the `catalogue.yaml` beside each app's models; edit those. The build fails for a
column without an entry and an entry without a column, for a sealed field that its entry describes otherwise, for level 5
that is not sealed, for level 4 in clear without a reason of its own, for text in clear that has neither a fixed list nor a test
that keeps persons out, for personal data without a purpose, and for names of what no purpose needs: {forbidden}.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [
            _HEAD.format(forbidden=", ".join(words().forbidden)),
            *_vocabulary(),
            *_by_category(),
            *_by_purpose(),
            *_what_is_collected(),
            *_tables_of_apps(),
        ]
    )


def _vocabulary() -> Iterator[str]:
    yield from ("## Words", "")
    yield from _table(("Level", "Means"), words().levels.items())
    yield from _table(("Seal", "Means"), words().seals.items())
    yield from _table(("Retention", "Until"), words().retention.items())


def _by_category() -> Iterator[str]:
    yield from ("## By category", "")
    every = list(columns())
    rows = []
    for category in data_categories().values():
        own = [column for column in every if column.category == category.code]
        if not own:
            continue
        seals = Counter(column.seal for column in own)
        levels = Counter(column.level for column in own)
        rows.append(
            (
                f"{category.code}: {category.name.en}",
                len(own),
                levels[Level.L5],
                levels[Level.L4],
                seals[Seal.SEALED],
                seals[Seal.WRAPPED_KEY] + seals[Seal.KEYED_TOKEN] + seals[Seal.HASH],
                sum(c.seal == Seal.CLEAR and c.level == Level.L4 for c in own),
            )
        )
    yield from _table(
        ("Category", "Columns", "L5", "L4", "Sealed", "Key, token or hash", "L4 in clear"), rows
    )


def _by_purpose() -> Iterator[str]:
    yield from (
        "## By purpose",
        "",
        "What each purpose uses, without ids, moments, states and the like. A purpose that is not listed uses nothing.",
        "",
    )
    for purpose in Purpose:
        needed = needed_for(purpose)
        if not needed:
            continue
        yield from (f"**{purpose.value}**, {rule_of(purpose).name.en}:", "")
        for table, own in groupby(needed, key=lambda column: column.table):
            yield f"- `{table}`: {', '.join(_fields_for(purpose, own))}"
        yield ""


def _fields_for(purpose: Purpose, own: Iterable[Column]) -> Iterator[str]:
    for column in own:
        parts = [part.name for part in column.parts.values() if purpose in part.purposes]
        yield f"{column.name} ({', '.join(parts)})" if parts else column.name


def _what_is_collected() -> Iterator[str]:
    yield from ("## What is collected, and where it ends", "")
    rows = (
        (
            f"`{one.source}`",
            one.field,
            f"`{one.kept_in}`" if one.column else f"not kept: {one.why_not_kept}",
            _codes(one.purposes),
        )
        for one in collected()
    )
    yield from _table(("Form, body or reader", "Field", "Kept in", "Purposes"), rows)


def _tables_of_apps() -> Iterator[str]:
    yield "## Tables"
    for app, own in groupby(tables().values(), key=lambda table: table.app):
        yield from ("", f"### {'Packages' if app == 'dbroles' else app}")
        for table in own:
            yield from _one_table(table)


def _one_table(table: Table) -> Iterator[str]:
    yield from ("", f"#### {table.name}", "", table.what, "")
    yield from _table(
        ("Column", "Category", "Level", "Seal", "Purposes", "Kept", "Why"), map(_row, table.columns.values())
    )


def _row(column: Column) -> tuple[str, ...]:
    why = [column.reason]
    why += [
        f"{part.name}{f' ({part.field_set})' if part.field_set else ''}: {part.reason}"
        + (f" [{_codes(part.purposes)}]" if part.purposes != column.purposes else "")
        for part in column.parts.values()
    ]
    if column.proof:
        why.append(f"proof: `{column.proof}`")
    return (
        column.name,
        column.category,
        column.level.name,
        ", ".join(filter(None, [column.seal, column.scope, column.field_set])),
        _codes(column.purposes),
        column.retention,
        "<br>".join(why),
    )


def _codes(purposes: Iterable[Purpose]) -> str:
    """In the vocabulary's order."""
    return ", ".join(purpose.value for purpose in Purpose if purpose in set(purposes))


def _table(head: tuple[str, ...], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
