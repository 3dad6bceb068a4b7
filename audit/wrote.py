"""What a deed wrote beside the row it is about, so that every row change can be attributed to an event of its transaction."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models

ROWS_NAMED = 500
"""As many keys as a row change keeps; of more rows the count is named."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """Rows of one table: by their keys, or, where there are too many or they are not at hand, by how many."""

    table: str
    count: int = 0
    keys: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """As the event's canonical text holds it."""
        return (
            {"table": self.table, "keys": list(self.keys)}
            if self.keys
            else {"table": self.table, "count": self.count}
        )


def wrote(model: type[models.Model], *, count: int) -> tuple[Wrote, ...]:
    """One statement changed `count` rows; nothing where there were none. Several statements are named one by one."""
    return (Wrote(model._meta.db_table, count),) if count else ()


def wrote_keys(model: type[models.Model], keys: Iterable[object]) -> tuple[Wrote, ...]:
    """Rows of these keys were changed, where the rows themselves are not at hand."""
    return tuple(_in_parts(model._meta.db_table, [str(key) for key in keys]))


def wrote_rows(rows: Iterable[models.Model]) -> tuple[Wrote, ...]:
    """These rows were changed, in however many statements. Naming one that stayed as it was does no harm."""
    keys: dict[str, dict[str, None]] = {}
    for row in rows:
        keys.setdefault(row._meta.db_table, {})[key_of(row)] = None
    return tuple(part for table, found in keys.items() for part in _in_parts(table, list(found)))


def _in_parts(table: str, keys: list[str]) -> Iterator[Wrote]:
    for start in range(0, len(keys), ROWS_NAMED):
        yield Wrote(table, keys=tuple(keys[start : start + ROWS_NAMED]))


def key_of(row: models.Model) -> str:
    """The key of a row as the row changes write it: the columns of a composite key joined by commas."""
    key = row.pk
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
