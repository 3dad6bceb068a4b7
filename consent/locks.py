"""The state rows as locks: made when missing, so that there is always something to lock, and taken in one order."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection


class Key(NamedTuple):
    """One permission of one patient. Its order is the order in which rows are locked."""

    patient_id: UUID
    purpose: str
    data_category: str
    recipient: str
    operation: str
    channel: str


_LOCK = """
SELECT s.patient_id, s.purpose, s.data_category, s.recipient, s.operation, s.channel, s.id
FROM consent_state s
JOIN unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  AS k (patient_id, purpose, data_category, recipient, operation, channel)
  USING (patient_id, purpose, data_category, recipient, operation, channel)
ORDER BY s.patient_id, s.purpose, s.data_category, s.recipient, s.operation, s.channel, s.id
"""
_MAKE = """
INSERT INTO consent_state (id, clinic_id, patient_id, subject_id, purpose, data_category, recipient, operation, channel,
                           state, notice_version, version)
SELECT gen_random_uuid(), p.clinic_id, p.id, p.subject_id, k.purpose, k.data_category, k.recipient, k.operation, k.channel,
       'unknown', 0, 0
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  AS k (patient_id, purpose, data_category, recipient, operation, channel)
JOIN patients_patient p ON p.id = k.patient_id
ORDER BY k.patient_id, k.purpose, k.data_category, k.recipient, k.operation, k.channel
ON CONFLICT (subject_id, purpose, data_category, recipient, operation, channel) DO NOTHING
"""


def lock_states(keys: Collection[Key], *, exclusive: bool) -> list[UUID]:
    """Locks these rows until the transaction ends; answers their ids in the order of the keys.

    A shared lock does not make the row of a channel nobody spoke about: the general row stands for it.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return []
    found = _select(wanted, exclusive)
    missing = sorted(
        {key for key in wanted if key.channel == "any" or exclusive} - {Key(*row[:6]) for row in found}
    )
    if missing:
        with connection.cursor() as cursor:
            cursor.execute(_MAKE, _columns(missing))
        found = _select(wanted, exclusive)
    return [row[6] for row in found]


def _select(keys: Collection[Key], exclusive: bool) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK + ("FOR UPDATE OF s" if exclusive else "FOR SHARE OF s"), _columns(keys))
        rows: list[Any] = cursor.fetchall()
        return rows


def _columns(keys: Collection[Key]) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]
