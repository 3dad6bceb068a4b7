"""Opening sealed data: nothing opens outside an access scope, and each scope leaves one event of what it opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from audit.actors import current_unit
from audit.errors import PurposeUndeclared
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.relations import Relation, Standing
from audit.services import record_access
from crypto.scope import AccessScope, opening

_declared: ContextVar[frozenset[Purpose] | None] = ContextVar("audit_declared", default=None)


@contextmanager
def only_for(purposes: frozenset[Purpose]) -> Iterator[None]:
    """Inside, `access` opens for these purposes and no other: what a job has declared is all it can do."""
    token = _declared.set(purposes)
    try:
        yield
    finally:
        _declared.reset(token)


@contextmanager
def access(
    purpose: Purpose, kind: Kind, *, reason: str = "", field_sets: frozenset[str] | None = None
) -> Iterator[AccessScope]:
    """Sealed fields open inside, those of `field_sets` (default: the actor's). Raises NoActor outside `acting`, and
    PurposeUndeclared in a job that has not named the purpose.

    At its end what was opened is one event (`audit.services.record_access`), in the same transaction; one for each way in which
    the actor stands to whom they looked at, which whoever loads them says by `relate`. `reason` is the code of why, where one was
    asked for. After an exception the event is written when the unit of work is over, so that it survives the rollback.
    """
    unit, kind, purpose = current_unit(), Kind(kind), Purpose(purpose)
    if (declared := _declared.get()) is not None and purpose not in declared:
        raise PurposeUndeclared(purpose.value)
    allowed = field_sets if field_sets is not None or unit.actor.kind == "system" else unit.actor.field_sets
    scope = AccessScope(unit.actor.ref, purpose.value, kind.value, allowed)
    try:
        with opening(scope):
            yield scope
    except BaseException:
        record_access(unit, scope.opened, kind=kind, purpose=purpose, reason=reason, lost=True)
        raise
    record_access(unit, scope.opened, kind=kind, purpose=purpose, reason=reason)


def relate(subject_id: UUID, relation: Relation, *, vip: bool = False) -> None:
    """Say how the actor stands to a subject; every scope of this unit of work that opens them tells so. The last word counts.

    `vip`: the subject is a colleague or well known. Raises NoActor.
    """
    current_unit().standings[subject_id] = Standing(Relation(relation), vip)
