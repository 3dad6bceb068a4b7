"""A log as files that prove it without us: what is signed, every tile and every entry (C2SP tlog-tiles), and the rows beside them.

    keys/log.pub  keys/witness.pub
    <clinic or system>/<year>/checkpoint          the newest note, with its cosignatures
                              checkpoint.tsr      a time stamp (RFC 3161) over the note in checkpoint.stamped, where there is one
                              history             earlier notes, about one for each 256 entries, and the latest ones
                              tile/<L>/<N>        256 hashes each; the last of a level is partial, .p/<W>
                              tile/entries/<N>    the entries' bytes, each after its length in 2 bytes
                              tile/long-entries/<N>   instead, where an entry of the bundle has 65,536 bytes or more: 4 bytes
                              rows/<N>            what stands in the tables beside each entry, one JSON object a line
                              sm3/checkpoint, sm3/history, sm3/tile/<L>/<N>     the parallel tree, where there is one
    <clinic or system>/waiting                    entries of the log under no signature yet, one JSON object a line

Files are written whole. An export that was cut off goes on where it stopped; a finished one is never added to, because what lies
there already would hide what happened to the tables since.
"""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from audit import configured
from audit.connections import reader
from audit.merkle import SM3, TILE
from audit.notes import Checkpoint, Note, NoteRefused
from audit.trees import LEVELS_KEPT, Tree, log_name, places

PLAN = "unfinished.json"
NEWEST_KEPT = 256  # of the checkpoints; of the earlier ones the first of each tile
LONGEST_SHORT_ENTRY = 65535
MISSING = bytes(32)
Told = Callable[[int, int], None]


class NotEmpty(Exception):
    """The folder holds something else than this export, cut off."""


@dataclass(frozen=True, slots=True)
class Part:
    """One log in one year, as far as it was signed when the export began. `size` 0: nothing was."""

    log_id: str
    year: int
    size: int

    @property
    def tree(self) -> Tree:
        return Tree(UUID(self.log_id), self.year)

    @property
    def folder(self) -> str:
        return f"{log_name(UUID(self.log_id))}/{self.year}"


def export(folder: Path, log_ids: Collection[UUID], *, told: Told) -> list[Part]:
    """Write these logs into `folder`, an empty one or that of the same export cut off. `told` hears entries done and in all.

    Reads in pages, so that sealing and work go on. Raises NotEmpty, OSError.
    """
    connection = reader(*log_ids)
    try:
        parts = _plan(connection, folder, log_ids)
        total, done = sum(part.size for part in parts), 0
        for part in parts:
            for entries in Writer(connection, folder / part.folder, part).write():
                done += entries
                told(done, total)
        for log_id in log_ids:
            sizes = {part.year: part.size for part in parts if part.tree.log_id == log_id}
            _put(folder / log_name(log_id) / "waiting", _lines(_waiting(connection, log_id, sizes)))
        _write_keys(folder / "keys")
        _put(folder / "README.txt", README.encode())
        os.sync()
        (folder / PLAN).unlink()
        return parts
    finally:
        connection.close()


def _plan(connection: Any, folder: Path, log_ids: Collection[UUID]) -> list[Part]:
    """What the first try has begun, or what is there now."""
    plan = folder / PLAN
    if plan.exists():
        parts = [Part(**part) for part in json.loads(plan.read_text(encoding="utf-8"))]
        if {UUID(part.log_id) for part in parts} <= set(log_ids):
            return parts
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise NotEmpty(f"{folder} is not empty")
    parts = [part for log_id in sorted(log_ids) for part in _parts(connection, log_id)]
    _put(plan, json.dumps([asdict(part) for part in parts]).encode())
    return parts


def _parts(connection: Any, log_id: UUID) -> list[Part]:
    """The years of a log, by everything that speaks of one."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT y.year, (SELECT note FROM audit_checkpoint c WHERE c.log_id = %(log)s AND c.year = y.year"
            "  AND c.hashing = 'sha256' ORDER BY size DESC LIMIT 1)"
            " FROM (SELECT year FROM audit_state WHERE log_id = %(log)s"
            "  UNION SELECT year FROM audit_checkpoint WHERE log_id = %(log)s"
            "  UNION SELECT year FROM audit_leaf WHERE log_id = %(log)s) y ORDER BY 1",
            {"log": log_id},
        )
        return [Part(str(log_id), year, _size(note)) for year, note in cursor]


def _size(note: str | None) -> int:
    """What the note says, whoever signed it: the verifier judges that."""
    try:
        return Checkpoint.parse(Note.parse(note).text).size if note else 0
    except NoteRefused:
        return 0


def _write_keys(folder: Path) -> None:
    _put(folder / "log.pub", configured.log_public_file().read_bytes())
    witness = configured.witness()
    if witness is not None and witness.public_key_file.exists():
        _put(folder / "witness.pub", witness.public_key_file.read_bytes())


def _put(path: Path, content: bytes) -> None:
    """Whole or not at all. Thousands of files are not synced one by one: all are, before the plan goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def _is_written(path: Path) -> bool:
    """A power cut may have left the name and nothing in it."""
    return path.exists() and path.stat().st_size > 0


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def tile_path(number: int, width: int = TILE) -> str:
    """1234067 is x001/x234/067; a tile that is not full says how wide it is."""
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE else f"{path}.p/{width}"


class Writer:
    """Writes one log of one year. Of what is damaged it writes what stands there: naming it is the verifier's work."""

    def __init__(self, connection: Any, folder: Path, part: Part) -> None:
        self.connection = connection
        self.folder = folder
        self.part = part
        self.tree = part.tree

    def write(self) -> Iterator[int]:
        """One tile's entries after another; answers how many each has."""
        for number in range(-(-self.part.size // TILE)):
            width = min(TILE, self.part.size - number * TILE)
            self._write_entries(number, width)
            yield width
        self._write_nodes(self.tree, self.folder, self.part.size)
        self._write_parallel()
        self._write_signatures(self.tree, self.folder, self.part.size)

    # --- entries ------------------------------------------------------------------------------------------------------

    def _write_entries(self, number: int, width: int) -> None:
        """Leaves, bundle and rows of one tile. A tile that an earlier try has written stays."""
        rows = self.folder / "rows" / tile_path(number, width)
        if _is_written(rows):
            return
        first = number * TILE
        with self.connection, self.connection.cursor() as cursor:
            found = places(cursor, self.tree.log_id, self.tree.year, first, first + width)
            beside = self._beside(cursor, first, first + width)
        by_index = {place.index: place for place in found}
        leaves = [by_index.get(index) for index in range(first, first + width)]
        _put(
            self.folder / "tile" / "0" / tile_path(number, width),
            b"".join(leaf.leaf_hash if leaf else MISSING for leaf in leaves),
        )
        self._write_bundle(number, width, [(leaf.data or b"") if leaf else b"" for leaf in leaves])
        _put(rows, _lines(beside))

    def _write_bundle(self, number: int, width: int, entries: list[bytes]) -> None:
        """Two bytes of length before each entry, as tlog-tiles asks; four, under another name, where one is longer."""
        long = any(len(entry) > LONGEST_SHORT_ENTRY for entry in entries)
        bundle = b"".join(len(entry).to_bytes(4 if long else 2, "big") + entry for entry in entries)
        name = "long-entries" if long else "entries"
        _put(self.folder / "tile" / name / tile_path(number, width), bundle)

    def _beside(self, cursor: Any, first: int, end: int) -> list[str]:
        """What the tables say beside each entry: every column but its bytes and its code, which only we can check."""
        cursor.execute(
            "SELECT json_build_object('leaf', l.leaf_index, 'uid', l.uid, 'source', l.source,"
            "  'columns', CASE l.source WHEN 'e' THEN to_jsonb(e) - 'canon' - 'mac' ELSE to_jsonb(r) - 'canon' END,"
            "  'type', (SELECT app_label || '.' || model FROM django_content_type t WHERE t.id = e.content_type_id),"
            "  'subjects', CASE l.source WHEN 'e' THEN"
            "    ARRAY(SELECT s.subject_id FROM audit_event_subject s WHERE s.event_uid = l.uid ORDER BY 1) END)::text"
            " FROM audit_leaf l LEFT JOIN audit_event e ON l.source = 'e' AND e.uid = l.uid"
            " LEFT JOIN audit_row_change r ON l.source = 'r' AND r.uid = l.uid"
            " WHERE l.log_id = %s AND l.year = %s AND l.leaf_index >= %s AND l.leaf_index < %s ORDER BY l.leaf_index, l.uid",
            [self.tree.log_id, self.tree.year, first, end],
        )
        return [line for (line,) in cursor]

    # --- the trees ----------------------------------------------------------------------------------------------------

    def _write_nodes(self, tree: Tree, folder: Path, size: int) -> None:
        """The stored roots of tiles, level above level; the hashes of the lowest stand with the entries."""
        level, count = 1, size >> LEVELS_KEPT
        while count:
            for number in range(-(-count // TILE)):
                width = min(TILE, count - number * TILE)
                _put(
                    folder / "tile" / str(level) / tile_path(number, width),
                    self._nodes(tree, level, number, width),
                )
            level, count = level + 1, count >> LEVELS_KEPT

    def _nodes(self, tree: Tree, level: int, number: int, width: int) -> bytes:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT place, hash FROM audit_node WHERE log_id = %s AND year = %s AND hashing = %s AND level = %s"
                " AND place >= %s AND place < %s",
                [*tree, level, number * TILE, number * TILE + width],
            )
            stored = {place: bytes(hashed) for place, hashed in cursor}
        return b"".join(stored.get(number * TILE + at, MISSING) for at in range(width))

    def _parallel_size(self) -> int:
        """How far the parallel tree was signed, never beyond the entries exported."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE log_id = %s AND year = %s AND hashing = 'sm3'"
                " AND size <= %s",
                [self.tree.log_id, self.tree.year, self.part.size],
            )
            return int(cursor.fetchone()[0])

    def _write_parallel(self) -> None:
        size = self._parallel_size()
        if not size:
            return
        tree, folder = self.tree._replace(hashing=SM3.name), self.folder / SM3.name
        for number in range(-(-size // TILE)):
            width = min(TILE, size - number * TILE)
            with self.connection, self.connection.cursor() as cursor:
                found = places(cursor, tree.log_id, tree.year, number * TILE, number * TILE + width)
            hashes = {place.index: SM3.leaf(place.data) for place in found if place.data is not None}
            tile = [hashes.get(number * TILE + at, MISSING) for at in range(width)]
            _put(folder / "tile" / "0" / tile_path(number, width), b"".join(tile))
        self._write_nodes(tree, folder, size)
        self._write_signatures(tree, folder, size)

    # --- what was signed ----------------------------------------------------------------------------------------------

    def _write_signatures(self, tree: Tree, folder: Path, size: int) -> None:
        notes = self._notes(tree, size)
        if notes:
            _put(folder / "history", _lines(json.dumps(note, ensure_ascii=False) for note in notes))
            _put(folder / "checkpoint", notes[-1].encode())
        self._write_time_stamp(tree, folder, size)

    def _write_time_stamp(self, tree: Tree, folder: Path, size: int) -> None:
        """The newest token, and the note it is over, as it was stamped."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT t.token, c.note FROM audit_timestamp t JOIN audit_checkpoint c USING (log_id, year, hashing, size)"
                " WHERE log_id = %s AND year = %s AND hashing = %s AND size <= %s ORDER BY size DESC LIMIT 1",
                [*tree, size],
            )
            if row := cursor.fetchone():
                _put(folder / "checkpoint.tsr", bytes(row[0]))
                _put(folder / "checkpoint.stamped", row[1].encode())

    def _notes(self, tree: Tree, size: int) -> list[str]:
        """Notes up to this size with their cosignatures, smallest first: the first of each tile, and the newest ones."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "WITH notes AS (SELECT size, note, row_number() OVER (ORDER BY size DESC) AS age,"
                "   row_number() OVER (PARTITION BY size / %(tile)s ORDER BY size) AS in_tile FROM audit_checkpoint"
                "   WHERE log_id = %(log)s AND year = %(year)s AND hashing = %(how)s AND size <= %(size)s)"
                " SELECT n.note || coalesce((SELECT string_agg(w.line, '' ORDER BY w.witness) FROM audit_cosig w"
                "   WHERE w.log_id = %(log)s AND w.year = %(year)s AND w.hashing = %(how)s AND w.size = n.size), '')"
                " FROM notes n WHERE n.age <= %(newest)s OR n.in_tile = 1 ORDER BY n.size",
                {
                    "log": tree.log_id, "year": tree.year, "how": tree.hashing, "size": max(size, 0),
                    "tile": TILE, "newest": NEWEST_KEPT,
                },
            )  # fmt: skip
            return [note for (note,) in cursor]


def _waiting(connection: Any, log_id: UUID, sizes: dict[int, int]) -> Iterator[str]:
    """Entries of a log that are under no exported signature: without a place, or behind the last signed one.

    Below the horizon nobody may have added any without a place.
    """
    for table in ("audit_event", "audit_row_change"):
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT json_build_object('table', %(table)s::text, 'uid', t.uid,"  # noqa: S608
                "   'late', l.uid IS NULL AND t.txid < coalesce((SELECT sealed_below FROM audit_horizon"
                "     WHERE cluster = (SELECT system_identifier::text FROM pg_control_system())), 0),"
                "   'entry', replace(encode(t.canon, 'base64'), E'\\n', ''))::text"
                f" FROM {table} t LEFT JOIN audit_leaf l ON l.uid = t.uid WHERE t.log_id = %(log)s AND"
                " (l.uid IS NULL OR l.leaf_index >= coalesce((%(sizes)s::jsonb ->> l.year::text)::bigint, 0))"
                " ORDER BY t.txid, t.uid",
                {"table": table, "log": log_id, "sizes": json.dumps(sizes)},
            )
            yield from (line for (line,) in cursor)


README = """\
A log of Zhizhi 知止, as files that prove it without its maker.

    python3 verify_audit.py THIS_FOLDER [--log-key FILE] [--checkpoint FILE] [--witness-key FILE]

verify_audit.py is one file (tools/verify_audit.py of the project). It needs Python 3.11 and the package `cryptography`, no network and
no database. Take it, the log's public key and a checkpoint from somewhere else than this folder: from mail, from paper, from an
earlier export. The keys in keys/ were written by whoever made the export.

<clinic or system>/<year>/checkpoint        what was signed last (C2SP tlog-checkpoint), with the witness's cosignature
                          history           what was signed before
                          tile/<L>/<N>      the tree (C2SP tlog-tiles, RFC 6962, SHA-256)
                          tile/entries/<N>  the entries (RFC 8785 JSON), each after its length in 2 bytes, big-endian
                          tile/long-entries/<N>  the same with 4 bytes, where an entry is longer than 65,535
                          rows/<N>          what the tables say beside each entry; every column is derived again and compared
                          sm3/              the same tree hashed by SM3, where the clinic has one
                          checkpoint.tsr    a time stamp of RFC 3161 over checkpoint.stamped, where there is one
<clinic or system>/waiting                  entries that were under no signature yet when this was written

docs/audit-for-auditors.md of the project says what an entry means, and what cannot be proven.

日志以文件形式导出，无需软件厂商即可验证。验证程序、公钥和校验点请从本文件夹以外的途径取得。
"""
