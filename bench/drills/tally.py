"""How large a drill is, and what it counts."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Scale(StrEnum):
    SMALL = "small"  # a fiftieth: what `make test` runs
    FULL = "full"

    def of(self, full: int) -> int:
        """The number a drill works with, given the number of the full drill."""
        return full if self is Scale.FULL else max(1, full // 50)


@dataclass(slots=True)
class Tally:
    """What was tried. Only failures are printed one by one, with the words that find them again."""

    passed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)

    def check(self, held: bool, words: str) -> bool:
        """Count one trial; `words` say what was tried, and name no person."""
        if held:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(words)
            print(f"FAILED {words}", flush=True)
        return held

    def say(self, words: str) -> None:
        print(words, flush=True)


class Drill(Protocol):
    def __call__(self, scale: Scale, tally: Tally, *, seed: int) -> None:
        """Runs in a process with Django set up, on a migrated database without rows, as the application role.

        A drill's child processes get `os.environ`, with DATABASE_URL pointed at Django's current database.
        """
        ...
