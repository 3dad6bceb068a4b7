"""What an instance holds in place of a sealed value: `Sealed` from the database, `Pending` until it is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import itemgetter
from typing import Final, NoReturn, Self
from uuid import UUID

MASK: Final = "‹sealed›"


class Closed:
    """Prints as ‹sealed› wherever it is printed, so that no log, page or debugger shows more."""

    __slots__ = ()

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


Place = tuple[UUID, UUID, UUID]
"""Sealing clinic, row and subject: what a seal is bound to beside the name of its field."""
place_in: Final = itemgetter("sealed_by_clinic", "id", "subject_id")
"""The place of what a row's `__dict__` holds. Raises KeyError for a column that was not loaded."""


class Opened(Closed):
    """The typed bytes of a value, and the field and place they were opened or sealed for; the parts of several in one seal."""

    __slots__ = ("name", "parts", "place", "value")

    def __init__(self, name: str, place: Place, value: bytes) -> None:
        self.name = name
        self.place = place
        self.value = value
        self.parts: dict[str, str] | None = None  # read once, and only where `value` is several texts

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened value cannot be pickled")


class Sealed(Closed):
    """The sealed bytes of one value, and what they said when they were opened for one place."""

    __slots__ = ("opened", "raw")

    def __init__(self, raw: bytes, opened: Opened | None = None) -> None:
        self.raw = raw
        self.opened = opened

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        return type(self), (self.raw,)  # a cache or a queue gets the sealed bytes alone


class Pending(Closed):
    """A value that was assigned and not saved yet, as typed bytes, with the seal it replaces.

    `given` names the parts the caller supplied, for a field of several parts; the others were there before.
    """

    __slots__ = ("given", "old", "value")

    def __init__(self, value: bytes, old: Sealed | None, given: frozenset[str] | None = None) -> None:
        self.value = value
        self.old = old
        self.given = given

    def __reduce__(self) -> NoReturn:
        raise TypeError("an unsaved value of a sealed field cannot be pickled")


def seal_of(held: Sealed | Pending | None) -> Sealed | None:
    """The seal that stands in the database, as far as the instance knows."""
    return held.old if isinstance(held, Pending) else held


_raw: ContextVar[bool] = ContextVar("raw_seals", default=False)
hands_out_seals = _raw.get


@contextmanager
def raw_seals() -> Iterator[None]:
    """Inside, sealed fields hand over their `Sealed` or `Pending` itself and open nothing: for copying and comparing."""
    token = _raw.set(True)
    try:
        yield
    finally:
        _raw.reset(token)
