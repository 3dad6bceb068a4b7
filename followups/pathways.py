"""Pathways as data: `data/pathways.yaml`, read once and checked as it is read. Every published version stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from audit.purposes import Purpose
from consent.purposes import Words
from followups.choices import Urgency

_FILE = Path(__file__).parent / "data" / "pathways.yaml"
AT_START = "at_start"


@dataclass(frozen=True, slots=True)
class Reminder:
    """A message around the day a step is due; `days` is negative before it. `at_once`: as soon as the step opens."""

    template: str
    days: int
    at_once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. `within` is a clock from the moment it opens; `days` a calendar day; exactly one of them is set."""

    code: str
    urgency: Urgency
    name: Words
    next: Words
    plan: Words
    within: timedelta | None
    days: int | None
    opens: str
    satisfied_by: str
    reminders: tuple[Reminder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pathway:
    """One version of a pathway."""

    code: str
    version: int
    name: Words
    purpose: Purpose
    one_at_a_time: bool
    tag: str
    steps: tuple[Step, ...]

    def step(self, code: str) -> Step:
        return next(step for step in self.steps if step.code == code)

    def opening_after(self, code: str) -> tuple[Step, ...]:
        """The steps that begin when the pathway does (`AT_START`), or when the named step is done."""
        return tuple(step for step in self.steps if step.opens == code)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathwayBook:
    """All pathways. `newest` is what a patient is put on; `actions` says which one an action asks for."""

    fresh_for: timedelta
    actions: Mapping[str, str]
    versions: Mapping[tuple[str, int], Pathway]
    newest: Mapping[str, Pathway]

    def of_tag(self, code: str) -> Pathway | None:
        return next((pathway for pathway in self.newest.values() if pathway.tag == code), None)

    def of_action(self, action: str, *, late: bool) -> Pathway:
        """What an action of a critical value asks for. One that comes late is told within the days of class B."""
        return self.newest["class_b" if late else self.actions[action]]


@cache
def pathway_book() -> PathwayBook:
    written: Mapping[str, Any] = yaml.load(_FILE.read_text("utf-8"), Loader=yaml.CSafeLoader)
    pathways = [_pathway(row) for row in written["pathways"]]
    newest: dict[str, Pathway] = {}
    for pathway in sorted(pathways, key=lambda p: p.version):
        newest[pathway.code] = pathway
    if unknown := set(written["actions"].values()) - set(newest):
        raise ValueError(f"actions ask for pathways that do not exist: {sorted(unknown)}")
    return PathwayBook(
        fresh_for=timedelta(days=written["fresh_days"]),
        actions=written["actions"],
        versions={(pathway.code, pathway.version): pathway for pathway in pathways},
        newest=newest,
    )


def pathway_of(code: str, version: int) -> Pathway:
    """The version a patient is on. Raises KeyError for one that was never published."""
    return pathway_book().versions[code, version]


def _pathway(row: Mapping[str, Any]) -> Pathway:
    steps = tuple(_step(step, row["urgency"]) for step in row["steps"])
    if unknown := {step.opens for step in steps} - {AT_START} - {step.code for step in steps}:
        raise ValueError(f"{row['code']}: steps open after steps that do not exist: {sorted(unknown)}")
    return Pathway(
        code=row["code"],
        version=row["version"],
        name=Words(row["name_zh"], row["name_en"]),
        purpose=Purpose(row["purpose"]),
        one_at_a_time=row["one_at_a_time"],
        tag=row.get("starts", {}).get("tag", ""),
        steps=steps,
    )


def _step(row: Mapping[str, Any], usual: str) -> Step:
    due = row["due"]
    return Step(
        code=row["code"],
        urgency=Urgency(row.get("urgency", usual)),
        name=Words(row["name_zh"], row["name_en"]),
        next=Words(row["next_zh"], row["next_en"]),
        plan=Words(row.get("plan_zh", ""), row.get("plan_en", "")),
        within=timedelta(hours=due["hours"]) if "hours" in due else None,
        days=due.get("days"),
        opens=row["opens"],
        satisfied_by=row.get("satisfied", ""),
        reminders=tuple(
            Reminder(r["template"], r["days"], r.get("at_once", False)) for r in row.get("reminders", ())
        ),
    )
