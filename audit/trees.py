"""The trees as they stand in the tables: their entries, the roots of complete subtrees, their right edges, and what was signed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from psycopg2.extras import execute_values

from audit.merkle import (
    HASHINGS,
    SHA256,
    Frontier,
    Hashing,
    ProofRefused,
    Subtree,
    consistency_proof,
    verify_consistency,
)
from audit.models import SYSTEM_LOG
from audit.notes import Checkpoint, Note, NoteRefused, Signer

EVENT, ROW_CHANGE, CLOSING = "e", "r", "c"
LEVELS_KEPT = 8  # the roots of 256, 65,536 … leaves are stored


class LogDamaged(Exception):
    """What is stored does not continue what was signed. Nothing more is signed for this log until somebody has looked."""


class Tree(NamedTuple):
    """A clinic's log, or the system's, in one year, hashed one way."""

    log_id: UUID
    year: int
    hashing: str = SHA256.name

    @property
    def how(self) -> Hashing:
        return HASHINGS[self.hashing]

    def origin(self, installation: str) -> str:
        """The name its checkpoints are signed under."""
        name = f"{installation}/{log_name(self.log_id)}/{self.year}"
        return name if self.hashing == SHA256.name else f"{name}/{self.hashing}"


def log_name(log_id: UUID) -> str:
    return "system" if log_id == SYSTEM_LOG else str(log_id)


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf as it stands: its number and entry, and what was hashed then. `data` is None where the entry is gone."""

    index: int
    uid: UUID
    source: str
    leaf_hash: bytes
    data: bytes | None


def places(cursor: Any, log_id: UUID, year: int, first: int, end: int) -> list[Place]:
    """The leaves [first, end) in order, with the bytes of their entries as they stand now."""
    cursor.execute(
        "SELECT l.leaf_index, l.uid, l.source, l.leaf_hash, coalesce(e.canon, r.canon) FROM audit_leaf l"
        " LEFT JOIN audit_event e ON l.source = 'e' AND e.uid = l.uid"
        " LEFT JOIN audit_row_change r ON l.source = 'r' AND r.uid = l.uid"
        " WHERE l.log_id = %s AND l.year = %s AND l.leaf_index >= %s AND l.leaf_index < %s ORDER BY l.leaf_index",
        [log_id, year, first, end],
    )
    rows = cursor.fetchall()
    return [
        Place(index, uid, source, bytes(hashed), _data(cursor, log_id, year, source, canon))
        for index, uid, source, hashed, canon in rows
    ]


def _data(cursor: Any, log_id: UUID, year: int, source: str, canon: Any) -> bytes | None:
    if source == CLOSING:
        note = closing_note(cursor, log_id, year)
        return note.encode() if note else None
    return None if canon is None else bytes(canon)


def closing_note(cursor: Any, log_id: UUID, year: int) -> str | None:
    """The last checkpoint of the years before, with which this year begins."""
    cursor.execute(
        "SELECT note FROM audit_checkpoint WHERE log_id = %s AND year < %s AND hashing = %s"
        " ORDER BY year DESC, size DESC LIMIT 1",
        [log_id, year, SHA256.name],
    )
    row = cursor.fetchone()
    return str(row[0]) if row else None


def begin(cursor: Any, tree: Tree, installation: str) -> Frontier:
    """An empty tree, from now on in the table of states."""
    cursor.execute(
        "INSERT INTO audit_state (log_id, year, hashing, origin, size, frontier) VALUES (%s, %s, %s, %s, 0, '{}')",
        [*tree, tree.origin(installation)],
    )
    return Frontier(hashing=tree.how)


def edge(cursor: Any, tree: Tree) -> Frontier:
    """The right edge as it is stored. Raises LogDamaged."""
    cursor.execute(
        "SELECT size, frontier FROM audit_state WHERE log_id = %s AND year = %s AND hashing = %s", [*tree]
    )
    size, hashes = cursor.fetchone()
    try:
        return Frontier(size, hashes, tree.how)
    except ValueError as error:
        raise LogDamaged(f"its state: {error}") from error


def grow(cursor: Any, tree: Tree, frontier: Frontier, leaves: Sequence[bytes]) -> None:
    """Leaf hashes at the right edge: the roots of tiles and more that they complete, and the edge after them, are stored."""
    nodes = [
        (*tree, level // LEVELS_KEPT, place, root)
        for level, place, root in frontier.extend(leaves)
        if level % LEVELS_KEPT == 0
    ]
    if nodes:
        execute_values(
            cursor, "INSERT INTO audit_node (log_id, year, hashing, level, place, hash) VALUES %s", nodes
        )
    cursor.execute(
        "UPDATE audit_state SET size = %s, frontier = %s WHERE log_id = %s AND year = %s AND hashing = %s",
        [frontier.size, frontier.hashes, *tree],
    )


def sign(cursor: Any, tree: Tree, frontier: Frontier, signer: Signer) -> str:
    """The signed note of the tree as it stands, stored. `signer` carries the installation's name.

    Raises LogDamaged where the tree does not continue the last signed checkpoint.
    """
    new = Checkpoint(tree.origin(signer.name), frontier.size, frontier.root())
    key = Signer(new.origin, signer.seed)
    cursor.execute(
        "SELECT size, note FROM audit_checkpoint WHERE log_id = %s AND year = %s AND hashing = %s"
        " ORDER BY size DESC LIMIT 1",
        [*tree],
    )
    last = cursor.fetchone()
    if last is not None:
        _check_continues(cursor, tree, last[1], new, key)
        if last[0] == new.size:
            return str(last[1])
    note = str(Note(str(new), (key.sign(str(new)),)))
    cursor.execute(
        "INSERT INTO audit_checkpoint (log_id, year, hashing, size, root, note) VALUES (%s, %s, %s, %s, %s, %s)",
        [*tree, new.size, new.root, note],
    )
    return note


def _check_continues(cursor: Any, tree: Tree, last_note: str, new: Checkpoint, key: Signer) -> None:
    try:
        note = Note.parse(last_note)
        note.check([key.verifier()])
        old = Checkpoint.parse(note.text)
        proof = consistency_proof(old.size, new.size, stored_subtree(cursor, tree), tree.how)
        verify_consistency(old.size, old.root, new.size, new.root, proof, tree.how)
    except (NoteRefused, ProofRefused, ValueError) as error:
        raise LogDamaged(f"checkpoint {new.size}: {error}") from error


def stored_subtree(cursor: Any, tree: Tree) -> Subtree:
    """Reads the roots of complete subtrees from leaves and nodes: at most 128 hashes each. Raises LogDamaged."""

    def subtree(level: int, place: int) -> bytes:
        kept, height = divmod(level, LEVELS_KEPT)
        first, count = place << height, 1 << height
        hashes = list(
            _nodes(cursor, tree, kept, first, first + count)
            if kept
            else _leaves(cursor, tree, first, first + count)
        )
        if len(hashes) != count:
            raise LogDamaged(
                f"{count - len(hashes)} of {count} hashes from {first} on level {kept} are missing"
            )
        while len(hashes) > 1:
            hashes = tree.how.above(hashes)
        return hashes[0]

    return subtree


def _nodes(cursor: Any, tree: Tree, level: int, first: int, end: int) -> Iterator[bytes]:
    cursor.execute(
        "SELECT hash FROM audit_node WHERE log_id = %s AND year = %s AND hashing = %s AND level = %s"
        " AND place >= %s AND place < %s ORDER BY place",
        [*tree, level, first, end],
    )
    return (bytes(row[0]) for row in cursor.fetchall())


def _leaves(cursor: Any, tree: Tree, first: int, end: int) -> Iterable[bytes]:
    """Of the tree the leaves were made for, as they were stored; of a parallel one, made again from the entries."""
    if tree.how is not SHA256:
        data = [place.data for place in places(cursor, tree.log_id, tree.year, first, end)]
        return tree.how.leaves(entry for entry in data if entry is not None)
    cursor.execute(
        "SELECT leaf_hash FROM audit_leaf WHERE log_id = %s AND year = %s AND leaf_index >= %s AND leaf_index < %s"
        " ORDER BY leaf_index",
        [tree.log_id, tree.year, first, end],
    )
    return (bytes(row[0]) for row in cursor.fetchall())
