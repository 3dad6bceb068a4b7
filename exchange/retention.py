"""How long a law makes the clinic keep what it knows of a person: read once from `data/retention.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from crypto.core.scopes import Scope

DATA = Path(__file__).resolve().parent / "data"
RESTRICT, DESTROY = "restrict", "destroy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One kind of what is kept. `fact` is what must stand in the house for it to apply; `follows` another scope's fate."""

    code: str
    scope: Scope
    fact: str | None
    follows: Scope | None
    minimum_years: int
    on_erasure: str
    source: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    version: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What happens to each scope. `kept_until` and `because` say how long the restricted ones are stored, and by which item."""

    destroyed: frozenset[Scope]
    restricted: frozenset[Scope]
    kept_until: datetime | None = None
    because: Item | None = None


@cache
def retention() -> Retention:
    """The periods in force. Raises ValueError where the file says nothing about a scope, or something unknown."""
    written = yaml.load((DATA / "retention.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    items = tuple(_item(row) for row in written["items"])
    if {item.scope for item in items} != set(Scope):
        raise ValueError("data/retention.yaml must say what happens to every scope")
    return Retention(version=written["version"], items=items)


def _item(row: Mapping[str, Any]) -> Item:
    if row["on_erasure"] not in (RESTRICT, DESTROY):
        raise ValueError(f"{row['code']}: on_erasure is {RESTRICT} or {DESTROY}")
    return Item(
        code=row["code"],
        scope=Scope[row["scope"].upper()],
        fact=row.get("fact"),
        follows=Scope[row["follows"].upper()] if row.get("follows") else None,
        minimum_years=row.get("minimum_years", 0),
        on_erasure=row["on_erasure"],
        source=row["source"],
        status=row["status"],
    )


def fate_of_scopes(facts: Mapping[str, datetime], at: datetime) -> Fate:
    """What an erasure at this moment destroys and what it only restricts. `facts` maps a fact to when it was last so."""
    running = {
        item: until
        for item in retention().items
        if item.on_erasure == RESTRICT
        and (last := facts.get(item.fact or "")) is not None
        and (until := _years_later(last, item.minimum_years)) > at
    }
    restricted = {item.scope for item in running}
    restricted |= {item.scope for item in retention().items if item.follows in restricted}
    longest = max(running, key=lambda item: running[item], default=None)
    return Fate(
        destroyed=frozenset(Scope) - restricted,
        restricted=frozenset(restricted),
        kept_until=running[longest] if longest else None,
        because=longest,
    )


def _years_later(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # the 29th of February
        return moment.replace(year=moment.year + years, month=3, day=1)
