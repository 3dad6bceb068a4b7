"""The tree of RFC 6962: hashes, its growing right edge, and proofs. Pure: bytes in, bytes out."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

# The root of the 2 ** level leaves that begin at place * 2 ** level.
Subtree: TypeAlias = Callable[[int, int], bytes]
TILE = 256  # leaves that are hashed in one go
HASH_BYTES = 32  # of SHA-256 and of SM3


@dataclass(frozen=True, slots=True)
class Hashing:
    """How a tree is hashed. RFC 6962 has SHA-256; a parallel tree of the same shape may have SM3."""

    name: str
    new: Callable[[bytes], Any]

    def leaf(self, data: bytes) -> bytes:
        digest: bytes = self.new(b"\x00" + data).digest()
        return digest

    def leaves(self, entries: Iterable[bytes]) -> list[bytes]:
        new = self.new
        return [new(b"\x00" + entry).digest() for entry in entries]

    def node(self, left: bytes, right: bytes) -> bytes:
        digest: bytes = self.new(b"\x01" + left + right).digest()
        return digest

    @property
    def empty_root(self) -> bytes:
        digest: bytes = self.new(b"").digest()
        return digest

    def above(self, hashes: list[bytes]) -> list[bytes]:
        """The next level of a complete subtree.

        The level is joined and cut as a whole: adding up each node by itself costs a tenth more.
        """
        pairs = len(hashes) // 2
        children = struct.unpack(f"{2 * HASH_BYTES}s" * pairs, b"".join(hashes))
        nodes = struct.unpack(f"{1 + 2 * HASH_BYTES}s" * pairs, b"\x01" + b"\x01".join(children))
        new = self.new
        return [new(node).digest() for node in nodes]


SHA256 = Hashing("sha256", hashlib.sha256)
SM3 = Hashing("sm3", partial(hashlib.new, "sm3"))
HASHINGS = {hashing.name: hashing for hashing in (SHA256, SM3)}
EMPTY_ROOT = SHA256.empty_root
leaf_hash = SHA256.leaf
node_hash = SHA256.node


class ProofRefused(Exception):
    """The proof does not lead from what it starts from to what it claims."""


class Frontier:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first. Enough to append and to sign."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = (), hashing: Hashing = SHA256) -> None:
        self.size = size
        self.hashes = [bytes(h) for h in hashes]
        self.hashing = hashing
        if len(self.hashes) != size.bit_count():
            raise ValueError("a frontier holds one hash for each complete subtree")

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf hash. Answers the subtrees this completed, as (level, place, root)."""
        return self._add(leaf, 0)

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
        """Add many leaf hashes, whole tiles in one go. Answers the completed subtrees of a tile and more."""
        completed, at = [], 0
        while at < len(leaves):
            if self.size % TILE == 0 and len(leaves) - at >= TILE:
                level, hashes = 0, list(leaves[at : at + TILE])
                while len(hashes) > 1:
                    level, hashes = level + 1, self.hashing.above(hashes)
                place = self.size >> level
                completed += [(level, place, hashes[0]), *self._add(hashes[0], level)]
                at += TILE
            else:
                completed += [node for node in self.append(leaves[at]) if node[0] >= TILE.bit_length() - 1]
                at += 1
        return completed

    def _add(self, node: bytes, level: int) -> list[tuple[int, int, bytes]]:
        """A complete subtree at the right edge, and those it completes."""
        completed, width = [], 1 << level
        while self.size >> level & 1:
            node = self.hashing.node(self.hashes.pop(), node)
            level += 1
            completed.append((level, self.size >> level, node))
        self.hashes.append(node)
        self.size += width
        return completed

    def root(self) -> bytes:
        return _fold(self.hashes, self.hashing) if self.hashes else self.hashing.empty_root


def _fold(hashes: Sequence[bytes], hashing: Hashing) -> bytes:
    """The root above neighbouring subtrees of falling size."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = hashing.node(left, root)
    return root


# --- making proofs ----------------------------------------------------------------------------------------------------


def _root_between(start: int, end: int, subtree: Subtree, hashing: Hashing) -> bytes:
    """The root of the leaves [start, end), which RFC 6962 would form there: start is a multiple of the span's power of two."""
    parts = []
    while start < end:
        level = min((end - start).bit_length() - 1, (start & -start).bit_length() - 1 if start else 64)
        parts.append(subtree(level, start >> level))
        start += 1 << level
    return _fold(parts, hashing)


def _split(size: int) -> int:
    """The largest power of two below size."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, subtree: Subtree, hashing: Hashing = SHA256) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root_between(middle, end, subtree, hashing))
            end = middle
        else:
            path.append(_root_between(start, middle, subtree, hashing))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree, hashing: Hashing = SHA256) -> list[bytes]:
    """The hashes that show the first `old` leaves of a tree of `new` unchanged (RFC 6962 §2.1.2); none from 0 or to itself."""
    if not 0 <= old <= new:
        raise ValueError("a tree does not shrink")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_root_between(middle, end, subtree, hashing))
            end = middle
        else:
            path.append(_root_between(start, middle, subtree, hashing))
            start, whole = middle, False
    if not whole:
        path.append(_root_between(start, end, subtree, hashing))
    return path[::-1]


# --- checking proofs (RFC 9162 §2.1.3.2 and §2.1.4.2) -----------------------------------------------------------------


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes, hashing: Hashing = SHA256
) -> None:
    """Raises ProofRefused unless the leaf stands at `index` of the tree with this root."""
    if not 0 <= index < size:
        raise ProofRefused("the leaf is not in the tree")
    place, last, node = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if place & 1 or place == last:
            node = hashing.node(step, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashing.node(node, step)
        place, last = place >> 1, last >> 1
    if last != 0 or node != root:
        raise ProofRefused("the proof does not lead to the root")


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes], hashing: Hashing = SHA256
) -> None:
    """Raises ProofRefused unless the tree of `new` leaves begins with the tree of `old`."""
    if not 0 <= old <= new:
        raise ProofRefused("a tree does not shrink")
    if old in (0, new):
        if proof or (old == new and old_root != new_root) or (old == 0 and old_root != hashing.empty_root):
            raise ProofRefused("two roots of one size")
        return
    steps = [old_root, *proof] if old.bit_count() == 1 else list(proof)
    if not steps:
        raise ProofRefused("the proof is empty")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofRefused("the proof is too long")
        if place & 1 or place == last:
            before, after = hashing.node(step, before), hashing.node(step, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = hashing.node(after, step)
        place, last = place >> 1, last >> 1
    if last != 0 or before != old_root or after != new_root:
        raise ProofRefused("the proof does not lead from the old root to the new one")
