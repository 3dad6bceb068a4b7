"""The gate: whoever starts something that rests on a permission passes here, in the transaction that records the start.

The gate locks the state row (shared: several may start at once), then reads the ledger. A withdrawal locks the same row
exclusively before it writes, so it either waits for the start to commit, or is seen. Nothing starts after it committed.
Rows are locked in one order everywhere. Take the gate before locking anything a withdrawal touches.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import connection

from audit.purposes import Purpose
from consent.choices import ANY_CHANNEL, SELF_RECIPIENT, Operation
from consent.decisions import Decision, Need
from consent.errors import ConsentMissing
from consent.locks import Key, share_states
from consent.purposes import rule_of
from consent.queries import decisions


@contextmanager
def gate(
    patient_id: UUID,
    purpose: Purpose,
    *,
    data: frozenset[str] = frozenset(),
    recipient: str = SELF_RECIPIENT,
    op: str = Operation.USE,
    channel: str = ANY_CHANNEL,
    at: datetime,
) -> Iterator[Decision]:
    """Passes, or raises ConsentMissing. What is written inside has started when its transaction commits."""
    need = Need(
        patient_id=patient_id, purpose=purpose, data=data, recipient=recipient, op=op, channel=channel
    )
    decision = pass_gate([need], at)[need]
    if not decision.allowed:
        raise ConsentMissing(patient_id, purpose, decision.reason)
    yield decision


def pass_gate(needs: Iterable[Need], at: datetime) -> dict[Need, Decision]:
    """The gate for a batch: one statement locks, one reads the ledger. A denial is an answer, not an error."""
    needs = list(needs)
    if not connection.in_atomic_block:
        raise RuntimeError("the gate holds a lock until the transaction ends, and there is none")
    share_states({key for need in needs for key in _keys(need)})
    return decisions(needs, at)


def _keys(need: Need) -> list[Key]:
    """The general rows of a need, which must be there to be locked. A permission by law has none."""
    if not rule_of(need.purpose).needs_consent:
        return []
    return [
        Key(need.patient_id, need.purpose.value, category, need.recipient, need.op, ANY_CHANNEL)
        for category in need.categories
    ]
