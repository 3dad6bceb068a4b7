"""A receipt: one entry, its place, the path to a signed root and the cosignatures, as one text (C2SP tlog-proof).

Whoever has it proves for ever that the entry was in the log, without us and without a network.
"""

from base64 import b64encode
from typing import Any
from uuid import UUID

from django.db import connection

from audit.errors import NotSealedYet
from audit.merkle import inclusion_proof, verify_inclusion
from audit.notes import Checkpoint, Note
from audit.trees import Place, Tree, places, stored_subtree

FIRST_LINE = "c2sp.org/tlog-proof@v1"


def proof_of(uid: UUID) -> str:
    """The receipt of an entry, in a unit of work that sees its log; its bytes travel as `extra`, so that it needs nothing else.

    Under the newest cosigned checkpoint that covers it, or the newest signed one. Raises NotSealedYet, and LogDamaged where the
    stored tree does not lead to what was signed.
    """
    with connection.cursor() as cursor:
        tree, place = _place(cursor, uid)
        note = _covering(cursor, tree, place.index)
        checkpoint = Checkpoint.parse(note.text)
        path = inclusion_proof(place.index, checkpoint.size, stored_subtree(cursor, tree))
    verify_inclusion(place.leaf_hash, place.index, checkpoint.size, path, checkpoint.root)
    lines = [
        FIRST_LINE,
        f"extra {b64encode(place.data or b'').decode()}",
        f"index {place.index}",
        *(b64encode(step).decode() for step in path),
        "",
        str(note),
    ]
    return "\n".join(lines)


def _place(cursor: Any, uid: UUID) -> tuple[Tree, Place]:
    cursor.execute("SELECT log_id, year, leaf_index FROM audit_leaf WHERE uid = %s", [uid])
    row = cursor.fetchone()
    if row is None:
        raise NotSealedYet(str(uid))
    log_id, year, index = row
    (place,) = places(cursor, log_id, year, index, index + 1)
    return Tree(log_id, year), place


def _covering(cursor: Any, tree: Tree, index: int) -> Note:
    """The newest checkpoint after the leaf, with its cosignatures; a cosigned one before one that only we signed."""
    cursor.execute(
        "SELECT c.note, coalesce(string_agg(w.line, '' ORDER BY w.witness), '') FROM audit_checkpoint c"
        " LEFT JOIN audit_cosig w USING (log_id, year, hashing, size)"
        " WHERE c.log_id = %s AND c.year = %s AND c.hashing = %s AND c.size > %s"
        " GROUP BY c.size, c.note ORDER BY count(w.line) > 0 DESC, c.size DESC LIMIT 1",
        [*tree, index],
    )
    row = cursor.fetchone()
    if row is None:
        raise NotSealedYet(f"leaf {index}")
    return Note.parse(f"{row[0]}{row[1]}")
