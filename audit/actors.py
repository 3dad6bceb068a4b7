"""Who acts, and in which unit of work. An actor is an id and what it may see, never a name: the log outlives the account."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from audit.errors import NoActor
from crypto.scope import BrokenValue

if TYPE_CHECKING:
    from audit.alarms import AlarmDraft
    from audit.events import Draft
    from audit.relations import Standing

ActorKind = Literal["staff", "integration", "patient", "system", "anonymous"]
FIELD_SETS = frozenset(
    {"identity", "contact", "clinical", "psychological", "genetic", "finance", "marketing", "log"}
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever is answerable for a unit of work.

    `ref` names them in the log ("user:<uuid>", "system:<name>"); `on_behalf_of` is the subject a proxy acts for.
    `clinic_id` None means the installation itself; `roles` are the codes of what a member of staff is there.
    """

    ref: str
    kind: ActorKind
    clinic_id: UUID | None
    field_sets: frozenset[str]
    user_id: UUID | None = None
    on_behalf_of: str = ""
    roles: tuple[str, ...] = ()

    @property
    def is_at_work(self) -> bool:
        """A member of staff, or a program that works in the clinic as one: both see whom they care for."""
        return self.kind in ("staff", "integration")


def system_actor(name: str, clinic_id: UUID | None) -> Actor:
    """A job of the system, such as "followups" or "import". It may open every kind of field."""
    return Actor(ref=f"system:{name}", kind="system", clinic_id=clinic_id, field_sets=FIELD_SETS)


@dataclass(slots=True, eq=False)
class Unit:
    """One unit of work: its actor, the clinics it sees, and the number of its database transaction.

    `if_lost` are entries written inside the transaction that must be written again should it be rolled back;
    `owed` are entries that must be written after it, however it ends. `broken` is what did not open so far; `standings` is how
    the actor stands to subjects, as `audit.access.relate` was told.
    """

    actor: Actor
    clinic_ids: tuple[UUID, ...]
    request_id: str = ""
    address: str | None = None
    txid: int = 0
    if_lost: "list[Draft | AlarmDraft]" = field(default_factory=list)
    owed: "list[Draft | AlarmDraft]" = field(default_factory=list)
    broken: dict[BrokenValue, None] = field(default_factory=dict)
    standings: "dict[UUID, Standing]" = field(default_factory=dict)

    @property
    def clinic_id(self) -> UUID | None:
        """The clinic whose log what happens here belongs to; None is the system's log."""
        if self.actor.clinic_id is not None:
            return self.actor.clinic_id
        return self.clinic_ids[0] if len(self.clinic_ids) == 1 else None


_unit: ContextVar[Unit | None] = ContextVar("audit_unit", default=None)
unit_or_none = _unit.get


def current_unit() -> Unit:
    """The unit of work in hand. Raises NoActor."""
    unit = _unit.get()
    if unit is None:
        raise NoActor
    return unit


def current_actor() -> Actor:
    """Whoever acts now. Raises NoActor."""
    return current_unit().actor


@contextmanager
def at_work(unit: Unit) -> Iterator[Unit]:
    """Inside, `unit` is the one in hand. Opened by `audit.acting` alone."""
    token = _unit.set(unit)
    try:
        yield unit
    finally:
        _unit.reset(token)
