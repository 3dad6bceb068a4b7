"""Identifiers that rise with time and are known before the row exists, because a seal is bound to its row's id."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, SafeUUID

from psycopg2 import extensions

CLOCK_CORRECTED = (
    10_000 << 12
)  # ten seconds, in the units of `_last`: less is jitter, more is a clock that was put right

UUID_TYPE = 2950  # PostgreSQL's number of the type uuid
# Enough to find again what comes in every row of a list: its clinic, and the clinic that sealed it.
IDS_KEPT = 256

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562) with 12 bits below the millisecond; rising within this process while the clock does.

    It sorts together with PostgreSQL 18's `uuidv7()`. A clock that was wrong and is set back is believed, because an id of the
    future would put its row into the wrong month of the log.
    """
    global _last
    with _lock:
        now = time.time_ns()
        ticks = (now // 1_000_000) << 12 | (now % 1_000_000) * 4096 // 1_000_000
        if _last - ticks < CLOCK_CORRECTED:
            ticks = max(ticks, _last + 1)
        _last = ticks
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62
    return UUID(int=value | int.from_bytes(os.urandom(8), "big") >> 2)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_uuid7(at: datetime) -> UUID:
    """The lowest id of a moment's millisecond: whatever was made from then on has this id or a greater one."""
    return UUID(int=((at - _EPOCH) // timedelta(milliseconds=1)) << 80)


def read_ids_as_written() -> None:
    """From now on psycopg2 takes an id in the one form in which PostgreSQL writes it, which costs a third of UUID(text).

    Every row of ours has three ids or more, and a list reads hundreds.
    """
    from django.db.backends.postgresql import base  # noqa: F401  # registers its own reader when it is first imported

    extensions.register_type(extensions.new_type((UUID_TYPE,), "UUID", _read))


_new = object.__new__
# A UUID refuses to be changed, so its two parts are set from below.
_set_int, _set_safe = UUID.int.__set__, UUID.is_safe.__set__  # type: ignore[attr-defined, misc]  # slots
_UNKNOWN = SafeUUID.unknown


_kept: dict[str, UUID] = {}  # not an lru_cache, which costs an id that is new more than reading it


def _read(text: str | None, cursor: object) -> UUID | None:
    if text is None:
        return None
    one = _kept.get(text)
    if one is None:
        one = _new(UUID)
        _set_int(one, int(text.replace("-", ""), 16))
        _set_safe(one, _UNKNOWN)
        if len(_kept) >= IDS_KEPT:
            _kept.clear()
        _kept[text] = one
    return one
