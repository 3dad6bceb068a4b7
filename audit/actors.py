"""Who acts. An actor is an id and what it may see, never a name: the log outlives the account."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

ActorKind = Literal["staff", "patient", "system", "anonymous"]
FIELD_SETS = frozenset(
    {"identity", "contact", "clinical", "psychological", "genetic", "finance", "marketing", "log"}
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever is answerable for a unit of work.

    `ref` names them in the log ("user:<uuid>", "system:<name>"); `on_behalf_of` is the patient's service number or id
    a proxy acts for. `clinic_id` None means the installation itself.
    """

    ref: str
    kind: ActorKind
    clinic_id: UUID | None
    field_sets: frozenset[str]
    user_id: UUID | None = None
    on_behalf_of: str = ""


def system_actor(name: str, clinic_id: UUID | None) -> Actor:
    """A job of the system, such as "followups" or "import". It may open every kind of field."""
    return Actor(ref=f"system:{name}", kind="system", clinic_id=clinic_id, field_sets=FIELD_SETS)


def anonymous_actor(clinic_id: UUID | None = None) -> Actor:
    """Somebody who has not signed in. Opens nothing."""
    return Actor(ref="anonymous", kind="anonymous", clinic_id=clinic_id, field_sets=frozenset())
