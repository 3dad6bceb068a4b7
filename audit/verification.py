"""Reading the whole log again: every entry against its canonical text, every leaf against its entry, every tree against what
was signed and witnessed. Whatever does not fit is named."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from audit.canon import canonical, mac
from audit.events import columns_of
from audit.merkle import SHA256, TILE, Frontier, leaf_hash
from audit.models import AuditEvent
from audit.notes import Checkpoint, Note, NoteRefused, Verifier
from audit.trees import CLOSING, EVENT, Tree, closing_note

DAMAGED = "its canonical text is damaged"
PAGE = 2000  # entries; each page is a transaction of its own, so that nobody waits for a long one
ROWS_IN_CANON = 500  # of a row change; a statement that touched more keeps the digest of all
EVENT_COLUMNS = tuple(f.column for f in AuditEvent._meta.concrete_fields)
ROW_CHANGE_COLUMNS = ("uid", "log_id", "txid", "timestamp", "actor_ref", "tbl", "op", "row_count", "canon")

HORIZON = "SELECT sealed_below FROM audit_horizon WHERE cluster = (SELECT system_identifier::text FROM pg_control_system())"
SUBJECTS = "ARRAY(SELECT s.subject_id FROM audit_event_subject s WHERE s.event_uid = e.uid ORDER BY 1)"


class Problem(NamedTuple):
    """What does not fit, and where: `what` names the row ("audit_event 0198…") or the place in the tree."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(slots=True)
class LogReport:
    """One log in one year. `entries` were read, fit, and stand under the newest checkpoint, whose size is `size`."""

    origin: str
    entries: int = 0
    size: int = 0
    witnessed_size: int = 0
    witness: str = ""
    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        witnessed = (
            f"witnessed by {self.witness} up to {self.witnessed_size}" if self.witness else "not witnessed"
        )
        return f"{self.entries} entries verify under checkpoint {self.size} of {self.origin}, {witnessed}"


@dataclass(slots=True)
class WaitingReport:
    """Entries of a table that the sequencer has not come to yet."""

    table: str
    waiting: int = 0
    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.waiting} entries of {self.table} wait for their place"


@dataclass(frozen=True, slots=True)
class Trust:
    """What verification believes before it reads: keys that do not come from the database, and checkpoints kept elsewhere."""

    log: Verifier
    witness: Verifier | None = None
    kept: tuple[Note, ...] = ()
    codes: bool = True  # whether the key of the entries' codes is at hand


@dataclass(slots=True)
class Grown:
    """One tree while it is grown again from its entries, and the roots it must pass.

    `waiting` are leaves not hashed into it yet: a whole tile costs half of its leaves one by one.
    """

    tree: Tree
    report: LogReport
    promised: dict[int, bytes]
    frontier: Frontier = field(init=False)
    waiting: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.frontier = Frontier(hashing=self.tree.how)

    @property
    def size(self) -> int:
        return self.frontier.size + len(self.waiting)

    def grow(self, leaf: bytes) -> None:
        self.waiting.append(leaf)
        size = self.size
        if size in self.promised:
            if self.promised.pop(size) != self._root():
                self.report.problems.append(
                    Problem(f"{self.report.origin} at {size}", "is not the tree that was signed")
                )
        elif size % TILE == 0:
            self._hash()

    def _root(self) -> bytes:
        self._hash()
        return self.frontier.root()

    def _hash(self) -> None:
        self.frontier.extend(self.waiting)
        self.waiting.clear()

    def end(self) -> None:
        """What was promised beyond the last leaf is gone."""
        for size in self.promised:
            why = f"had {size} entries when it was signed and now has {self.size}"
            self.report.problems.append(Problem(self.report.origin, why))


def _unheard(done: int, total: int) -> None:
    """Nobody asked how far it is."""


class Verification:
    def __init__(
        self,
        connection: Any,
        trust: Trust,
        *,
        only: UUID | None = None,
        told: Callable[[int, int], None] = _unheard,
    ) -> None:
        """`connection` is one of psycopg2's that sees every log, or that of `only`. `told` hears rows done and rows in all."""
        self.connection = connection
        self.trust = trust
        self.only = only
        self._told = told
        self._done = self._total = 0
        with self.connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, app_label || '.' || model FROM django_content_type")
            self._models: dict[int, str] = dict(cursor.fetchall())

    def run(self) -> Iterator[LogReport | WaitingReport]:
        """One report for each log and year, and one for each table with entries that have no place yet."""
        logs = self._logs()
        self._total = (
            sum(size for *_, size in logs) + self._rows("audit_event") + self._rows("audit_row_change")
        )
        self._advance(0)
        for log_id, year, _ in logs:
            yield from self._verify_log(log_id, year)
        for waiting in (
            self._unsealed("audit_event", EVENT_COLUMNS, SUBJECTS),
            self._unsealed("audit_row_change", ROW_CHANGE_COLUMNS, "NULL"),
        ):
            if waiting.waiting or waiting.problems:
                yield waiting
        self._told(self._total, self._total)

    def _advance(self, rows: int) -> None:
        """The log grows while it is read: what came after the count is read too, and never shown as more than all."""
        self._done += rows
        self._told(min(self._done, self._total), self._total)

    @property
    def _ours(self) -> str:
        return "log_id = %(log)s" if self.only else "true"

    def _rows(self, table: str) -> int:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE {self._ours}", {"log": self.only})  # noqa: S608
            return int(cursor.fetchone()[0])

    def _logs(self) -> list[tuple[UUID, int, int]]:
        """Every log that state, leaves or checkpoints speak of, and how many leaves the state says it has."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT log_id, year, max(size) FROM (SELECT log_id, year, size FROM audit_state"  # noqa: S608
                " UNION ALL SELECT log_id, year, 0 FROM (SELECT DISTINCT log_id, year FROM audit_checkpoint) c"
                " UNION ALL SELECT log_id, year, 0 FROM (SELECT DISTINCT log_id, year FROM audit_leaf) l) s"
                f" WHERE {self._ours} GROUP BY 1, 2 ORDER BY 2, 1",
                {"log": self.only},
            )
            return list(cursor)

    # --- one log ------------------------------------------------------------------------------------------------------

    def _verify_log(self, log_id: UUID, year: int) -> list[LogReport]:
        """A report of the first tree, and one of the parallel tree where there is one. The entries are read once."""
        grown = [self._promised(Tree(log_id, year, hashing)) for hashing in self._hashings(log_id, year)]
        first = grown[0]
        size, _ = self._sizes(log_id, year)  # after the promises: the log may have grown since, never shrunk
        for index, problems, hashed, data in self._leaves(log_id, year, size):
            if index != first.size:
                why = Problem(f"leaf {first.size} of {first.report.origin}", "is missing")
                first.report.problems.append(why)
                return [tree.report for tree in grown]  # what follows would only repeat it
            first.report.problems += problems
            for tree in grown:
                tree.report.entries += not problems and index < tree.report.size
                tree.grow(hashed if tree is first or data is None else tree.tree.how.leaf(data))
        for tree in grown:
            tree.end()
        said, stored = self._sizes(log_id, year)
        if first.size != size or stored != said:
            why = Problem(first.report.origin, f"has {stored} leaves and not {said}")
            first.report.problems.append(why)
        return [tree.report for tree in grown]

    def _hashings(self, log_id: UUID, year: int) -> list[str]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT hashing FROM audit_checkpoint WHERE log_id = %s AND year = %s AND hashing <> %s",
                [log_id, year, SHA256.name],
            )
            return [SHA256.name, *(hashing for (hashing,) in cursor)]

    def _sizes(self, log_id: UUID, year: int) -> tuple[int, int]:
        """How many leaves the state speaks of, and where the last one stands, at one moment."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce((SELECT size FROM audit_state WHERE log_id = %(log)s AND year = %(year)s AND hashing = %(how)s), 0),"
                " coalesce((SELECT max(leaf_index) + 1 FROM audit_leaf WHERE log_id = %(log)s AND year = %(year)s), 0)",
                {"log": log_id, "year": year, "how": SHA256.name},
            )
            said, stored = cursor.fetchone()
            return said, stored

    def _promised(self, tree: Tree) -> "Grown":
        """A tree before its first leaf, with roots by size: of the newest checkpoint, of the newest witnessed one, and of those
        kept elsewhere."""
        report, promised = LogReport(tree.origin(self.trust.log.name)), dict[int, bytes]()
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT size, root, note FROM audit_checkpoint WHERE log_id = %s AND year = %s AND hashing = %s"
                " ORDER BY size DESC LIMIT 1",
                [*tree],
            )
            newest = cursor.fetchone()
            cursor.execute(
                "SELECT c.size, c.root, c.note, s.line FROM audit_cosig s"
                " JOIN audit_checkpoint c USING (log_id, year, hashing, size)"
                " WHERE log_id = %s AND year = %s AND hashing = %s ORDER BY size DESC LIMIT 1",
                [*tree],
            )
            witnessed = cursor.fetchone()
        if newest is None:
            report.problems.append(Problem(report.origin, "was never signed"))
        elif checkpoint := self._checked(
            report, newest[2], self._log_key(report), newest[0], bytes(newest[1])
        ):
            report.size, promised[checkpoint.size] = checkpoint.size, checkpoint.root
        if witnessed and self.trust.witness:
            text, blank, _ = witnessed[2].rpartition("\n\n")
            cosigned = f"{text}{blank}{witnessed[3]}"
            if checkpoint := self._checked(
                report, cosigned, self.trust.witness, witnessed[0], bytes(witnessed[1])
            ):
                report.witness, report.witnessed_size = self.trust.witness.name, checkpoint.size
                promised[checkpoint.size] = checkpoint.root
        for note in self.trust.kept:
            if not note.text.startswith(f"{report.origin}\n"):
                continue
            kept = self._checked(report, str(note), self._log_key(report), None, None)
            if kept and promised.setdefault(kept.size, kept.root) != kept.root:
                report.problems.append(
                    Problem(f"{report.origin} at {kept.size}", "was signed twice with different roots")
                )
        return Grown(tree, report, promised)

    def _log_key(self, report: LogReport) -> Verifier:
        return Verifier(report.origin, self.trust.log.public)

    def _checked(
        self, report: LogReport, raw: str, key: Verifier, size: int | None, root: bytes | None
    ) -> Checkpoint | None:
        """The checkpoint inside a note this key signed, if it is of this log and says what its row says."""
        try:
            note = Note.parse(raw)
            note.check([key])
            checkpoint = Checkpoint.parse(note.text)
        except NoteRefused as error:
            report.problems.append(Problem(f"checkpoint {size} of {report.origin}", str(error)))
            return None
        if checkpoint.origin != report.origin or (size, root) not in (
            (None, None),
            (checkpoint.size, checkpoint.root),
        ):
            report.problems.append(
                Problem(f"checkpoint {size} of {report.origin}", "its row does not say what was signed")
            )
            return None
        return checkpoint

    def _leaves(
        self, log_id: UUID, year: int, size: int
    ) -> Iterator[tuple[int, list[Problem], bytes, bytes | None]]:
        """Index, problems, leaf hash and bytes of every leaf in order; both are of what stands there now."""
        after = -1
        while page := self._page_of_leaves(log_id, year, after, size):
            for index, uid, source, hashed, subjects, *columns in page:
                event = dict(zip(EVENT_COLUMNS, columns, strict=False))
                change = dict(zip(ROW_CHANGE_COLUMNS, columns[len(EVENT_COLUMNS) :], strict=True))
                leaf = Sealed(index, uid, source, bytes(hashed))
                yield index, *self._leaf(log_id, year, leaf, subjects, event, change)
                after = index
            self._advance(len(page))

    def _page_of_leaves(self, log_id: UUID, year: int, after: int, size: int) -> list[tuple[Any, ...]]:
        events = ", ".join(f"e.{column}" for column in EVENT_COLUMNS)
        changes = ", ".join(f"r.{column}" for column in ROW_CHANGE_COLUMNS)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT l.leaf_index, l.uid, l.source, l.leaf_hash, {SUBJECTS}, {events}, {changes} FROM audit_leaf l"  # noqa: S608
                " LEFT JOIN audit_event e ON l.source = 'e' AND e.uid = l.uid"
                " LEFT JOIN audit_row_change r ON l.source = 'r' AND r.uid = l.uid"
                " WHERE l.log_id = %s AND l.year = %s AND l.leaf_index > %s AND l.leaf_index < %s"
                f" ORDER BY l.leaf_index LIMIT {PAGE}",
                [log_id, year, after, size],
            )
            return list(cursor)

    def _leaf(
        self,
        log_id: UUID,
        year: int,
        leaf: "Sealed",
        subjects: list[UUID],
        event: dict[str, Any],
        change: dict[str, Any],
    ) -> tuple[list[Problem], bytes, bytes | None]:
        if leaf.source == CLOSING:
            return self._closing(log_id, year, leaf)
        name = f"{'audit_event' if leaf.source == EVENT else 'audit_row_change'} {leaf.uid}"
        row = event if leaf.source == EVENT else change
        if row["canon"] is None:
            return [Problem(name, f"was deleted (leaf {leaf.place})")], leaf.hash, None
        problems = (
            self._event(name, event, subjects) if leaf.source == EVENT else self._row_change(name, change)
        )
        hashed = leaf_hash(bytes(row["canon"]))
        if hashed != leaf.hash:
            problems.append(Problem(name, f"is not what was sealed (leaf {leaf.place})"))
        if row["log_id"] != log_id:
            problems.append(Problem(name, "stands in another log than the one it was sealed in"))
        return problems, hashed, bytes(row["canon"])

    def _closing(self, log_id: UUID, year: int, leaf: "Sealed") -> tuple[list[Problem], bytes, bytes | None]:
        with self.connection, self.connection.cursor() as cursor:
            note = closing_note(cursor, log_id, year)
        data = note.encode() if note else None
        if data is None or leaf_hash(data) != leaf.hash:
            origin = Tree(log_id, year).origin(self.trust.log.name)
            what = f"leaf {leaf.place} of {origin}"
            return [Problem(what, "does not continue the year before")], leaf.hash, data
        return [], leaf.hash, data

    # --- one entry ----------------------------------------------------------------------------------------------------

    def _event(self, name: str, row: dict[str, Any], subjects: list[UUID]) -> list[Problem]:
        entry = _entry(row)
        expected = _copies(columns_of, entry)
        if entry is None or expected is None:
            return [Problem(name, DAMAGED)]
        problems = _differences(name, row, expected)
        if self.trust.codes and bytes(row["mac"]) != mac(bytes(row["canon"])):
            problems.append(Problem(name, "its code is wrong"))
        kind = self._models.get(row["content_type_id"])
        if kind is not None and kind != (entry["object"] or {}).get("type"):
            problems.append(Problem(name, "column content_type_id is not what the entry says"))
        if [str(subject) for subject in subjects] != entry.get("subjects"):
            problems.append(Problem(name, "its rows of audit_event_subject are not what the entry says"))
        return problems

    def _row_change(self, name: str, row: dict[str, Any]) -> list[Problem]:
        entry = _entry(row)
        expected = _copies(_row_change_columns, entry)
        if entry is None or expected is None:
            return [Problem(name, DAMAGED)]
        problems = _differences(name, row, expected)
        rows = b",".join(canonical(changed) for changed in entry.get("rows", []))
        if entry["count"] <= ROWS_IN_CANON and sha256(rows).hexdigest() != entry.get("digest"):
            problems.append(Problem(name, "its digest is not that of its rows"))
        return problems

    # --- what has no place yet ----------------------------------------------------------------------------------------

    def _unsealed(self, table: str, columns: tuple[str, ...], subjects: str) -> WaitingReport:
        """Entries without a leaf: behind the horizon nobody may add any, before it they wait for the sequencer."""
        report, after = WaitingReport(table), UUID(int=0)
        while page := self._page_of_entries(table, columns, subjects, after):
            for late, sealed, concerned, *values in page:
                row = dict(zip(columns, values, strict=True))
                after = row["uid"]
                if not sealed:
                    self._waiting(report, row, concerned, is_late=late)
            self._advance(len(page))
        return report

    def _page_of_entries(
        self, table: str, columns: tuple[str, ...], subjects: str, after: UUID
    ) -> list[tuple[Any, ...]]:
        """The next entries by number. Columns of those that have their place are left empty: they were read under their leaf."""
        empty = ", ".join(f"CASE WHEN l.uid IS NULL OR {c == 'uid'} THEN e.{c} END" for c in columns)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT e.txid < coalesce(({HORIZON}), 0), l.uid IS NOT NULL,"  # noqa: S608
                f" CASE WHEN l.uid IS NULL THEN {subjects} END, {empty}"
                f" FROM (SELECT * FROM {table} WHERE uid > %(after)s AND {self._ours} ORDER BY uid LIMIT {PAGE}) e"
                " LEFT JOIN audit_leaf l ON l.uid = e.uid ORDER BY e.uid",
                {"after": after, "log": self.only},
            )
            return list(cursor)

    def _waiting(
        self, report: WaitingReport, row: dict[str, Any], concerned: list[UUID] | None, *, is_late: bool
    ) -> None:
        name = f"{report.table} {row['uid']}"
        report.problems += (
            self._row_change(name, row) if concerned is None else self._event(name, row, concerned)
        )
        report.waiting += not is_late
        if is_late:
            why = "was added behind the sealed part and has no place in the log"
            report.problems.append(Problem(name, why))


class Sealed(NamedTuple):
    place: int
    uid: UUID
    source: str
    hash: bytes


def _entry(row: dict[str, Any]) -> dict[str, Any] | None:
    """The entry inside `canon`; None where it is not canonical JSON."""
    raw = bytes(row["canon"])
    try:
        entry: dict[str, Any] = json.loads(raw)
        return entry if canonical(entry) == raw else None
    except (ValueError, TypeError):
        return None


def _copies(
    derive: Callable[[dict[str, Any]], dict[str, Any]], entry: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The columns an entry asks for; None where a part is missing or of another kind."""
    try:
        return None if entry is None else derive(entry)
    except (LookupError, ValueError, TypeError, AttributeError):
        return None


def _row_change_columns(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": UUID(entry["uid"]),
        "log_id": UUID(entry["log"]),
        "txid": entry["tx"],
        "timestamp": datetime.fromisoformat(entry["at"]),
        "actor_ref": entry["actor"],
        "tbl": entry["table"],
        "op": entry["op"],
        "row_count": entry["count"],
        "canon": canonical(entry),
    }


def _differences(name: str, row: dict[str, Any], expected: dict[str, Any]) -> list[Problem]:
    """One problem for each column that is not the copy it should be."""
    return [
        Problem(name, f"column {column} is not what the entry says")
        for column, value in expected.items()
        if (bytes(row[column]) if isinstance(row[column], memoryview) else row[column]) != value
    ]
