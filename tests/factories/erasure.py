"""A key folder of a test's own with a hold pair, and people with something in every table, for tests of erasing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from crypto import keyring
from crypto.epoch import move_counter
from crypto.hold import create_pair
from crypto.models import CryptoEpoch

ERASED_AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def own_keys(settings: Any, folder: Path) -> Path:
    """Let the process work with an empty key folder and a folder of files below `folder`; answers the private half's file."""
    keys, files, private = folder / "keys", folder / "files", folder / "hold" / "hold.private"
    for made in (keys, files, private.parent):
        made.mkdir(mode=0o700)
    settings.KEYS_DIR, settings.FILES_DIR = keys, files
    CryptoEpoch.objects.update(key_store="", ledger_length=0, ledger_head="")
    move_counter()
    keyring.forget_everything()
    create_pair(private, keys)
    return private


def living_keys_of(subject_id: UUID) -> dict[int, str]:
    """Scope to "open" or "held", of every key that is not destroyed. Inside `acting`."""
    from crypto.models import SubjectKey

    rows = SubjectKey.objects.filter(subject_id=subject_id, destroyed_at=None).select_related("kek")
    return {row.scope: "held" if row.kek.state == "hold" else "open" for row in rows}
