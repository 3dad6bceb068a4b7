"""What ties whoever acts to whom they look at. The rules of alarms read it from the event and ask nobody else."""

from dataclasses import dataclass
from enum import StrEnum

from audit.actors import Actor
from audit.kinds import SEEN, Kind


class Relation(StrEnum):
    """How the actor of an event is related to its subjects. The empty text: it was not asked."""

    OWN = "own"  # looks after them personally
    TEAM = "team"  # through a care team, a group or a grant
    NONE = "none"  # nothing ties them
    BREAK_GLASS = "break_glass"  # opened in an emergency, for a reason
    SELF = "self"  # the person
    PROXY = "proxy"  # who acts for the person
    SYSTEM = "system"  # a job of the house


@dataclass(frozen=True, slots=True)
class Standing:
    """How the actor stands to one subject; `vip` says that the subject is a colleague or well known."""

    relation: Relation | None
    vip: bool = False


def standing_of(actor: Actor, kind: Kind) -> Standing:
    """Where nobody said more: a person who came to see somebody without a word of why has no relation to them."""
    if actor.kind == "system":
        return Standing(Relation.SYSTEM)
    if actor.kind == "patient":
        return Standing(Relation.PROXY if actor.on_behalf_of else Relation.SELF)
    return Standing(Relation.NONE if kind in SEEN else None)
