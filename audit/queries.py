"""What pages, watchers and rules may know of the log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection


@dataclass(frozen=True, slots=True)
class SignedSize:
    """At `size` entries the log was signed, or cosigned, at this moment. `text` is the note, or the witness's line."""

    size: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class SealState:
    """How far a log is sealed. `trouble` is why it is not signed, `witness_trouble` why the witness did not answer: sentences that
    need somebody to look, and name logs and sizes alone.

    `sealed_until`: every entry whose transaction had ended by then has its place; None before the sequencer's first turn.
    `witness` is the address the sequencer asks, empty where none was set up; `witness_at` is when it last answered.
    """

    log_id: UUID
    at: datetime
    origin: str = ""
    year: int | None = None
    size: int = 0
    sealed_until: datetime | None = None
    signed: SignedSize | None = None
    cosigned: SignedSize | None = None
    witness: str = ""
    witness_at: datetime | None = None
    trouble: str = ""
    witness_trouble: str = ""

    @property
    def troubles(self) -> tuple[str, ...]:
        """Both, those there are."""
        silent = self.witness_trouble and f"the witness: {self.witness_trouble}"
        return tuple(words for words in (self.trouble, silent) if words)

    @property
    def lag(self) -> timedelta | None:
        """How old an entry may be that has no place yet; None before the sequencer's first turn."""
        return None if self.sealed_until is None else max(self.at - self.sealed_until, timedelta())

    @property
    def witness_silence(self) -> timedelta | None:
        """Since when the witness has not answered; None where none was set up, or where it never did."""
        return None if self.witness_at is None else max(self.at - self.witness_at, timedelta())


_SEAL_STATE = """
SELECT clock_timestamp(), h.sealed_until, h.witness, h.witness_at, h.witness_trouble,
       s.origin, s.year, s.size, s.trouble, c.size, c.created_at, c.note, w.size, w.created_at, w.line
FROM (SELECT 1) one
LEFT JOIN audit_horizon h ON h.id = 1
LEFT JOIN LATERAL (SELECT * FROM audit_state WHERE log_id = %(log)s AND hashing = 'sha256' ORDER BY year DESC LIMIT 1) s ON true
LEFT JOIN LATERAL (SELECT * FROM audit_checkpoint
                   WHERE log_id = %(log)s AND year = s.year AND hashing = 'sha256' ORDER BY size DESC LIMIT 1) c ON true
LEFT JOIN LATERAL (SELECT * FROM audit_cosig
                   WHERE log_id = %(log)s AND year = s.year AND hashing = 'sha256' ORDER BY size DESC LIMIT 1) w ON true
"""


def seal_state(log_id: UUID) -> SealState:
    """How far the log is sealed, in one statement. Size, lag and troubles of every log may be asked by anybody.

    The signed note and the cosignature are there only in a unit of work that sees the log.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SEAL_STATE, {"log": log_id})
        at, until, witness, witness_at, silent, origin, year, size, trouble, *signatures = cursor.fetchone()
    return SealState(
        log_id=log_id,
        at=at,
        origin=origin or "",
        year=year,
        size=size or 0,
        sealed_until=until,
        signed=_signed(*signatures[:3]),
        cosigned=_signed(*signatures[3:]),
        witness=witness or "",
        witness_at=witness_at,
        trouble=trouble or "",
        witness_trouble=silent or "",
    )


def _signed(size: int | None, at: datetime | None, text: str | None) -> SignedSize | None:
    return None if size is None or at is None else SignedSize(size, at, text or "")
