"""Files of mode 0600 that hold keys: whole or absent, made once, never replaced."""

import os
import secrets
from pathlib import Path

from crypto.errors import KeysMissing

KEY_BYTES = 32


def read_or_create_key(path: Path) -> bytes:
    """The 32 random bytes of a key file. Whoever comes first makes it; raises KeysMissing where it cannot be read."""
    if not path.exists():
        write_once(path, secrets.token_bytes(KEY_BYTES))
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The 32 bytes of a key file. Raises KeysMissing."""
    key = read_private(path)
    if len(key) != KEY_BYTES:
        raise KeysMissing(
            f"{path} is damaged: it must hold {KEY_BYTES} bytes. Restore it from the backup of the keys."
        )
    return key


def read_private(path: Path) -> bytes:
    """The bytes of a file that its owner alone may read. Raises KeysMissing with one sentence that says what to do."""
    try:
        if path.stat().st_mode & 0o077:
            raise KeysMissing(f"{path} can be read by others. Run: chmod 600 {path}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeysMissing(f"{path} is missing. Restore it from the backup of the keys.") from error
    except OSError as error:
        raise KeysMissing(f"{path} cannot be read: {error.strerror}.") from error


def write_once(path: Path, content: bytes) -> None:
    """Write beside and link into place: another process sees no file or the whole file, and the first one stays.

    Synced to disk before it is used, because a key lost in a power cut loses what it sealed. Raises KeysMissing.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            return
        finally:
            draft.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise KeysMissing(f"{path} cannot be written: {error.strerror}.") from error


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
