"""What a test finds laid out: made by the real services once for a module, and found by every test of it as it was made.

A fixture marked `@laid_out` is made in a transaction that stays open while tests follow that ask for it. Each test then runs in
a savepoint of that transaction, as it would in a transaction of its own, and gets a copy of what the fixture answered: what it
changes, in the database or in hand, the next one does not see. A test finds no more than it asked for: what the test before had
beside that is rolled back first. A fixture that is laid out asks for nothing but others that are; what belongs to one test alone
(its browser, its settings, its clock) stays a fixture like any other. For a test that commits, it is one like any other too.
"""

import inspect
import os
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.cache import cache
from django.db import transaction
from pytest_django import DjangoDbBlocker

# An open transaction holds the log's horizon back for every test on this server. So what is laid out is made anew after a while,
# and at once when somebody waits for the horizon, in whichever process: they share this folder.
SECONDS: Final = 5.0
ASKED: Final = Path(os.environ["ZHIZHI_DATA"]) / "horizon-is-waited-for"
_places = count()


@dataclass(frozen=True, eq=False)
class Layer:
    """What one fixture makes out of what lower ones made."""

    name: str
    make: Callable[..., Any]
    of: tuple[str, ...]
    place: int = field(default_factory=lambda: next(_places))


@dataclass
class Made:
    layer: Layer
    savepoint: transaction.Atomic
    value: Any


class Stack:
    """The layers that are in the database of this process, from the lowest up."""

    def __init__(self) -> None:
        self._made: list[Made] = []
        self._wanted: list[Layer] = []
        self._module: object = None
        self._since = 0.0
        self._blocker: DjangoDbBlocker | None = None
        self._copied: dict[int, Any] = {}

    def leave_for(self, test: pytest.Item) -> None:
        """Before a test and its fixtures: leave what it finds, and roll back the rest."""
        self._wanted, self._copied = _layers_of(test), {}
        if (
            test.parent is not self._module
            or time.time() > self._since + SECONDS
            or _asked_since(self._since)
        ):
            self.roll_back_to(0)
        self._module = test.parent
        if self._wanted:
            cache.clear()  # tries and searches are counted there by account, and those of the last test are the same accounts
        pairs = zip(self._made, self._wanted, strict=False)
        self.roll_back_to(sum(1 for _ in takewhile(lambda pair: pair[0].layer is pair[1], pairs)))

    def make(self, blocker: DjangoDbBlocker) -> None:
        """Before the test's own savepoint: make what it asks for and what is not there yet."""
        self._blocker = blocker
        if not self._made:
            self._since = time.time()
        with blocker.unblock():
            for layer in self._wanted[len(self._made) :]:
                below = {name: self._made_by(name) for name in layer.of}
                savepoint = transaction.atomic()
                savepoint.__enter__()
                self._made.append(Made(layer, savepoint, None))
                try:
                    self._made[-1].value = layer.make(**below)
                except BaseException:
                    self.roll_back_to(0)
                    raise

    def roll_back_to(self, number: int) -> None:
        """So many of the lowest stay."""
        while len(self._made) > number:
            assert self._blocker is not None
            with self._blocker.unblock():
                transaction.set_rollback(True)
                self._made.pop().savepoint.__exit__(None, None, None)

    def has(self, layer: Layer) -> bool:
        return any(made.layer is layer for made in self._made)

    def copy_of(self, layer: Layer) -> Any:
        """For the test at hand; what two values share, their copies share."""
        return deepcopy(self._made_by(layer.name), self._copied)

    def _made_by(self, name: str) -> Any:
        return next(made.value for made in self._made if made.layer.name == name)


stack: Final = Stack()


def let_the_horizon_pass() -> None:
    """Whatever is laid out now is left before the next test."""
    now = time.time()
    ASKED.touch()
    os.utime(ASKED, (now, now))  # by the clock that `_since` is of: a folder's own is some milliseconds late


def _asked_since(moment: float) -> bool:
    return ASKED.exists() and ASKED.stat().st_mtime >= moment


def laid_out(make: Callable[..., Any]) -> Any:
    """A fixture that is made once for a module."""
    layer = Layer(make.__name__, make, tuple(inspect.signature(make).parameters))

    def found(db: None, **below: Any) -> Any:
        return stack.copy_of(layer) if stack.has(layer) else make(**below)

    asked = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("db", *layer.of)]
    found.__signature__ = inspect.Signature(asked)  # type: ignore[attr-defined]  # pytest reads it
    found.layer = layer  # type: ignore[attr-defined]  # read by _layers_of
    found.__name__, found.__doc__, found.__module__ = make.__name__, make.__doc__, make.__module__
    return pytest.fixture(found)


def _layers_of(test: pytest.Item) -> list[Layer]:
    """Those it asks for that rest on layers alone, in the order of their definition; none for a test that commits."""
    if not isinstance(test, pytest.Function) or _commits(test):
        return []
    fixtures = test._fixtureinfo.name2fixturedefs  # pytest has no public way from a name to its function
    asked = [getattr(defined[-1].func, "layer", None) for defined in fixtures.values()]
    found: dict[str, Layer] = {}
    for layer in sorted(filter(None, asked), key=lambda layer: layer.place):
        if all(name in found for name in layer.of):
            found[layer.name] = layer
    return list(found.values())


def _commits(test: pytest.Function) -> bool:
    mark = test.get_closest_marker("django_db")
    marked = mark is not None and bool(mark.kwargs.get("transaction"))
    return marked or not {"transactional_db", "live_server"}.isdisjoint(test.fixturenames)
