"""Costs compared in one run: machines differ and are busy, ratios hold.

Contestants take turns round by round; a ratio is the median of the rounds' ratios, so that a slow minute costs both alike.
A cost is CPU time of this thread and of its PostgreSQL backend: what else the machine does is not in it.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Protocol

from django.db import connection

Samples = Mapping[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line of a bench. `ratio` is our cost divided by the reference's: lower is better; None where nothing is compared.

    `reference` is the reference's cost in `unit`, `n` how many samples each side has.
    """

    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    n: int = 1


@dataclass(frozen=True, slots=True)
class Goal:
    """The largest ratio that is good enough, and what it is a ratio to."""

    at_most: float
    against: str


class Bench(Protocol):
    def __call__(self, report: "Report", *, full: bool) -> None:
        """Runs in a process with Django set up, on a migrated database, as the application role."""
        ...


@dataclass(slots=True)
class Report:
    """What was measured. Lines go to stdout as they come, words about progress to stderr."""

    goals: Mapping[str, Goal]
    as_json: bool = False
    measures: list[Measure] = field(default_factory=list)

    def add(self, measure: Measure) -> None:
        self.measures.append(measure)
        print(self._json(measure) if self.as_json else self._row(measure), flush=True)

    def ratio(self, name: str, samples: Samples, ours: str, reference: str, *, unit: str = "ms") -> None:
        """Add what `ours` costs beside `reference`, from samples of the same rounds."""
        self.add(
            Measure(
                name=name,
                value=median(samples[ours]),
                unit=unit,
                reference=median(samples[reference]),
                ratio=median_ratio(samples[ours], samples[reference]),
                n=len(samples[ours]),
            )
        )

    def say(self, words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    def missed(self) -> list[str]:
        """A sentence for every goal that was not met, and for every one that was not measured."""
        ratios = {measure.name: measure.ratio for measure in self.measures}
        found = []
        for name, goal in self.goals.items():
            ratio = ratios.get(name)
            if ratio is None:
                found.append(f"{name}: not measured")
            elif ratio > goal.at_most:
                found.append(f"{name}: {ratio:.3g} of {goal.against}, the goal is at most {goal.at_most:.3g}")
        return found

    def _json(self, measure: Measure) -> str:
        rounded = {key: _short(value) for key, value in asdict(measure).items()}
        return json.dumps(rounded, ensure_ascii=False)

    def _row(self, measure: Measure) -> str:
        cells = [f"{measure.name:<28}{measure.value:>12.4g} {measure.unit:<6}"]
        if measure.ratio is not None:
            cells.append(f"{measure.ratio:>8.3f} x {measure.reference or 0:.4g} {measure.unit}")
        if goal := self.goals.get(measure.name):
            cells.append(f"goal {goal.at_most:.3g} of {goal.against}")
        return "  ".join(cells)


def _short(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def median_ratio(ours: list[float], reference: list[float]) -> float:
    """The median of the rounds' ratios."""
    return median(mine / theirs for mine, theirs in zip(ours, reference, strict=True))


def race(
    contestants: Mapping[str, Callable[[], object]], *, rounds: int, times: int = 1, warm_ups: int = 2
) -> dict[str, list[float]]:
    """Milliseconds one call of each contestant costs, a sample for every round; a sample is the mean of `times` calls.

    Each round begins with another contestant. Before a sample what lies about is collected, and what lived before the race is
    left out of every collection; inside a sample the collector runs as ever, so that each pays for its own garbage.
    """
    names = list(contestants)
    for _ in range(warm_ups):
        for work in contestants.values():
            work()
    samples: dict[str, list[float]] = {name: [] for name in names}
    clock = cpu_clock()
    with _frozen_heap():
        for round_ in range(rounds):
            turn = round_ % len(names)
            for name in names[turn:] + names[:turn]:
                samples[name].append(_sample(contestants[name], times, clock))
    return samples


def _sample(work: Callable[[], object], times: int, clock: Callable[[], int]) -> float:
    gc.collect()
    began = clock()
    for _ in range(times):
        work()
    return (clock() - began) / times / 1e6


@contextmanager
def _frozen_heap() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def cpu_clock() -> Callable[[], int]:
    """Nanoseconds of CPU of this thread and of the PostgreSQL backend it talks to; time of day where a system tells neither."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    clock_of_backend = (
        ~backend << 3 | 2
    )  # Linux: the CPU clock of another process, see clock_getcpuclockid(3)
    try:
        time.clock_gettime_ns(clock_of_backend)
    except OSError:
        return time.perf_counter_ns
    return lambda: time.thread_time_ns() + time.clock_gettime_ns(clock_of_backend)
