"""What an instance holds in place of a sealed value: `Sealed` from the database, `Pending` until it is saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple, NoReturn, Self
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


class Opened(NamedTuple):
    """The typed bytes of a value, and the place they were opened or sealed for."""

    name: str
    clinic_id: UUID
    row_id: UUID
    subject_id: UUID
    value: bytes

    def __repr__(self) -> str:
        return MASK  # a traceback with its variables shows this one, too

    def is_for(self, name: str, clinic_id: UUID, row_id: UUID, subject_id: UUID) -> bool:
        """Whether it was opened for this place. The same objects are the same place without asking further."""
        return (
            self.row_id is row_id
            and self.subject_id is subject_id
            and self.clinic_id is clinic_id
            and self.name is name
        ) or (self[:4] == (name, clinic_id, row_id, subject_id))


class Sealed(Closed):
    """The sealed bytes of one value, and what they said when they were opened for one place."""

    __slots__ = ("opened", "parts", "raw")

    def __init__(self, raw: bytes, opened: Opened | None = None) -> None:
        self.raw = raw
        self.opened = opened
        self.parts: dict[str, str] | None = None  # what `opened` says, where it is several parts: read once

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
