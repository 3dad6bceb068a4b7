"""How an event becomes a row: one canonical text, and columns that copy its parts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection, models
from django.utils.timezone import now
from psycopg2.extras import Json

from audit.actors import Unit
from audit.canon import canonical, mac, moment, plain
from audit.errors import LogUnavailable
from audit.models import SYSTEM_LOG
from audit.purposes import Purpose
from audit.relations import Relation
from audit.wrote import Wrote, key_of
from crypto.ids import uuid7

VERSION = 1
SOURCES = {"patient": "portal", "system": "task"}
_CODE = re.compile(r"[A-Za-z0-9_.:-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What happened, before it has a number, a time and a transaction. `fields` maps a name to (old, new), or to None
    where it was only opened; `wrote` names what was written beside the object; `reason` and `result` are codes, because free
    text would be a person's words in the clear."""

    unit: Unit
    action: str
    clinic_id: UUID | None
    object: tuple[str, str] | None = None
    subjects: tuple[UUID, ...] = ()
    fields: Mapping[str, tuple[Any, Any] | None] = field(default_factory=dict)
    kind: str = ""
    purpose: str = ""
    decision: UUID | None = None
    relation: Relation | None = None
    vip: bool = False
    wrote: tuple[Wrote, ...] = ()
    count: int | None = None
    result: str = "ok"
    reason: str = ""

    def __post_init__(self) -> None:
        if not (_CODE.fullmatch(self.reason) and _CODE.fullmatch(self.result)):
            raise ValueError("the log takes a code for reason and result, never free text")

    def after_rollback(self) -> "Draft":
        """The same, to be written again after the transaction that held it was rolled back."""
        return replace(self, result="rolled_back") if self.result == "ok" else self


def object_of(thing: models.Model | tuple[str, str] | None) -> tuple[str, str] | None:
    """Type and id: a model as "app.model" and the key its row changes carry."""
    return (thing._meta.label_lower, key_of(thing)) if isinstance(thing, models.Model) else thing


def subjects_of(subjects: Iterable[UUID]) -> tuple[UUID, ...]:
    return tuple(sorted(set(subjects)))


def purpose_of(purpose: Purpose | str | None) -> str:
    return Purpose(purpose).value if purpose else ""


class Written(NamedTuple):
    """The event that was written: its id and its time."""

    uid: UUID
    timestamp: datetime


def write(draft: Draft) -> Written:
    """Insert the event under the unit in hand. Raises LogUnavailable; whatever it was about must then not happen."""
    written = Written(uuid7(), now())
    entry = entry_of(draft, uid=written.uid, at=written.timestamp)
    canon = canonical(entry)
    try:
        _insert(canon, content_type_id(draft.object[0] if draft.object else ""), changes_of(entry))
    except DatabaseError as error:
        raise LogUnavailable(f"{draft.action}: {type(error).__name__}") from error
    return written


def entry_of(draft: Draft, *, uid: UUID, at: datetime) -> dict[str, Any]:
    """What is hashed. `docs/audit-for-auditors.md` says what each key means."""
    unit, actor = draft.unit, draft.unit.actor
    return {
        "v": VERSION,
        "uid": str(uid),
        "at": moment(at),
        "tx": unit.txid,
        "log": str(draft.clinic_id or SYSTEM_LOG),
        "clinic": plain(draft.clinic_id),
        "actor": actor.ref,
        "actor_kind": actor.kind,
        "roles": [*actor.roles],
        "account": plain(actor.user_id),
        "behalf": actor.on_behalf_of,
        "source": SOURCES.get(actor.kind, "app"),
        "request": unit.request_id,
        "address": unit.address,
        "action": draft.action,
        "kind": draft.kind,
        "object": {"type": draft.object[0], "id": draft.object[1]} if draft.object else None,
        "subjects": [str(subject) for subject in draft.subjects],
        "fields": [_field(name, draft.fields[name]) for name in sorted(draft.fields)],
        "purpose": draft.purpose,
        "decision": plain(draft.decision),
        "relation": draft.relation or "",
        "vip": draft.vip,
        "wrote": [part.entry() for part in draft.wrote],
        "count": draft.count,
        "result": draft.result,
        "reason": draft.reason,
    }


def _field(name: str, change: tuple[Any, Any] | None) -> dict[str, Any]:
    return (
        {"name": name} if change is None else {"name": name, "old": plain(change[0]), "new": plain(change[1])}
    )


def columns_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The columns that copy a part of the entry. `audit.verification` calls this too and compares."""
    what = entry["object"] or {"type": "", "id": ""}
    return {
        "uid": UUID(entry["uid"]),
        "log_id": UUID(entry["log"]),
        "clinic_id": _uuid(entry["clinic"]),
        "txid": entry["tx"],
        "timestamp": datetime.fromisoformat(entry["at"]),
        "source": entry["source"],
        "request_id": entry["request"],
        "actor_id": _uuid(entry["account"]),
        "actor_ref": entry["actor"],
        "actor_kind": entry["actor_kind"],
        "on_behalf_of": entry["behalf"],
        "remote_addr": entry["address"],
        "action": entry["action"],
        "kind": entry["kind"],
        "object_pk": what["id"],
        "purpose": entry["purpose"],
        "consent_decision": _uuid(entry["decision"]),
        "relation": entry["relation"],
        "vip": entry.get("vip", False),  # entries of before this key was written say nothing
        "wrote": entry.get("wrote") or None,
        "count": entry["count"],
        "result": entry["result"],
        "reason": entry["reason"],
        "changes": changes_of(entry),
        "canon": canonical(entry),
    }


def changes_of(entry: dict[str, Any]) -> dict[str, list[Any] | None] | None:
    """By field, old and new; None for a field that was only opened."""
    return {f["name"]: [f["old"], f["new"]] if "old" in f else None for f in entry["fields"]} or None


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


@lru_cache(maxsize=1024)
def content_type_id(label: str) -> int | None:
    """None for what is not a model: a page, a job."""
    app, _, model = label.partition(".")
    try:
        return ContentType.objects.get_by_natural_key(app, model).pk if model else None
    except ContentType.DoesNotExist:
        return None


def _insert(canon: bytes, content_type: int | None, changes: dict[str, list[Any] | None] | None) -> None:
    """By one function of the database, which makes every column from the entry and keeps its plan."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_write(%s, %s, %s, %s)",
            [canon, mac(canon), content_type, None if changes is None else Json(changes)],
        )
