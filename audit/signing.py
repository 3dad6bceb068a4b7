"""Signing keys as files: the seed readable by its owner alone, the verifier key beside it for everybody. Needs no Django."""

import os
from pathlib import Path
from secrets import token_bytes, token_hex

from audit.notes import Signer, Verifier

SEED_BYTES = 32


class SigningKeyUnreadable(Exception):
    """The key file cannot be read or does not hold a key."""


def signer_from(path: Path, name: str, *, kind: int) -> Signer:
    """The signer of this key file; whoever comes first makes the file, mode 0600, and `<file>.pub` beside it.

    Raises SigningKeyUnreadable.
    """
    try:
        if not path.exists():
            write_whole(path, token_bytes(SEED_BYTES), mode=0o600, replace=False)
        seed = path.read_bytes()
    except OSError as error:
        raise SigningKeyUnreadable(f"{path}: {error.strerror}") from None
    if len(seed) != SEED_BYTES:
        raise SigningKeyUnreadable(f"{path} does not hold a key")
    signer = Signer(name, seed)
    public = public_file(path)
    line = f"{signer.verifier(kind)}\n"
    if not public.exists() or public.read_text(encoding="utf-8") != line:
        write_whole(public, line.encode(), mode=0o644)
    return signer


def public_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def read_verifier(path: Path) -> Verifier:
    """Raises OSError and NoteRefused."""
    return Verifier.parse(path.read_text(encoding="utf-8"))


def write_whole(path: Path, content: bytes, *, mode: int, replace: bool = True) -> None:
    """Write beside, sync, and put into place: a reader sees the old file or the whole new one, also after a power cut."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        draft.replace(path)
    else:
        _link(draft, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first, and its key counts
    finally:
        draft.unlink()
