"""Opening sealed data: nothing opens outside an access scope, and each scope leaves one event of what it opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from audit.actors import Unit, current_unit
from audit.decoys import ring_for
from audit.events import Draft, purpose_of, write
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from crypto.scope import AccessScope, opening

SUBJECTS_IN_AN_EVENT = 500


@contextmanager
def access(
    purpose: Purpose,
    kind: Kind,
    *,
    relation: str = "",
    reason: str = "",
    field_sets: frozenset[str] | None = None,
) -> Iterator[AccessScope]:
    """Sealed fields open inside, those of `field_sets` (default: the actor's). Raises NoActor outside `acting`.

    At its end one ACCESS event is written, in the same transaction, if anything was opened. `relation` is what ties the actor
    to whom they looked at (own, team, none, break_glass), for the rules of alarms; `reason` is the code of why, where one was
    asked for. After an exception the event is written when the unit of work is over, so that it survives the rollback. A person
    who came to see a decoy raises an alarm with it.
    """
    unit = current_unit()
    allowed = field_sets if field_sets is not None or unit.actor.kind == "system" else unit.actor.field_sets
    scope = AccessScope(unit.actor.ref, purpose_of(purpose), Kind(kind).value, allowed)
    try:
        with opening(scope):
            yield scope
    except BaseException:
        unit.owed += _drafts(unit, scope, relation, reason)
        raise
    for draft in _drafts(unit, scope, relation, reason):
        ring_for(draft, write(draft).uid)
        unit.if_lost.append(draft)


def _drafts(unit: Unit, scope: AccessScope, relation: str, reason: str) -> list[Draft]:
    """One event for every 500 subjects. What was only matched is a number: whom a search compared is nobody's visit."""
    return [_draft(unit, scope, relation, reason, subjects) for subjects in _batches(sorted(scope.opened))]


def _batches(subjects: list[UUID]) -> Iterator[tuple[UUID, ...]]:
    for start in range(0, len(subjects), SUBJECTS_IN_AN_EVENT):
        yield tuple(subjects[start : start + SUBJECTS_IN_AN_EVENT])


def _draft(unit: Unit, scope: AccessScope, relation: str, reason: str, subjects: tuple[UUID, ...]) -> Draft:
    names = set[str]().union(*(scope.opened[subject] for subject in subjects))
    return Draft(
        unit=unit,
        action=AuditEvent.Action.ACCESS,
        clinic_id=unit.clinic_id,
        subjects=() if scope.kind == Kind.MATCHED else subjects,
        fields=dict.fromkeys(names),
        kind=scope.kind,
        purpose=scope.purpose,
        relation=relation,
        reason=reason,
        count=len(subjects),
    )
