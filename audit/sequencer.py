"""Sealing the log: one process gives every committed entry its place, and signs what the logs have become.

Entries are read by transaction number below the horizon, where every transaction has ended: none can appear late, none is
taken twice. One log per clinic and one for the system, a new tree each year that begins with the last checkpoint of the year
before. Runs as the role that may read entries and write seals, and nothing else.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg2.extras import execute_values

from audit import parallel, trees
from audit.merkle import SHA256, SM3, Frontier, consistency_proof, leaf_hash
from audit.notes import Note, Signer
from audit.trees import CLOSING, EVENT, ROW_CHANGE, LogDamaged, Tree
from audit.witnessing import WitnessAbsent, WitnessClient, WitnessRefused
from crypto.ids import uuid7

logger = logging.getLogger(__name__)
ADVISORY_LOCK = 0x7A68697A6869  # "zhizhi"
BATCH = 1000
BATCHES_IN_A_TURN = 50
SECONDS_BETWEEN_GREETINGS = 20.0


class Entry(NamedTuple):
    txid: int
    uid: UUID
    log_id: UUID
    source: str
    canon: bytes

    @property
    def year(self) -> int:
        """The year of the entry's number, UTC."""
        return datetime.fromtimestamp((self.uid.int >> 80) / 1000, UTC).year


class Taken(NamedTuple):
    """What comes next, and the horizon after it: a transaction number, and the cluster whose numbers they are."""

    entries: list[Entry]
    sealed_below: int
    cluster: str
    is_all: bool  # nothing else stands below the horizon


class Unwitnessed(NamedTuple):
    """A checkpoint without a cosignature. `known` is the size the witness signed last, as far as we know."""

    tree: Tree
    size: int
    note: str
    known: int


@dataclass(slots=True)
class Log:
    """One tree while a batch is sealed."""

    tree: Tree
    frontier: Frontier
    leaves: list[tuple[UUID, str, bytes]] = field(default_factory=list)
    damaged: bool = False

    def append(self, uid: UUID, source: str, data: bytes) -> None:
        self.leaves.append((uid, source, leaf_hash(data)))


class Sequencer:
    def __init__(
        self,
        connection: Any,
        signer: Signer,
        witness: WitnessClient | None = None,
        *,
        batch: int = BATCH,
        with_sm3: bool = False,
    ) -> None:
        """`signer` carries the installation's name; `connection` is one of psycopg2's, as the sequencer's role."""
        self.connection = connection
        self.signer = signer
        self.witness = witness
        self.batch = batch
        self.with_sm3 = with_sm3
        self.troubles: list[str] = []
        self._told: dict[Tree, str] = {}
        self._mark: tuple[int, datetime] | None = None
        self._greeted = 0.0

    def lead(self) -> bool:
        """Whether this process is the one that seals. The server takes the lock back when the process dies."""
        with self._transaction() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
            return bool(cursor.fetchone()[0])

    def turn(self) -> int:
        """Seal all there is below the horizon, sign, ask the witness. Answers how many entries were sealed."""
        self.troubles, self._told = [], {}
        sealed = self._seal()
        if self.with_sm3:
            self._follow()
        self._sign_all()
        if self.witness is not None:
            self._ask_witness(self.witness)
        self._write_troubles_down()
        return sealed

    def _tell(self, tree: Tree, trouble: str) -> None:
        words = f"{tree.origin(self.signer.name)} {trouble}"
        self.troubles.append(words)
        self._told[tree] = words
        logger.critical("audit: %s", words)

    def _write_troubles_down(self) -> None:
        """`audit.queries.seal_state` shows them; one that is over goes."""
        with self._transaction() as cursor:
            if self.witness is None:
                cursor.execute(
                    "UPDATE audit_horizon SET witness = '', witness_trouble = '' WHERE witness <> ''"
                )
            cursor.execute("SELECT log_id, year, hashing, trouble FROM audit_state")
            for *key, known in cursor.fetchall():
                trouble = self._told.get(Tree(*key), "")
                if trouble != known:
                    cursor.execute(
                        "UPDATE audit_state SET trouble = %s WHERE log_id = %s AND year = %s AND hashing = %s",
                        [trouble, *key],
                    )

    def _seal(self) -> int:
        """Batch after batch, but not for ever: under a constant stream the signature must have its turn."""
        sealed = 0
        for _ in range(BATCHES_IN_A_TURN):
            count, is_all = self.seal_batch()
            sealed += count
            if is_all:
                break
        return sealed

    # --- sealing ------------------------------------------------------------------------------------------------------

    def seal_batch(self) -> tuple[int, bool]:
        """One transaction: entries, leaves, the logs' edges and the horizon move together or not at all.

        Answers how many were sealed, and whether nothing was left below the horizon.
        """
        with self._transaction() as cursor:
            sealed_until = self._sealed_until(cursor)
            taken = self._next_entries(cursor)
            logs = self._open_logs(cursor, {entry.log_id for entry in taken.entries})
            for entry in taken.entries:
                self._log_of(cursor, logs, entry).append(entry.uid, entry.source, entry.canon)
            for log in logs.values():
                self._store(cursor, log)
            cursor.execute(
                "UPDATE audit_horizon SET sealed_below = %s, cluster = %s,"
                " sealed_until = coalesce(%s, sealed_until) WHERE id = 1",
                [taken.sealed_below, taken.cluster, sealed_until if taken.is_all else None],
            )
            return len(taken.entries), taken.is_all

    def _sealed_until(self, cursor: Any) -> datetime | None:
        """When nothing is left to seal: every transaction that had ended by then has its places. None: not known yet.

        A transaction that is still open holds the horizon back. Then the moment is that of an earlier turn, all of whose
        transactions have ended since.
        """
        cursor.execute(
            "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint, statement_timestamp()"
            " FROM pg_current_snapshot() s"
        )
        oldest, next_one, at = cursor.fetchone()
        if oldest >= next_one:
            self._mark = None
            return at  # type: ignore[no-any-return]  # psycopg2 is not typed
        known = None
        if self._mark is not None and oldest >= self._mark[0]:
            known, self._mark = self._mark[1], None
        if self._mark is None:
            self._mark = (next_one, at)
        return known

    def _next_entries(self, cursor: Any) -> Taken:
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, system_identifier::text FROM pg_control_system()"
        )
        below, cluster = cursor.fetchone()
        cursor.execute("INSERT INTO audit_horizon VALUES (1, 0, %s) ON CONFLICT (id) DO NOTHING", [cluster])
        cursor.execute("SELECT sealed_below, cluster FROM audit_horizon WHERE id = 1 FOR UPDATE")
        start, known_cluster = cursor.fetchone()
        if (
            known_cluster != cluster
        ):  # restored elsewhere: transaction numbers began anew, so look at everything
            entries = self._entries(cursor, "true", "uid", [])
            return Taken(entries, 0, known_cluster, False) if entries else Taken([], below, cluster, True)
        entries = self._entries(cursor, "txid >= %s AND txid < %s", "txid, uid", [start, below])
        if len(entries) < self.batch:
            return Taken(entries, below, cluster, True)
        return self._whole_transactions(cursor, entries, cluster)

    def _whole_transactions(self, cursor: Any, entries: list[Entry], cluster: str) -> Taken:
        """A full batch is cut where its last transaction begins; a transaction larger than a batch is taken whole."""
        last = entries[-1].txid
        if entries[0].txid != last:
            return Taken([entry for entry in entries if entry.txid != last], last, cluster, False)
        return Taken(
            self._entries(cursor, "txid = %s", "txid, uid", [last], limit=None), last + 1, cluster, False
        )

    def _entries(
        self, cursor: Any, where: str, order: str, values: list[int], limit: int | None = 0
    ) -> list[Entry]:
        """Events and row changes without a leaf, together. `limit` 0 is one batch.

        The leaf is asked for even though the horizon passes once: numbers from before a restore come up again.
        """
        rows = self.batch if limit == 0 else limit
        one = "(SELECT txid, uid, log_id, '{}', canon FROM {} t WHERE {}"
        one += " AND NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = t.uid) ORDER BY {} LIMIT %s)"
        events = one.format(EVENT, "audit_event", where, order)
        changes = one.format(ROW_CHANGE, "audit_row_change", where, order)
        cursor.execute(
            f"{events} UNION ALL {changes} ORDER BY {order} LIMIT %s", [*values, rows, *values, rows, rows]
        )
        return [Entry(txid, uid, log_id, source, bytes(canon)) for txid, uid, log_id, source, canon in cursor]

    def _open_logs(self, cursor: Any, log_ids: set[UUID]) -> dict[UUID, Log]:
        """Each log's newest tree."""
        cursor.execute(
            "SELECT DISTINCT ON (log_id) log_id, year, size, frontier FROM audit_state"
            " WHERE log_id = ANY (%s) AND hashing = %s ORDER BY log_id, year DESC",
            [list(log_ids), SHA256.name],
        )
        return {
            log_id: Log(Tree(log_id, year), Frontier(size, hashes)) for log_id, year, size, hashes in cursor
        }

    def _log_of(self, cursor: Any, logs: dict[UUID, Log], entry: Entry) -> Log:
        """The tree this entry goes to: the newest, or the first of a new year."""
        log = logs.get(entry.log_id)
        if log is None:
            log = logs[entry.log_id] = self._begin(cursor, Tree(entry.log_id, entry.year))
        elif entry.year > log.tree.year and not log.damaged:
            log = logs[entry.log_id] = self._next_year(cursor, log, entry.year)
        return log

    def _begin(self, cursor: Any, tree: Tree) -> Log:
        return Log(tree, trees.begin(cursor, tree, self.signer.name))

    def _next_year(self, cursor: Any, log: Log, year: int) -> Log:
        """Sign the old year's last checkpoint, whose text is the first leaf of the new; a damaged log stays in its year."""
        self._store(cursor, log)
        try:
            closing = trees.sign(cursor, log.tree, log.frontier, self.signer)
        except LogDamaged as error:
            self._tell(log.tree, f"is not closed: {error}")
            log.damaged = True
            return log
        begun = self._begin(cursor, Tree(log.tree.log_id, year))
        begun.append(uuid7(), CLOSING, closing.encode())
        return begun

    def _store(self, cursor: Any, log: Log) -> None:
        log_id, year, _ = log.tree
        execute_values(
            cursor,
            "INSERT INTO audit_leaf (log_id, year, leaf_index, uid, source, leaf_hash) VALUES %s",
            [(log_id, year, index, *leaf) for index, leaf in enumerate(log.leaves, log.frontier.size)],
            page_size=1000,
        )
        trees.grow(cursor, log.tree, log.frontier, [hashed for *_, hashed in log.leaves])
        log.leaves = []

    # --- the parallel tree and the signatures -------------------------------------------------------------------------

    def _follow(self) -> None:
        """The parallel tree comes after, a few pages in a turn: where it is switched on late it has years to read."""
        with self._transaction() as cursor:
            logs = parallel.behind(cursor)
        for log_id, year in logs:
            try:
                for _ in range(BATCHES_IN_A_TURN):
                    with self._transaction() as cursor:
                        if parallel.follow(cursor, log_id, year, self.signer.name):
                            break
            except LogDamaged as error:
                self._tell(Tree(log_id, year, SM3.name), f"is not continued: {error}")

    def _sign_all(self) -> None:
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT log_id, year, hashing FROM audit_state s WHERE size > coalesce((SELECT max(size) FROM audit_checkpoint c"
                " WHERE c.log_id = s.log_id AND c.year = s.year AND c.hashing = s.hashing), 0)"
            )
            grown = [Tree(*row) for row in cursor]
        for tree in grown:
            try:
                with self._transaction() as cursor:
                    trees.sign(cursor, tree, trees.edge(cursor, tree), self.signer)
            except LogDamaged as error:
                self._tell(tree, f"is not signed: {error}")

    # --- the witness --------------------------------------------------------------------------------------------------

    def _ask_witness(self, witness: WitnessClient) -> None:
        """Have every log's newest checkpoint cosigned. Without the witness sealing goes on, and it is asked again."""
        trouble = ""
        try:
            waiting = self._unwitnessed(witness.verifier().name)
            for one in waiting:
                try:
                    self._have_cosigned(witness, one)
                except (WitnessRefused, LogDamaged) as error:
                    self._tell(one.tree, f"is not signed by the witness at {one.size}: {error}")
            if not waiting:
                if not self._is_time_to_greet():
                    return
                witness.greet()
        except (WitnessAbsent, WitnessRefused) as error:
            trouble = str(error)
            logger.warning("audit: the witness is absent (%s); checkpoints wait for it", error)
        self._write_witness_down(witness, trouble)

    def _is_time_to_greet(self) -> bool:
        """With nothing to sign the witness is asked all the same: its silence must not look like peace."""
        due = time.monotonic() - self._greeted >= SECONDS_BETWEEN_GREETINGS
        if due:
            self._greeted = time.monotonic()
        return due

    def _write_witness_down(self, witness: WitnessClient, trouble: str) -> None:
        with self._transaction() as cursor:
            cursor.execute(
                "UPDATE audit_horizon SET witness = %s, witness_trouble = %s,"
                " witness_at = CASE WHEN %s = '' THEN clock_timestamp() ELSE witness_at END WHERE id = 1",
                [witness.url, trouble[:200], trouble],
            )

    def _unwitnessed(self, witness: str) -> list[Unwitnessed]:
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT s.log_id, s.year, s.hashing, c.size, c.note, coalesce(w.size, 0) FROM audit_state s"
                " CROSS JOIN LATERAL (SELECT size, note FROM audit_checkpoint c"
                "  WHERE c.log_id = s.log_id AND c.year = s.year AND c.hashing = s.hashing ORDER BY size DESC LIMIT 1) c"
                " LEFT JOIN LATERAL (SELECT size FROM audit_cosig w WHERE w.log_id = s.log_id AND w.year = s.year"
                "  AND w.hashing = s.hashing AND w.witness = %s ORDER BY size DESC LIMIT 1) w ON true"
                " WHERE c.size > coalesce(w.size, 0)",
                [witness],
            )
            return [Unwitnessed(Tree(*row[:3]), *row[3:]) for row in cursor]

    def _have_cosigned(self, witness: WitnessClient, one: Unwitnessed) -> None:
        line = witness.cosignature(
            Note.parse(one.note), one.size, one.known, self._proofs_to(one.tree, one.size)
        )
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO audit_cosig (log_id, year, hashing, size, witness, line) VALUES (%s, %s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                [*one.tree, one.size, witness.verifier().name, line],
            )

    def _proofs_to(self, tree: Tree, size: int) -> Callable[[int], list[bytes]]:
        def proof_from(old: int) -> list[bytes]:
            with self._transaction() as cursor:
                return consistency_proof(old, size, trees.stored_subtree(cursor, tree), tree.how)

        return proof_from

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self.connection, self.connection.cursor() as cursor:
            yield cursor
