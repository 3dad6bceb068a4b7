"""Small secrets in files of mode 0600: made once, read by every process of the installation."""

import os
from pathlib import Path
from secrets import token_bytes

from crypto.errors import KeysMissing

KEY_BYTES = 32


def read_or_create_key(path: Path) -> bytes:
    """The 32 random bytes of a key file. Whoever comes first makes it; raises KeysMissing where it cannot be read."""
    try:
        if not path.exists():
            _create(path)
        key = path.read_bytes()
    except OSError as error:
        raise KeysMissing(f"{path.name}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise KeysMissing(f"{path.name} does not hold a key")
    return key


def _create(path: Path) -> None:
    """Write beside and link into place: another process sees no file or the whole file, and only one key wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{token_bytes(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
