"""The access scope: without one nothing opens. `audit` opens scopes and writes down what they saw, and what did not open."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from crypto.errors import NoAccessScope


@dataclass(slots=True)
class AccessScope:
    """Who reads sealed data, for which purpose, and what they have opened so far.

    `field_sets` None means all. `opened` maps each subject to the names of the fields that were opened.
    """

    actor_ref: str
    purpose: str
    kind: str
    field_sets: frozenset[str] | None = None
    opened: dict[UUID, set[str]] = field(default_factory=dict)
    _subject: UUID | None = field(default=None, init=False, repr=False, compare=False)
    _names: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    def allows(self, field_set: str) -> bool:
        return self.field_sets is None or field_set in self.field_sets

    def note(self, subject_id: UUID, name: str) -> None:
        """A field of this subject was opened."""
        self.names_of(subject_id).add(name)

    def names_of(self, subject_id: UUID) -> set[str]:
        """Where the names of the fields of this subject are noted. Rows of one subject come together: the latest is at hand."""
        if self._subject is not subject_id:
            self._subject, self._names = subject_id, self.opened.setdefault(subject_id, set())
        return self._names


_scope: ContextVar[AccessScope | None] = ContextVar("access_scope", default=None)
scope_or_none = _scope.get
"""The scope that is open now, or None."""


def current_scope() -> AccessScope:
    """The scope that is open now. Raises NoAccessScope."""
    scope = _scope.get()
    if scope is None:
        raise NoAccessScope
    return scope


@contextmanager
def opening(scope: AccessScope) -> Iterator[AccessScope]:
    """Sealed values may be opened inside, on behalf of `scope`. Scopes nest; the innermost one counts."""
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


class BrokenValue(NamedTuple):
    """A value, or a wrapped key, that is there and does not open. `name` is the field's lasting name, `row_id` its row."""

    clinic_id: UUID
    subject_id: UUID | None
    name: str
    row_id: str


_broken: ContextVar[dict[BrokenValue, None] | None] = ContextVar("broken_values", default=None)


@contextmanager
def noting_broken(found: dict[BrokenValue, None]) -> Iterator[None]:
    """Inside, whatever does not open is put into `found`, each once. `audit.acting` opens it for every unit of work."""
    token = _broken.set(found)
    try:
        yield
    finally:
        _broken.reset(token)


def note_broken(clinic_id: UUID, subject_id: UUID | None, name: str, row_id: UUID | int) -> None:
    """Something was found that does not open. A key that was destroyed on purpose, or is away, is no such thing."""
    found = _broken.get()
    if found is not None:
        found[BrokenValue(clinic_id, subject_id, name, str(row_id))] = None
