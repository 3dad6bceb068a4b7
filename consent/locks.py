"""The state rows as locks: made when missing, so that there is always something to lock, and taken in one order."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from audit.services import record
from consent.models import ConsentState


class Key(NamedTuple):
    """One permission of one patient."""

    patient_id: UUID
    purpose: str
    data_category: str
    recipient: str
    operation: str
    channel: str


# The general rows of a purpose come before those of one recipient or channel: a writer takes them first, and finds the others then.
_SPECIAL = "({0}.recipient <> 'self' OR {0}.channel <> 'any')"
_IN_ORDER = f"ORDER BY s.patient_id, s.purpose, {_SPECIAL.format('s')}, s.data_category, s.recipient, s.operation, s.channel, s.id"
_LOCK_KEYS = f"""
SELECT s.patient_id, s.purpose, s.data_category, s.recipient, s.operation, s.channel
FROM consent_state s
JOIN unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  AS k (patient_id, purpose, data_category, recipient, operation, channel)
  USING (patient_id, purpose, data_category, recipient, operation, channel)
{_IN_ORDER} FOR UPDATE OF s
"""  # noqa: S608  # constants; every value is a parameter
_SHARE = f"""
SELECT s.patient_id, s.purpose, s.data_category, s.recipient, s.operation, s.channel
FROM consent_state s WHERE s.patient_id = ANY (%s) AND s.purpose = ANY (%s)
{_IN_ORDER} FOR SHARE
"""  # noqa: S608  # constants; every value is a parameter
_MAKE = f"""
INSERT INTO consent_state (id, clinic_id, patient_id, subject_id, purpose, data_category, recipient, operation, channel,
                           state, notice_version, version)
SELECT gen_random_uuid(), p.clinic_id, p.id, p.subject_id, k.purpose, k.data_category, k.recipient, k.operation, k.channel,
       'unknown', 0, 0
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  AS k (patient_id, purpose, data_category, recipient, operation, channel)
JOIN patients_patient p ON p.id = k.patient_id
ORDER BY k.patient_id, k.purpose, {_SPECIAL.format("k")}, k.data_category, k.recipient, k.operation, k.channel
ON CONFLICT (subject_id, purpose, data_category, recipient, operation, channel) DO NOTHING
"""  # noqa: S608  # constants; every value is a parameter
_MOVE = """
UPDATE consent_state s
SET state = k.state, valid_from = k.valid_from, valid_until = k.valid_until, notice_version = k.notice_version,
    decided_at = k.decided_at, last_event_id = k.last_event_id, version = k.version
FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::int[], %s::timestamptz[], %s::uuid[], %s::bigint[])
  AS k (id, state, valid_from, valid_until, notice_version, decided_at, last_event_id, version)
WHERE s.id = k.id
"""


def lock_states(keys: Collection[Key]) -> None:
    """Locks these rows for writing until the transaction ends, making those that are missing."""
    wanted = sorted(set(keys))
    if not wanted:
        return
    if missing := sorted(set(wanted) - _locked(_LOCK_KEYS, _columns(wanted))):
        _make(missing)
        _locked(_LOCK_KEYS, _columns(wanted))


def share_states(keys: Collection[Key]) -> None:
    """Locks all rows of these patients and purposes against writers; others may share the lock. Makes the rows named.

    The row of a channel nobody spoke about is not among `keys`: the general row stands for it.
    """
    if not keys:
        return
    scope: list[list[Any]] = [list({key.patient_id for key in keys}), list({key.purpose for key in keys})]
    if missing := sorted(set(keys) - _locked(_SHARE, scope)):
        _make(missing)
        _locked(_SHARE, scope)


def move_states(states: Sequence[ConsentState]) -> None:
    """Write where these locked rows stand now, in one statement."""
    rows = [
        (
            state.pk,
            state.state,
            state.valid_from,
            state.valid_until,
            state.notice_version,
            state.decided_at,
            state.last_event_id,
            state.version,
        )
        for state in states
    ]
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, [list(column) for column in zip(*rows, strict=True)])


def _make(keys: Sequence[Key]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, _columns(keys))
        made = cursor.rowcount
    if made:
        record("consent.prepared", object=("consent.consentstate", str(keys[0].patient_id)), count=made)


def _locked(statement: str, parameters: list[list[Any]]) -> set[Key]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return set(map(Key._make, cursor.fetchall()))


def _columns(keys: Collection[Key]) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]
