#!/usr/bin/env python3
"""Verifies an exported log of Zhizhi, or a receipt, without Zhizhi: this file, Python 3.11 and the package `cryptography`.

    python3 verify_audit.py EXPORT [--log-key KEY] [--checkpoint FILE]... [--witness-key KEY] [--tsa-certificate FILE]
    python3 verify_audit.py FILE.tlog-proof [--log-key KEY] [--witness-key KEY]

KEY is a verifier key, one line as C2SP signed-note writes it, or the file of one. Whatever does not fit is a line that begins with
PROBLEM and names a row or a range. What these files alone cannot show is a line that begins with NOT PROVABLE. Exit status: 0
nothing was found, 1 something was, 2 it could not be verified at all.

Formats: RFC 6962 (tree), RFC 8785 (entries), RFC 3161 (time stamps), C2SP signed-note, tlog-checkpoint, tlog-cosignature,
tlog-tiles and tlog-proof. docs/audit-for-auditors.md says what an entry means.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

TILE = 256
ED25519, COSIGNATURE = 0x01, 0x04
DASH = "\N{EM DASH} "
SYSTEM_LOG = "00000000-0000-0000-0000-000000000000"
TABLES = {"e": "audit_event", "r": "audit_row_change"}
CLOSING = "c"
MISSING = bytes(32)  # what an export writes where the table has no leaf
ROWS_IN_ENTRY = 500  # of a row change; a statement that touched more keeps the digest of all
PROOF_FIRST_LINE = "c2sp.org/tlog-proof@v1"


class Unreadable(Exception):
    """What stands there is not in its format; the message says what."""


# --- hashes and trees (RFC 6962) ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hashing:
    name: str
    new: Callable[[bytes], Any]

    def leaf(self, data: bytes) -> bytes:
        return bytes(self.new(b"\x00" + data).digest())

    def node(self, left: bytes, right: bytes) -> bytes:
        return bytes(self.new(b"\x01" + left + right).digest())

    def root_of_tile(self, hashed: list[bytes]) -> bytes:
        while len(hashed) > 1:
            pairs = iter(hashed)
            hashed = [self.new(b"\x01" + a + b).digest() for a, b in zip(pairs, pairs, strict=True)]
        return hashed[0]


SHA256 = Hashing("sha256", hashlib.sha256)
SM3 = Hashing("sm3", lambda data: hashlib.new("sm3", data))


def has_sm3() -> bool:
    try:
        SM3.new(b"")
    except ValueError:
        return False
    return True


class Edge:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first."""

    def __init__(self, how: Hashing) -> None:
        self.how, self.size, self.hashes = how, 0, list[bytes]()

    def append(self, leaf: bytes) -> None:
        node, level = leaf, 0
        while self.size >> level & 1:
            node, level = self.how.node(self.hashes.pop(), node), level + 1
        self.hashes.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self.hashes:
            return bytes(self.how.new(b"").digest())
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = self.how.node(left, root)
        return root


def root_from_path(leaf: bytes, index: int, size: int, path: list[bytes], how: Hashing) -> bytes | None:
    """The root an inclusion proof leads to (RFC 9162 §2.1.3.2); None where it is too long or too short."""
    if not 0 <= index < size:
        return None
    place, last, node = index, size - 1, leaf
    for step in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            node = how.node(step, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = how.node(node, step)
        place, last = place >> 1, last >> 1
    return node if last == 0 else None


# --- notes (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ------------------------------------------------------------


def from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Unreadable("this is not base64") from None


@dataclass(frozen=True)
class Key:
    """A verifier key. The log's key signs under the name of each of its logs, so only the bytes are compared."""

    name: str
    public: bytes
    kind: int

    @classmethod
    def parse(cls, line: str) -> "Key":
        name, _, rest = line.strip().partition("+")
        number, _, encoded = rest.partition("+")
        raw = from_base64(encoded)
        key = cls(name, raw[1:], raw[0] if raw else 0)
        if len(key.public) != 32 or key.kind not in (ED25519, COSIGNATURE) or key.id_as(name).hex() != number:
            raise Unreadable("this is not a verifier key")
        return key

    def id_as(self, name: str) -> bytes:
        return hashlib.sha256(name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


@dataclass(frozen=True)
class Checkpoint:
    """A signed note about a log: at `size` entries it had this root."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[str, ...]

    @classmethod
    def parse(cls, raw: str) -> "Checkpoint":
        text, blank, lines = raw.rpartition("\n\n")
        signatures = tuple(lines.splitlines(keepends=True))
        if not blank or not signatures or any(c < " " and c != "\n" for c in raw):
            raise Unreadable("this is not a signed note")
        if not all(s.startswith(DASH) and s.endswith("\n") and s.count(" ") == 2 for s in signatures):
            raise Unreadable("this is not a signature line")
        origin, size, root, *_ = [*f"{text}\n".split("\n"), "", "", ""]
        if not origin or not (size.isascii() and size.isdigit() and str(int(size)) == size):
            raise Unreadable("this is not a checkpoint")
        hashed = from_base64(root)
        if len(hashed) != 32:
            raise Unreadable("this is not a checkpoint")
        return cls(origin, int(size), hashed, f"{text}\n", signatures)

    def signed_by(self, key: Key, name: str) -> int | None:
        """The second of its time for a cosignature, 0 for a signature; None where this key did not sign under this name.

        Raises Unreadable where it is named and its signature is wrong.
        """
        for line in self.signatures:
            _, signer, encoded = line.rstrip("\n").split(" ")
            signature = from_base64(encoded)
            if signer == name and signature[:4] == key.id_as(name):
                return _verify_ed25519(key, self.text, signature[4:], signer)
        return None


def _verify_ed25519(key: Key, text: str, signature: bytes, signer: str) -> int:
    at, message = 0, text.encode()
    if key.kind == COSIGNATURE:
        at, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        message = f"cosignature/v1\ntime {at}\n{text}".encode()
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature:
        raise Unreadable(f"the signature of {signer} is wrong") from None
    return at


# --- entries (RFC 8785) -----------------------------------------------------------------------------------------------------

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def _refuse(text: str) -> None:
    raise ValueError(text)


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of texts, whole numbers, booleans, null, lists and mappings."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return b"{" + b",".join(_encode(key).encode() + b":" + canonical(value[key]) for key in keys) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(canonical(part) for part in value) + b"]"
    return _encode(value).encode()


def entry_in(data: bytes) -> dict[str, Any] | None:
    """The entry; None where its bytes are not those that RFC 8785 gives it."""
    try:
        entry = json.loads(data, parse_float=_refuse, parse_constant=_refuse)
        again = _encode(entry).encode() if data.isascii() else canonical(entry)
    except (ValueError, RecursionError, UnicodeEncodeError):
        return None
    return entry if isinstance(entry, dict) and again == data else None


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _changes(entry: dict[str, Any]) -> dict[str, Any] | None:
    return {f["name"]: [f["old"], f["new"]] if "old" in f else None for f in entry["fields"]} or None


# How each column is made from the entry. Columns that stand in neither table here are told as not compared.
EVENT_COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "uid": lambda e: e["uid"],
    "log_id": lambda e: e["log"],
    "clinic_id": lambda e: e["clinic"],
    "txid": lambda e: e["tx"],
    "timestamp": lambda e: _at(e["at"]),
    "source": lambda e: e["source"],
    "request_id": lambda e: e["request"],
    "actor_id": lambda e: e["account"],
    "actor_ref": lambda e: e["actor"],
    "actor_kind": lambda e: e["actor_kind"],
    "on_behalf_of": lambda e: e["behalf"],
    "remote_addr": lambda e: e["address"],
    "action": lambda e: e["action"],
    "kind": lambda e: e["kind"],
    "object_pk": lambda e: (e["object"] or {"id": ""})["id"],
    "purpose": lambda e: e["purpose"],
    "consent_decision": lambda e: e["decision"],
    "relation": lambda e: e["relation"],
    "vip": lambda e: e.get("vip", False),
    "wrote": lambda e: e.get("wrote") or None,
    "count": lambda e: e["count"],
    "result": lambda e: e["result"],
    "reason": lambda e: e["reason"],
    "changes": _changes,
}
ROW_CHANGE_COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "uid": lambda e: e["uid"],
    "log_id": lambda e: e["log"],
    "txid": lambda e: e["tx"],
    "timestamp": lambda e: _at(e["at"]),
    "actor_ref": lambda e: e["actor"],
    "tbl": lambda e: e["table"],
    "op": lambda e: e["op"],
    "row_count": lambda e: e["count"],
}
COLUMNS = {"e": EVENT_COLUMNS, "r": ROW_CHANGE_COLUMNS}
ANOTHER_WAY = {"content_type_id"}  # compared through its label, "type"


# --- what is believed, and what is found ------------------------------------------------------------------------------------


@dataclass
class Trust:
    log_key: Key
    witness_key: Key | None = None
    kept: list[Checkpoint] = field(default_factory=list)
    tsa_certificate: x509.Certificate | None = None


@dataclass
class Findings:
    problems: int = 0
    not_provable: list[str] = field(default_factory=list)
    not_compared: set[str] = field(default_factory=set)
    shown: int = 200

    def problem(self, what: str, why: str) -> None:
        self.problems += 1
        if self.problems <= self.shown:
            print(f"PROBLEM {what}: {why}")
        elif self.problems == self.shown + 1:
            print("PROBLEM …: there are more, which are only counted")

    def cannot(self, words: str) -> None:
        if words not in self.not_provable:
            self.not_provable.append(words)


# --- one log in one year ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaf:
    """A leaf as the export has it: its sealed hash, its entry's bytes, and what the tables say beside it."""

    index: int
    sealed: bytes
    data: bytes
    beside: dict[str, Any]

    @property
    def source(self) -> str:
        return str(self.beside.get("source", ""))

    @property
    def name(self) -> str:
        table = TABLES.get(self.source)
        return f"{table} {self.beside['uid']}" if table else f"leaf {self.index}"


def tile_path(number: int, width: int) -> str:
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE else f"{path}.p/{width}"


def tiles(count: int) -> Iterator[tuple[int, int]]:
    """Number and width of the tiles of a level that has this many hashes."""
    for number in range(-(-count // TILE)):
        yield number, min(TILE, count - number * TILE)


class Tree:
    """One tree while it is grown again: what was signed of it, and where it first leaves what was signed."""

    def __init__(self, origin: str, folder: Path, how: Hashing, trust: Trust, findings: Findings) -> None:
        self.origin, self.folder, self.trust, self.findings = origin, folder, trust, findings
        self.edge = Edge(how)
        self.signed: dict[int, bytes] = {}
        self.cosigned: tuple[int, int] | None = None
        self.newest: Checkpoint | None = None
        self.claimed: int | None = None  # the size in the newest note, whoever signed it
        self.good, self.left = 0, False
        self._read_signatures()

    def _read_signatures(self) -> None:
        path = self.folder / "checkpoint"
        if not path.exists():
            self.findings.problem(self.origin, "was never signed, or what was signed is gone")
            return
        newest = path.read_text(encoding="utf-8")
        for raw in dict.fromkeys([*self._history(), newest]):
            checkpoint = self._checked(raw)
            if checkpoint is not None:
                self._promise(checkpoint)
                self.newest = checkpoint
        for kept in self.trust.kept:
            if kept.origin == self.origin:
                self._check_kept(kept)

    def _history(self) -> list[str]:
        path = self.folder / "history"
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError):
            self.findings.problem(f"{self.origin}: history", "cannot be read")
            return []

    def _checked(self, raw: str) -> Checkpoint | None:
        """A checkpoint of this log that its key signed."""
        try:
            checkpoint = Checkpoint.parse(raw)
        except Unreadable as error:
            self.findings.problem(f"a checkpoint of {self.origin}", str(error))
            return None
        self.claimed = checkpoint.size
        what = f"checkpoint {checkpoint.size} of {self.origin}"
        try:
            if checkpoint.origin != self.origin:
                self.findings.problem(what, f"is of another log, {checkpoint.origin}")
            elif checkpoint.signed_by(self.trust.log_key, self.origin) is None:
                self.findings.problem(what, "is not signed by the log's key")
            else:
                self._note_cosignature(checkpoint)
                return checkpoint
        except Unreadable as error:
            self.findings.problem(what, str(error))
        return None

    def _note_cosignature(self, checkpoint: Checkpoint) -> None:
        key = self.trust.witness_key
        at = checkpoint.signed_by(key, key.name) if key else None
        if at is not None and checkpoint.size >= (self.cosigned or (0, 0))[0]:
            self.cosigned = (checkpoint.size, at)

    def _promise(self, checkpoint: Checkpoint) -> None:
        if self.signed.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            self.findings.problem(
                f"{self.origin} at {checkpoint.size}", "was signed twice with different roots: a fork"
            )

    def _check_kept(self, kept: Checkpoint) -> None:
        what = f"checkpoint {kept.size} of {self.origin}, kept elsewhere,"
        if kept.signed_by(self.trust.log_key, self.origin) is None:
            self.findings.problem(what, "is not signed by the log's key")
            return
        size = self.newest.size if self.newest else 0
        if kept.size > size:
            self.findings.problem(
                self.origin,
                f"had {kept.size} entries when the checkpoint kept elsewhere was signed and now has {size}:"
                f" leaves {size} to {kept.size - 1} are gone",
            )
        else:
            self._promise(kept)

    def grow(self, leaf: bytes) -> None:
        self.edge.append(leaf)
        size = self.edge.size
        if size not in self.signed:
            return
        if self.signed[size] == self.edge.root():
            self.good = size
        elif not self.left:
            self.left = True
            self.findings.problem(
                f"{self.origin}, leaves {self.good} to {size - 1}",
                f"the tree is not the one that was signed at {size}",
            )

    def end(self, size: int) -> None:
        if self.edge.size < size:
            self.findings.problem(self.origin, f"has {self.edge.size} leaves and not {size}")

    def say(self, entries: int) -> None:
        if self.newest is None:
            return
        words = f"{entries} entries of {self.origin} are what was signed at {self.newest.size}"
        if self.cosigned:
            size, at = self.cosigned
            when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            words += f", cosigned by {self.trust.witness_key.name if self.trust.witness_key else ''} at {size} on {when} UTC"
        print(words)
        if not self.cosigned and not any(kept.origin == self.origin for kept in self.trust.kept):
            self.findings.cannot(
                f"{self.origin}: whether whoever holds its key has replaced it, or cut off its end, shows only"
                " against a checkpoint kept elsewhere (--checkpoint) or a witness's cosignature (--witness-key)."
            )


class Year:
    """One log in one year: entries against their hashes, columns against entries, hashes against what was signed."""

    def __init__(
        self, folder: Path, installation: str, trust: Trust, findings: Findings, uids: set[str]
    ) -> None:
        self.folder, self.trust, self.findings, self.uids = folder, trust, findings, uids
        self.log = folder.parent.name
        self.log_id = SYSTEM_LOG if self.log == "system" else self.log
        self.installation = installation
        self.origin = f"{installation}/{self.log}/{folder.name}"
        self.tree = Tree(self.origin, folder, SHA256, trust, findings)
        self.parallel = self._parallel()
        self.size = self._widest() if self.tree.claimed is None else self.tree.claimed
        self.fitting = 0
        self.nodes: list[bytes] = []

    def _parallel(self) -> Tree | None:
        folder = self.folder / SM3.name
        if not folder.is_dir():
            return None
        if not has_sm3():
            self.findings.cannot(f"{self.origin}/sm3: this Python has no SM3.")
            return None
        return Tree(f"{self.origin}/sm3", folder, SM3, self.trust, self.findings)

    def _widest(self) -> int:
        """How many leaves the files hold, where no signature says it."""
        count = 0
        for path in (self.folder / "tile" / "0").rglob("*"):
            if path.is_file():
                count += path.stat().st_size // 32
        return count

    def verify(self, told: Callable[[int], None]) -> None:
        for number, width in tiles(self.size):
            leaves = list(self._leaves(number, width))
            for leaf in leaves:
                self._check(leaf)
                self.tree.grow(leaf.sealed)
                if self.parallel and self.parallel.newest and leaf.index < self.parallel.newest.size:
                    self.parallel.grow(SM3.leaf(leaf.data))
            if len(leaves) == TILE:
                self.nodes.append(SHA256.root_of_tile([leaf.sealed for leaf in leaves]))
            told(width)
        self._check_nodes()
        self.tree.end(self.size)
        self.tree.say(self.fitting)
        if self.parallel:
            self.parallel.say(self.parallel.edge.size)
        self._check_time_stamp()

    # --- reading --------------------------------------------------------------------------------------------------

    def _read(self, *names: str) -> bytes | None:
        path = self.folder.joinpath(*names)
        try:
            return path.read_bytes()
        except OSError:
            self.findings.problem(f"{self.origin}: {'/'.join(names)}", "is missing from the export")
            return None

    def _leaves(self, number: int, width: int) -> Iterator[Leaf]:
        first, path = number * TILE, tile_path(number, width)
        sealed = self._read("tile", "0", path) or b""
        entries = self._entries(path)
        beside = self._beside(path)
        for at in range(width):
            hashed = sealed[at * 32 : at * 32 + 32]
            if len(hashed) != 32 or at >= len(entries):
                self.findings.problem(f"leaf {first + at} of {self.origin}", "is missing")
                return
            yield Leaf(first + at, hashed, entries[at], beside.get(first + at, {}))

    def _entries(self, path: str) -> list[bytes]:
        """The entries of a bundle, each after its length."""
        if (self.folder / "tile" / "long-entries" / path).exists():
            raw, prefix = self._read("tile", "long-entries", path) or b"", 4
        else:
            raw, prefix = self._read("tile", "entries", path) or b"", 2
        entries, at = [], 0
        while at + prefix <= len(raw):
            length = int.from_bytes(raw[at : at + prefix], "big")
            entries.append(raw[at + prefix : at + prefix + length])
            at += prefix + length
        if at != len(raw):
            self.findings.problem(f"{self.origin}: tile/entries/{path}", "is cut off")
        return entries

    def _beside(self, path: str) -> dict[int, dict[str, Any]]:
        rows: dict[int, dict[str, Any]] = {}
        for line in (self._read("rows", path) or b"").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                self.findings.problem(f"{self.origin}: rows/{path}", "cannot be read")
                continue
            if row["leaf"] in rows:
                self.findings.problem(f"leaf {row['leaf']} of {self.origin}", "stands there twice")
            rows[row["leaf"]] = row
        return rows

    # --- one entry ------------------------------------------------------------------------------------------------

    def _check(self, leaf: Leaf) -> None:
        if leaf.sealed == MISSING:
            self.findings.problem(f"leaf {leaf.index} of {self.origin}", "is missing")
            return
        before = self.findings.problems
        if not leaf.beside:
            self.findings.problem(leaf.name, f"has no row in the tables (leaf {leaf.index} of {self.origin})")
        if leaf.source == CLOSING:
            self._check_closing(leaf)
        elif not leaf.data:
            self.findings.problem(leaf.name, f"was deleted (leaf {leaf.index} of {self.origin})")
        else:
            self._check_entry(leaf)
        if leaf.data and SHA256.leaf(leaf.data) != leaf.sealed:
            self.findings.problem(leaf.name, f"is not what was sealed (leaf {leaf.index} of {self.origin})")
        if leaf.index == 0 and leaf.source != CLOSING and self._years_before():
            self.findings.problem(f"leaf 0 of {self.origin}", "is not the last checkpoint of the year before")
        self.fitting += self.findings.problems == before

    def _check_entry(self, leaf: Leaf) -> None:
        entry = entry_in(leaf.data)
        if entry is None:
            self.findings.problem(leaf.name, "its text is damaged: these are not the bytes of RFC 8785")
            return
        try:
            self._check_copies(leaf, entry)
        except (KeyError, TypeError, ValueError, AttributeError):
            self.findings.problem(leaf.name, "its text is damaged: a part is missing or of another kind")

    def _check_copies(self, leaf: Leaf, entry: dict[str, Any]) -> None:
        if entry["uid"] in self.uids:
            self.findings.problem(leaf.name, f"its number {entry['uid']} stands twice in the logs")
        self.uids.add(entry["uid"])
        if entry["log"] != self.log_id:
            self.findings.problem(leaf.name, f"belongs to the log {entry['log']} and stands in {self.log_id}")
        columns = leaf.beside.get("columns") or {}
        derive = COLUMNS.get(leaf.source, {})
        for column, value in columns.items():
            if column not in derive:
                if column not in ANOTHER_WAY:
                    self.findings.not_compared.add(column)
            elif derive[column](entry) != (_at(value) if column == "timestamp" else value):
                self.findings.problem(leaf.name, f"column {column} is not what the entry says")
        if leaf.source == "e":
            self._check_event(leaf, entry)
        elif leaf.source == "r":
            self._check_row_change(leaf, entry)

    def _check_event(self, leaf: Leaf, entry: dict[str, Any]) -> None:
        kind = leaf.beside.get("type")
        if kind is not None and kind != (entry["object"] or {}).get("type"):
            self.findings.problem(leaf.name, "column content_type_id is not what the entry says")
        if leaf.beside.get("subjects") != entry["subjects"]:
            self.findings.problem(leaf.name, "its rows of audit_event_subject are not what the entry says")

    def _check_row_change(self, leaf: Leaf, entry: dict[str, Any]) -> None:
        rows = b",".join(canonical(row) for row in entry["rows"])
        if entry["count"] <= ROWS_IN_ENTRY and hashlib.sha256(rows).hexdigest() != entry["digest"]:
            self.findings.problem(leaf.name, "its digest is not that of its rows")

    # --- what holds the tree together -------------------------------------------------------------------------------

    def _years_before(self) -> list[Path]:
        return sorted(
            (
                path
                for path in self.folder.parent.iterdir()
                if path.name.isdigit() and path.name < self.folder.name
            ),
            key=lambda path: path.name,
        )

    def _check_closing(self, leaf: Leaf) -> None:
        """The first leaf of a year is the last checkpoint of the year before."""
        what = f"leaf {leaf.index} of {self.origin}"
        try:
            closing = Checkpoint.parse(leaf.data.decode())
            name, _, year = closing.origin.rpartition("/")
            if name != f"{self.installation}/{self.log}" or not year.isdigit() or year >= self.folder.name:
                self.findings.problem(what, f"is a checkpoint of {closing.origin}, not of the year before")
            elif closing.signed_by(self.trust.log_key, closing.origin) is None:
                self.findings.problem(what, "is not signed by the log's key")
            elif before := self._years_before():
                last = Checkpoint.parse((before[-1] / "checkpoint").read_text(encoding="utf-8"))
                if last.text != closing.text:
                    self.findings.problem(
                        what,
                        f"does not continue the year before, which ends at {last.size}, not {closing.size}",
                    )
        except (Unreadable, UnicodeDecodeError, OSError) as error:
            self.findings.problem(what, f"does not continue the year before: {error}")

    def _check_nodes(self) -> None:
        """The stored roots of tiles, level above level."""
        level, hashed = 1, self.nodes
        while hashed:
            above = []
            for number, width in tiles(len(hashed)):
                stored = self._read("tile", str(level), tile_path(number, width)) or b""
                part = hashed[number * TILE : number * TILE + width]
                self._compare_nodes(level, number, part, stored)
                if width == TILE:
                    above.append(SHA256.root_of_tile(part))
            level, hashed = level + 1, above

    def _compare_nodes(self, level: int, number: int, part: list[bytes], stored: bytes) -> None:
        span = TILE**level
        for at, node in enumerate(part):
            if stored[at * 32 : at * 32 + 32] != node:
                first = (number * TILE + at) * span
                self.findings.problem(
                    f"{self.origin}, leaves {first} to {first + span - 1}",
                    "their stored root is not that of these leaves",
                )

    def _check_time_stamp(self) -> None:
        token, stamped = self.folder / "checkpoint.tsr", self.folder / "checkpoint.stamped"
        if not token.exists() or not stamped.exists():
            return
        what = f"the time stamp of {self.origin}"
        try:
            checkpoint = Checkpoint.parse(stamped.read_text(encoding="utf-8"))
            if self.tree.signed.get(checkpoint.size) != checkpoint.root:
                self.findings.problem(what, f"is of a checkpoint {checkpoint.size} that is not this log's")
                return
            at = stamped_at(token.read_bytes(), stamped.read_bytes(), self.trust.tsa_certificate)
        except (Unreadable, UnicodeDecodeError) as error:
            self.findings.problem(what, str(error))
            return
        if self.trust.tsa_certificate is None:
            self.findings.cannot(
                f"{what}: by whom it is, without the authority's certificate (--tsa-certificate)."
            )
        else:
            print(
                f"checkpoint {checkpoint.size} of {self.origin} existed at {at:%Y-%m-%d %H:%M:%S} UTC, by its time stamp"
            )


# --- time stamps (RFC 3161), as much of ASN.1 as they need -------------------------------------------------------------------

SIGNED_DATA, TST_INFO = "2a864886f70d010702", "2a864886f70d0109100104"
CONTENT_TYPE, MESSAGE_DIGEST = "2a864886f70d010903", "2a864886f70d010904"
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "608648016503040201": hashes.SHA256(),
    "608648016503040202": hashes.SHA384(),
    "608648016503040203": hashes.SHA512(),
}


@dataclass(frozen=True)
class Der:
    """One value of DER: its tag, what it holds, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    @classmethod
    def read(cls, raw: bytes) -> "Der":
        values = list(cls.each(raw))
        if len(values) != 1:
            raise Unreadable("this is not one value of DER")
        return values[0]

    @classmethod
    def each(cls, raw: bytes) -> Iterator["Der"]:
        at = 0
        while at < len(raw):
            start, tag = at, raw[at]
            if at + 2 > len(raw):
                raise Unreadable("DER is cut off")
            length, at = raw[at + 1], at + 2
            if length & 0x80:
                count = length & 0x7F
                length, at = int.from_bytes(raw[at : at + count], "big"), at + count
            if at + length > len(raw):
                raise Unreadable("DER is cut off")
            yield cls(tag, raw[at : at + length], raw[start : at + length])
            at += length

    def parts(self) -> list["Der"]:
        return list(Der.each(self.content))


def stamped_at(token: bytes, stamped: bytes, certificate: x509.Certificate | None) -> datetime:
    """When the authority saw these bytes. Raises Unreadable where the token is not of them, or not of that authority."""
    try:
        return _stamped_at(token, stamped, certificate)
    except (IndexError, ValueError, KeyError) as error:
        raise Unreadable(f"this is not a time stamp token: {error}") from None


def _stamped_at(token: bytes, stamped: bytes, certificate: x509.Certificate | None) -> datetime:
    kind, wrapped = Der.read(token).parts()
    if kind.content.hex() != SIGNED_DATA:
        raise Unreadable("the time stamp is not signed data")
    _, _, content, *rest = wrapped.parts()[0].parts()
    content_kind, octets = content.parts()
    if content_kind.content.hex() != TST_INFO:
        raise Unreadable("the time stamp does not hold a time")
    info_bytes = octets.parts()[0].content
    info = Der.read(info_bytes).parts()
    imprint = info[2].parts()
    digest = DIGESTS[imprint[0].parts()[0].content.hex()]
    if _digest(digest, stamped) != imprint[1].content:
        raise Unreadable("the time stamp is of other bytes")
    if certificate is not None:
        _check_authority(info_bytes, rest, certificate)
    return datetime.strptime(info[4].content.decode().partition(".")[0].rstrip("Z"), "%Y%m%d%H%M%S").replace(
        tzinfo=UTC
    )


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    made = hashes.Hash(algorithm)
    made.update(data)
    return made.finalize()


def _check_authority(info: bytes, rest: list[Der], certificate: x509.Certificate) -> None:
    """The signature over the token's attributes, and these over the time. Raises Unreadable."""
    signer = rest[-1].parts()[0].parts()
    digest = DIGESTS[signer[2].parts()[0].content.hex()]
    attributes = {part.parts()[0].content.hex(): part.parts()[1].parts()[0] for part in signer[3].parts()}
    if (
        attributes[MESSAGE_DIGEST].content != _digest(digest, info)
        or attributes[CONTENT_TYPE].content.hex() != TST_INFO
    ):
        raise Unreadable("the time stamp's attributes are not of this time")
    signed = b"\x31" + signer[3].whole[1:]  # signed as a SET, not under the tag it travels with
    for candidate in [certificate, *_issued_by(certificate, rest)]:
        if _verifies(candidate, signer[5].content, signed, digest):
            return
    raise Unreadable("the time stamp is not signed by the authority of the given certificate")


def _issued_by(authority: x509.Certificate, rest: list[Der]) -> Iterator[x509.Certificate]:
    """Certificates that travel with the token, may stamp times, and were issued by the one that is believed."""
    for part in (der for field_ in rest if field_.tag == 0xA0 for der in field_.parts()):
        try:
            found = x509.load_der_x509_certificate(part.whole)
            found.verify_directly_issued_by(authority)
            usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            continue
        if x509.oid.ExtendedKeyUsageOID.TIME_STAMPING in usage:
            yield found


def _verifies(
    certificate: x509.Certificate, signature: bytes, signed: bytes, digest: hashes.HashAlgorithm
) -> bool:
    key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


# --- exports and receipts -----------------------------------------------------------------------------------------------------


def verify_export(folder: Path, trust: Trust, findings: Findings, told: Callable[[int], None]) -> None:
    if (folder / "unfinished.json").exists():
        findings.problem(str(folder), "the export is unfinished")
    years = sorted(
        (path for log in folder.iterdir() if log.is_dir() for path in log.iterdir() if path.name.isdigit()),
        key=lambda path: (path.name, path.parent.name),
    )
    uids: set[str] = set()
    found = set()
    for path in years:
        year = Year(path, trust.log_key.name, trust, findings, uids)
        found |= {year.origin, f"{year.origin}/sm3"}
        year.verify(told)
    for log in sorted(path for path in folder.iterdir() if (path / "waiting").exists()):
        _check_waiting(log, findings, uids)
    for kept in trust.kept:
        if kept.origin not in found:
            findings.problem(kept.origin, f"had {kept.size} entries and is not in this export")


def _check_waiting(log: Path, findings: Findings, uids: set[str]) -> None:
    waiting = 0
    for line in (log / "waiting").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name, entry = f"{row['table']} {row['uid']}", entry_in(base64.b64decode(row["entry"]))
        waiting += not row["late"]
        if row["late"]:
            findings.problem(name, "was added behind the sealed part and has no place in the log")
        elif entry is None:
            findings.problem(name, "its text is damaged: these are not the bytes of RFC 8785")
        elif entry.get("uid") != row["uid"]:
            findings.problem(name, "column uid is not what the entry says")
        elif entry["uid"] in uids:
            findings.problem(name, "its number stands twice in the logs")
    if waiting:
        print(f"{waiting} entries of {log.name} were under no signature yet when this was exported")
        findings.cannot(
            f"{log.name}: whether entries under no signature yet were changed before they get one."
        )


def verify_receipt(path: Path, trust: Trust, findings: Findings) -> None:
    """A tlog-proof whose entry travels with it, by itself or in a person's receipt (JSON). Raises Unreadable."""
    text = path.read_text(encoding="utf-8")
    said = _receipt_of_a_person(path.name, text) if path.suffix == ".json" else None
    lines = (said["proof"] if said else text).split("\n")
    blank = lines.index("") if "" in lines else 0
    head, note = lines[:blank], "\n".join(lines[blank + 1 :])
    if len(head) < 3 or head[0] != PROOF_FIRST_LINE or not head[1].startswith("extra "):
        raise Unreadable(f"{path.name} is not a receipt with its entry")
    name, _, number = head[2].partition(" ")
    if name != "index" or not (number.isascii() and number.isdigit() and str(int(number)) == number):
        raise Unreadable(f"{path.name} does not say where the entry stands")
    data, steps = from_base64(head[1].removeprefix("extra ")), [from_base64(line) for line in head[3:]]
    checkpoint = Checkpoint.parse(note)
    _check_receipt(path.name, data, int(number), steps, checkpoint, trust, findings)
    if said:
        _compare_with_entry(path.name, said, data, findings)


def _receipt_of_a_person(name: str, text: str) -> dict[str, Any]:
    """What a person was given when they said something: a record of ISO/IEC TS 27560 with its proof. Raises Unreadable."""
    try:
        said = json.loads(text)
        proof, events = said["proof"], said["events"]
    except (ValueError, KeyError, TypeError):
        raise Unreadable(f"{name} is not a receipt") from None
    if not isinstance(proof, str) or not events:
        raise Unreadable(f"{name} has no proof: it was given before the log was sealed. Ask for it again.")
    return dict(said)


def _compare_with_entry(name: str, said: dict[str, Any], data: bytes, findings: Findings) -> None:
    """The proof is of an entry; the receipt must be about what that entry says, and about nothing more."""
    entry = json.loads(data)
    events = said["events"]
    told = {
        "the deed": (f"urn:uuid:{entry['decision']}", {event["event_id"] for event in events}),
        "who it is about": (
            said["pii_principal_id"],
            {f"urn:uuid:{subject}" for subject in entry["subjects"]},
        ),
        "the purpose": (entry["purpose"], {part["purpose"] for part in said["pii_processing"]}),
        "how many lines": (entry["count"], {len(events)}),
    }
    for what, (one, others) in told.items():
        if one not in others:
            findings.problem(name, f"says otherwise than the entry of the log: {what}")
    if {entry["action"]} != {f"consent.{event['event_type']}" for event in events}:
        findings.problem(name, "says otherwise than the entry of the log: what was said")


def _check_receipt(
    name: str,
    data: bytes,
    index: int,
    path: list[bytes],
    checkpoint: Checkpoint,
    trust: Trust,
    findings: Findings,
) -> None:
    before = findings.problems
    if not checkpoint.origin.startswith(f"{trust.log_key.name}/"):
        findings.problem(name, f"is of {checkpoint.origin}, not of a log of {trust.log_key.name}")
    if checkpoint.signed_by(trust.log_key, checkpoint.origin) is None:
        findings.problem(name, "its checkpoint is not signed by the log's key")
    if root_from_path(SHA256.leaf(data), index, checkpoint.size, path, SHA256) != checkpoint.root:
        findings.problem(name, f"the entry is not leaf {index} of what was signed at {checkpoint.size}")
    key = trust.witness_key
    at = checkpoint.signed_by(key, key.name) if key else None
    if findings.problems == before:
        print(f"{name}: entry {index} of {checkpoint.origin}, signed at {checkpoint.size}")
        print(data.decode(errors="replace"))
        if at is not None and key is not None:
            print(f"cosigned by {key.name} on {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC")
        else:
            findings.cannot(
                f"{name}: that others were shown the same log, without a witness's cosignature (--witness-key)."
            )


# --- the command ----------------------------------------------------------------------------------------------------------------


def key_from(text: str) -> Key:
    path = Path(text)
    return Key.parse(path.read_text(encoding="utf-8") if "+" not in text or path.exists() else text)


def trust_from(options: argparse.Namespace, findings: Findings) -> Trust:
    """Raises Unreadable, OSError."""
    if options.log_key:
        log_key = key_from(options.log_key)
    elif options.what.is_dir():
        log_key = key_from(str(options.what / "keys" / "log.pub"))
        findings.cannot("that this is the log's key: it was taken from the export itself (--log-key).")
    else:
        raise Unreadable("a receipt is verified against the log's key: give it with --log-key")
    certificate = options.tsa_certificate and x509.load_pem_x509_certificate(
        options.tsa_certificate.read_bytes()
    )
    return Trust(
        log_key,
        key_from(options.witness_key) if options.witness_key else None,
        [Checkpoint.parse(path.read_text(encoding="utf-8")) for path in options.checkpoint],
        certificate or None,
    )


def progress() -> Callable[[int], None]:
    done = 0

    def told(entries: int) -> None:
        nonlocal done
        done += entries
        if sys.stderr.isatty():
            print(f"\r{done:,} entries", end="", file=sys.stderr)

    return told


def conclude(findings: Findings) -> int:
    if findings.not_compared:
        print(f"NOT COMPARED columns this program does not know: {', '.join(sorted(findings.not_compared))}")
    for words in findings.not_provable:
        print(f"NOT PROVABLE {words}")
    if findings.problems:
        print(f"{findings.problems} problems: this is not what it was.")
        return 1
    print("Nothing that does not fit was found.")
    return 0


def main(arguments: Iterable[str] | None = None) -> int:
    options = _options().parse_args(None if arguments is None else list(arguments))
    findings = Findings()
    try:
        trust = trust_from(options, findings)
        if options.what.is_dir():
            verify_export(options.what, trust, findings, progress())
        else:
            verify_receipt(options.what, trust, findings)
    except (Unreadable, OSError, UnicodeDecodeError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    return conclude(findings)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("what", type=Path, help="the folder of an export, or a receipt (.tlog-proof, .json)")
    parser.add_argument("--log-key", help="the log's verifier key, from somewhere else than the export")
    parser.add_argument("--witness-key", help="the witness's verifier key")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        help="a checkpoint kept elsewhere; the log must contain it",
    )
    parser.add_argument(
        "--tsa-certificate",
        type=Path,
        help="PEM: the time stamp authority's certificate, or that of who issued it",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
