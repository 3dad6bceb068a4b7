"""The twenty tamperings: what a superuser of the database does to a copy of the log, and the words by which it must be named."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from psycopg2.extensions import connection as Connection

from audit import configured
from audit.acting import acting
from audit.actors import system_actor
from audit.canon import canonical
from audit.connections import as_role
from audit.merkle import Frontier, leaf_hash
from audit.notes import Checkpoint, Note, Signer
from audit.sequencer import Sequencer
from audit.services import record
from audit.trees import LEVELS_KEPT, Tree
from bench.drills.owner import superuser
from crypto.ids import uuid7

TABLES: Final = (
    "audit_event", "audit_event_subject", "audit_row_change", "audit_leaf", "audit_node", "audit_checkpoint", "audit_cosig",
    "audit_state", "audit_horizon",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """The log before anybody touched it: `own` is tampered with. `uids` are its events in the order of their leaves."""

    own: UUID
    other: UUID
    year: int
    uids: tuple[str, ...]
    notes: tuple[str, ...]  # every signed checkpoint, smallest first
    last: int
    signer: Signer

    @classmethod
    def read(cls, own: UUID, other: UUID, *, last: int, signer: Signer) -> "Facts":
        with superuser(connection.settings_dict["NAME"]) as there, there.cursor() as cursor:
            cursor.execute(
                "SELECT year, uid::text FROM audit_leaf WHERE log_id = %s ORDER BY leaf_index", [str(own)]
            )
            leaves = cursor.fetchall()
            cursor.execute("SELECT note FROM audit_checkpoint WHERE log_id = %s ORDER BY size", [str(own)])
            notes = tuple(note for (note,) in cursor.fetchall())
        return cls(own, other, leaves[0][0], tuple(uid for _, uid in leaves), notes, last, signer)

    @property
    def logs(self) -> list[UUID]:
        return [self.own, self.other]

    @property
    def size(self) -> int:
        return len(self.uids)

    @property
    def tree(self) -> Tree:
        return Tree(self.own, self.year)

    @property
    def origin(self) -> str:
        return self.tree.origin(self.signer.name)

    @property
    def victim(self) -> int:
        """Where the entry in question stands."""
        return self.size // 2

    def signed_around(self, index: int) -> tuple[int, int]:
        """The signed sizes before and after a leaf."""
        sizes = [0, *(Checkpoint.parse(Note.parse(note).text).size for note in self.notes)]
        after = next(size for size in sizes if size > index)
        return max(size for size in sizes if size <= index), after


class Copy:
    """A copy of the database under a superuser's hands."""

    def __init__(self, there: Connection, facts: Facts) -> None:
        self.there, self.facts = there, facts

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.there.cursor() as cursor:
            cursor.execute(sql, [str(value) if isinstance(value, UUID) else value for value in values])
            return list(cursor.fetchall()) if cursor.description else []

    def entry(self, uid: str) -> dict[str, Any]:
        ((canon,),) = self.run("SELECT canon FROM audit_event WHERE uid = %s", uid)
        entry: dict[str, Any] = json.loads(bytes(canon))
        return entry

    def rewrite(self, uid: str, **parts: Any) -> bytes:
        """Another entry under the same number, canonical as it should be, with the columns that copy it. Answers its bytes."""
        canon = canonical({**self.entry(uid), **parts})
        self.run("UPDATE audit_event SET canon = %s WHERE uid = %s", canon, uid)
        columns = {"actor": "actor_ref", "at": "timestamp", "result": "result"}
        for part, value in parts.items():
            if part in columns:
                self.run(f"UPDATE audit_event SET {columns[part]} = %s WHERE uid = %s", value, uid)
        return canon

    def rehash(self, uid: str) -> None:
        self.run(
            "UPDATE audit_leaf l SET leaf_hash = sha256('\\x00'::bytea || e.canon) FROM audit_event e"
            " WHERE e.uid = l.uid AND l.uid = %s",
            uid,
        )

    def hashes(self) -> list[bytes]:
        rows = self.run(
            "SELECT leaf_hash FROM audit_leaf WHERE log_id = %s ORDER BY leaf_index", self.facts.own
        )
        return [bytes(hashed) for (hashed,) in rows]

    def regrow(self) -> Frontier:
        """Nodes and state as they would be had these leaves been sealed."""
        frontier, own = Frontier(), self.facts.own
        completed = frontier.extend(self.hashes())
        self.run("DELETE FROM audit_node WHERE log_id = %s", own)
        for level, place, root in completed:
            if level % LEVELS_KEPT == 0:
                self.run(
                    "INSERT INTO audit_node (log_id, year, level, place, hash) VALUES (%s, %s, %s, %s, %s)",
                    own, self.facts.year, level // LEVELS_KEPT, place, root,
                )  # fmt: skip
        self.run(
            "UPDATE audit_state SET size = %s, frontier = %s WHERE log_id = %s",
            frontier.size,
            frontier.hashes,
            own,
        )
        return frontier

    def write_checkpoint(self, frontier: Frontier, note: str) -> None:
        self.run(
            "DELETE FROM audit_checkpoint WHERE log_id = %s AND size = %s", self.facts.own, frontier.size
        )
        self.run(
            "INSERT INTO audit_checkpoint (log_id, year, size, root, note) VALUES (%s, %s, %s, %s, %s)",
            self.facts.own, self.facts.year, frontier.size, frontier.root(), note,
        )  # fmt: skip

    def note(self, frontier: Frontier, signature: Callable[[str], str]) -> str:
        text = str(Checkpoint(self.facts.origin, frontier.size, frontier.root()))
        return str(Note(text, (signature(text),)))

    def old_signature(self, text: str) -> str:
        """Whoever has no key can only put a signature of before under a new text."""
        return Note.parse(self.facts.notes[-1]).signatures[0]

    def cut(self, size: int) -> None:
        """Leaves from `size` on are gone with their entries, and everything that spoke of them."""
        own = self.facts.own
        for table in ("audit_event", "audit_row_change"):
            self.run(
                f"DELETE FROM {table} WHERE uid IN (SELECT uid FROM audit_leaf WHERE log_id = %s AND leaf_index >= %s)",
                own, size,
            )  # fmt: skip
        self.run("DELETE FROM audit_leaf WHERE log_id = %s AND leaf_index >= %s", own, size)
        self.run("DELETE FROM audit_checkpoint WHERE log_id = %s AND size > %s", own, size)
        self.regrow()

    def add_copy(self, uid: str, new: str, canon: bytes, txid: int | None = None) -> None:
        """A row like that of `uid` under another number."""
        names = [name for (name,) in self.run(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_event'::regclass AND attnum > 0 AND NOT attisdropped"
        )]  # fmt: skip
        others = ", ".join(name for name in names if name not in ("uid", "canon", "txid"))
        self.run(
            f"INSERT INTO audit_event (uid, canon, txid, {others})"
            f" SELECT %s, %s, coalesce(%s, txid), {others} FROM audit_event WHERE uid = %s",
            new, canon, txid, uid,
        )  # fmt: skip
        self.run(
            "INSERT INTO audit_event_subject (subject_id, event_uid, log_id)"
            " SELECT subject_id, %s, log_id FROM audit_event_subject WHERE event_uid = %s",
            new, uid,
        )  # fmt: skip

    def add_leaf(self, uid: str, canon: bytes) -> None:
        self.run(
            "INSERT INTO audit_leaf (log_id, year, leaf_index, uid, source, leaf_hash)"
            " SELECT log_id, year, max(leaf_index) + 1, %s, 'e', %s FROM audit_leaf WHERE log_id = %s GROUP BY 1, 2",
            uid, leaf_hash(canon), self.facts.own,
        )  # fmt: skip

    def range_of(self, index: int) -> str:
        first, end = self.facts.signed_around(index)
        return f"{self.facts.origin}, leaves {first} to {end - 1}: the tree is not the one that was signed at {end}"


Tampering = Callable[[Copy], str]


def victim_of(copy: Copy) -> str:
    return copy.facts.uids[copy.facts.victim]


def change_a_field(copy: Copy) -> str:
    copy.rewrite(victim_of(copy), result="refused")
    return f"audit_event {victim_of(copy)}: is not what was sealed (leaf {copy.facts.victim} of {copy.facts.origin})"


def change_the_time(copy: Copy) -> str:
    copy.run(
        "UPDATE audit_event SET timestamp = timestamp - interval '1 day' WHERE uid = %s", victim_of(copy)
    )
    return f"audit_event {victim_of(copy)}: column timestamp is not what the entry says"


def change_the_actor(copy: Copy) -> str:
    copy.rewrite(victim_of(copy), actor="user:somebody-else")
    return f"audit_event {victim_of(copy)}: is not what was sealed"


def delete_one(copy: Copy, index: int | None = None) -> str:
    index = copy.facts.victim if index is None else index
    uid = copy.facts.uids[index]
    copy.run("DELETE FROM audit_event WHERE uid = %s", uid)
    copy.run("DELETE FROM audit_event_subject WHERE event_uid = %s", uid)
    return f"audit_event {uid}: was deleted (leaf {index} of {copy.facts.origin})"


def delete_the_last(copy: Copy) -> str:
    """With its leaf, so that a gap shows only at the end."""
    copy.cut(copy.facts.size - 1)
    return f"had {copy.facts.size} entries when the checkpoint kept elsewhere was signed"


def delete_the_first(copy: Copy) -> str:
    return delete_one(copy, 0)


def cut_the_end_and_set_the_sequence_back(copy: Copy) -> str:
    before, _ = copy.facts.signed_around(copy.facts.size - copy.facts.last)
    copy.cut(before)
    copy.run("UPDATE audit_horizon SET sealed_below = (SELECT max(txid) + 1 FROM audit_event)")
    return f"leaves {before} to {copy.facts.size - 1} are gone"


def insert_between(copy: Copy) -> str:
    uid, new = victim_of(copy), str(uuid7())
    copy.add_copy(uid, new, canonical({**copy.entry(uid), "uid": new}))
    return f"audit_event {new}: was added behind the sealed part and has no place in the log"


def append_without_the_key(copy: Copy) -> str:
    uid, new = victim_of(copy), str(uuid7())
    canon = canonical({**copy.entry(uid), "uid": new})
    copy.add_copy(uid, new, canon)
    copy.add_leaf(new, canon)
    frontier = copy.regrow()
    copy.write_checkpoint(frontier, copy.note(frontier, copy.old_signature))
    return f"checkpoint {frontier.size} of {copy.facts.origin}: the signature of {copy.facts.origin} is wrong"


def swap(copy: Copy) -> str:
    index = copy.facts.victim
    for old, new in ((index, -1), (index + 1, index), (-1, index + 1)):
        copy.run(
            "UPDATE audit_leaf SET leaf_index = %s WHERE log_id = %s AND leaf_index = %s",
            new,
            copy.facts.own,
            old,
        )
    return copy.range_of(index)


def duplicate(copy: Copy) -> str:
    uid, new = victim_of(copy), str(uuid7())
    ((canon,),) = copy.run("SELECT canon FROM audit_event WHERE uid = %s", uid)
    copy.add_copy(uid, new, bytes(canon))
    copy.add_leaf(new, bytes(canon))
    copy.regrow()
    return f"audit_event {new}: column uid is not what the entry says"


def change_and_recompute_its_hash(copy: Copy) -> str:
    copy.rewrite(victim_of(copy), result="refused")
    copy.rehash(victim_of(copy))
    return copy.range_of(copy.facts.victim)


def recompute_all_after(copy: Copy) -> str:
    words = change_and_recompute_its_hash(copy)
    copy.regrow()
    return words


def recompute_all_and_the_stored_roots(copy: Copy) -> str:
    recompute_all_after(copy)
    frontier = copy.regrow()
    copy.write_checkpoint(frontier, copy.note(frontier, copy.old_signature))
    return f"checkpoint {frontier.size} of {copy.facts.origin}: the signature of {copy.facts.origin} is wrong"


def sign_again_with_another_key(copy: Copy) -> str:
    recompute_all_after(copy)
    frontier = copy.regrow()
    stranger = Signer(copy.facts.origin, bytes(range(32)))
    copy.run("DELETE FROM audit_checkpoint WHERE log_id = %s", copy.facts.own)
    copy.write_checkpoint(frontier, copy.note(frontier, stranger.sign))
    return f"checkpoint {frontier.size} of {copy.facts.origin}: is not signed by the log's key"


def put_an_older_checkpoint_back(copy: Copy) -> str:
    before, _ = copy.facts.signed_around(copy.facts.size - copy.facts.last)
    copy.run("DELETE FROM audit_checkpoint WHERE log_id = %s AND size > %s", copy.facts.own, before)
    return f"leaves {before} to {copy.facts.size - 1} are gone"


def fork(copy: Copy) -> str:
    """With the genuine key, stolen: another history of the same length."""
    recompute_all_after(copy)
    frontier = copy.regrow()
    genuine = Signer(copy.facts.origin, copy.facts.signer.seed)
    copy.run("DELETE FROM audit_checkpoint WHERE log_id = %s", copy.facts.own)
    copy.write_checkpoint(frontier, copy.note(frontier, genuine.sign))
    return f"{copy.facts.origin} at {frontier.size}: was signed twice with different roots: a fork"


def move_to_another_clinic(copy: Copy) -> str:
    uid, other = victim_of(copy), str(copy.facts.other)
    canon = canonical({**copy.entry(uid), "log": other, "clinic": other})
    copy.run(
        "UPDATE audit_event SET canon = %s, log_id = %s, clinic_id = %s WHERE uid = %s",
        canon,
        other,
        other,
        uid,
    )
    copy.run("UPDATE audit_event_subject SET log_id = %s WHERE event_uid = %s", other, uid)
    copy.run(
        "UPDATE audit_leaf SET log_id = %s, leaf_hash = %s,"
        " leaf_index = (SELECT max(leaf_index) + 1 FROM audit_leaf WHERE log_id = %s) WHERE uid = %s",
        other, leaf_hash(canon), other, uid,
    )  # fmt: skip
    return f"leaf {copy.facts.victim} of {copy.facts.origin}: is missing"


PATIENCE: Final = 60.0  # seconds; only what somebody else holds open is waited for
_WAITING = """
SELECT EXISTS (SELECT FROM audit_event e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = e.uid))
    OR EXISTS (SELECT FROM audit_row_change r WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = r.uid))
"""


def seal() -> None:
    """Everything there is, on whichever database Django works with. Somebody's open transaction elsewhere on the server is waited for."""
    sealing = Sequencer(as_role(configured.sequencer_url()), configured.log_signer())
    end = time.monotonic() + PATIENCE
    try:
        while (sealed := sealing.turn()) or _waiting(sealing):
            if sealed:
                end = time.monotonic() + PATIENCE
            elif time.monotonic() > end:
                raise TimeoutError("entries are left without a place")
    finally:
        sealing.connection.close()


def _waiting(sealing: Sequencer) -> bool:
    with sealing.connection, sealing.connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return bool(cursor.fetchone()[0])


def empty_and_restart(copy: Copy) -> str:
    """TRUNCATE, and the sequencer goes on with the genuine key as if nothing had been."""
    copy.run(f"TRUNCATE {', '.join(TABLES)}")
    with acting(system_actor("drill", copy.facts.own)):
        record("card.opened", object=("patients.card", "17"))
    seal()
    return f"had {copy.facts.size} entries when the checkpoint kept elsewhere was signed and now has 1: leaves 1 to"


def change_the_order_of_keys(copy: Copy) -> str:
    entry = copy.entry(victim_of(copy))
    text = json.dumps(dict(reversed(entry.items())), ensure_ascii=False, separators=(",", ":"))
    copy.run("UPDATE audit_event SET canon = %s WHERE uid = %s", text.encode(), victim_of(copy))
    copy.rehash(victim_of(copy))
    return f"audit_event {victim_of(copy)}: its text is damaged: these are not the bytes of RFC 8785"


def change_the_encoding(copy: Copy) -> str:
    entry = copy.entry(victim_of(copy))
    copy.run(
        "UPDATE audit_event SET canon = %s WHERE uid = %s",
        canonical(entry).decode().encode("utf-16"),
        victim_of(copy),
    )
    return f"audit_event {victim_of(copy)}: its text is damaged: these are not the bytes of RFC 8785"


TAMPERINGS: Final[tuple[tuple[str, Tampering], ...]] = (
    ("a field of an entry is changed", change_a_field),
    ("the time of an entry is changed", change_the_time),
    ("the actor of an entry is changed", change_the_actor),
    ("one entry is deleted", delete_one),
    ("the last entry is deleted", delete_the_last),
    ("the first entry is deleted", delete_the_first),
    ("the last thousand are deleted and the sequence is set back", cut_the_end_and_set_the_sequence_back),
    ("an entry is inserted between two others", insert_between),
    ("an entry is appended with the right hash, without the key", append_without_the_key),
    ("two entries are swapped", swap),
    ("an entry is duplicated", duplicate),
    ("an entry is changed and its own hash computed again", change_and_recompute_its_hash),
    ("an entry is changed and every hash after it computed again", recompute_all_after),
    ("the same, and the stored roots too", recompute_all_and_the_stored_roots),
    ("the same, signed again with another key", sign_again_with_another_key),
    ("an older genuine checkpoint is put back", put_an_older_checkpoint_back),
    ("the log is forked with its own key", fork),
    ("an entry is moved to another clinic's log", move_to_another_clinic),
    ("the tables are emptied and the log begins anew", empty_and_restart),
    ("the order of an entry's keys is changed, and its hash computed again", change_the_order_of_keys),
    ("the encoding of an entry is changed", change_the_encoding),
)
