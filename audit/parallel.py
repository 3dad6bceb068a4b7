"""The parallel tree: the same entries in the same places, hashed by SM3 instead of SHA-256, signed under `…/sm3`.

It follows the first tree, from its first leaf on also where it was switched on late, and holds up nobody who seals.
"""

from typing import Any
from uuid import UUID

from audit.merkle import SHA256, SM3
from audit.trees import LogDamaged, Tree, begin, edge, grow, places

PAGE = 1000


def behind(cursor: Any) -> list[tuple[UUID, int]]:
    """The logs and years whose parallel tree is shorter than the first one, or not begun."""
    cursor.execute(
        "SELECT s.log_id, s.year FROM audit_state s LEFT JOIN audit_state p"
        " ON p.log_id = s.log_id AND p.year = s.year AND p.hashing = %s"
        " WHERE s.hashing = %s AND s.size > coalesce(p.size, 0) ORDER BY s.year, s.log_id",
        [SM3.name, SHA256.name],
    )
    return list(cursor.fetchall())


def follow(cursor: Any, log_id: UUID, year: int, installation: str) -> bool:
    """One page of entries more. Whether the parallel tree then has all of them. Raises LogDamaged."""
    tree = Tree(log_id, year, SM3.name)
    cursor.execute("SELECT size FROM audit_state WHERE log_id = %s AND year = %s AND hashing = %s", [*tree])
    frontier = edge(cursor, tree) if cursor.fetchone() else begin(cursor, tree, installation)
    size = edge(cursor, Tree(log_id, year)).size
    end = min(frontier.size + PAGE, size)
    page = places(cursor, log_id, year, frontier.size, end)
    for expected, place in enumerate(page, frontier.size):
        if place.index != expected or place.data is None or SHA256.leaf(place.data) != place.leaf_hash:
            raise LogDamaged(f"leaf {expected} is not what was sealed")
    if frontier.size + len(page) != end:
        raise LogDamaged(f"leaf {frontier.size + len(page)} is missing")
    grow(cursor, tree, frontier, SM3.leaves(place.data for place in page if place.data is not None))
    return end == size
