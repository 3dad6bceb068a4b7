"""The bytes of an entry: canonical JSON (RFC 8785), which is what is hashed, and its code under the installation's key."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.db import models
from django.utils.functional import Promise

from audit.configured import keys_folder
from crypto.keyfiles import read_or_create_key
from crypto.seals import MASK, Closed

MAC_KEY = "audit-mac.key"
LARGEST_INTEGER = 2**53 - 1  # what every reader of JSON keeps exact


def canonical(entry: Mapping[str, Any]) -> bytes:
    """RFC 8785 bytes of texts, whole numbers, booleans, null, lists and mappings whose keys are ASCII.

    Sorting ASCII keys by their bytes is sorting them by UTF-16 unit, as the RFC asks. Values come from `plain`.
    """
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)


def moment(at: datetime) -> str:
    """An instant as the log writes it: UTC, to the microsecond."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def plain(value: Any) -> str | int | bool | None:
    """A clear value as the log writes it; a sealed one is only ever ‹sealed›. Raises TypeError for bytes and floats."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_INTEGER else str(value)
    if isinstance(value, Closed):
        return MASK
    if isinstance(value, models.Model):
        return str(value.pk)
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date | UUID | Decimal | Promise):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=plain)
    raise TypeError(f"the log cannot hold {type(value).__name__}")


@lru_cache(maxsize=4)
def _key(folder: str) -> bytes:
    return read_or_create_key(Path(folder) / MAC_KEY)


def mac(canon: bytes) -> bytes:
    """HMAC-SHA256 of an entry, made as it is written: an entry changed before it is sealed shows."""
    return hmac.digest(_key(keys_folder()), canon, "sha256")


def mac_key_file() -> Path:
    return Path(keys_folder()) / MAC_KEY
