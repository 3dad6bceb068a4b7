"""Provider `file`: one file per KEK in a folder outside the database and outside its backups.

KEYS_DIR/root.key          32 random bytes, 0600
KEYS_DIR/keks/<ref>.kek    suite byte, then the KEK sealed under the root with its reference in the associated data, 0600
"""

import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from crypto.core.suites import Aead, Broken, Suite, aead, derive, new_key
from crypto.core.wrap import kek_file_aad, unwrap, wrap
from crypto.errors import KeysMissing
from crypto.kept import Kept
from crypto.keyfiles import read_key, read_or_create_key, read_private, sync_folder, write_once
from crypto.providers.base import Clear, Rewrap, Wrapped

SECONDS_KEPT = 15 * 60.0
KEKS_KEPT = 512
ROOT_SUITE = Suite.AES_256_GCM


class FileProvider:
    """KEKs as files. A file that is gone stops working when its handle is forgotten: after 15 minutes at most."""

    name = "file"
    settings = "KEYS_DIR"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keks = folder / "keks"
        self._handles: Kept[str, tuple[Suite, Aead]] = Kept(KEKS_KEPT, SECONDS_KEPT)

    def generate(self, suite: Suite, *, clinic_id: UUID) -> str:
        root = aead(ROOT_SUITE, self._root(make=True))
        reference, key = secrets.token_hex(16), new_key(suite)
        sealed = wrap(root, key, kek_file_aad(reference, suite))
        self._keks.mkdir(mode=0o700, exist_ok=True)
        write_once(self._path(reference), bytes((suite,)) + sealed)
        self._handles.put(reference, (suite, aead(suite, key)))
        return reference

    def wrap(self, items: Sequence[Clear]) -> list[bytes]:
        return [self._wrap(item) for item in items]

    def _wrap(self, item: Clear) -> bytes:
        suite, handle = self._handle(item.reference)
        if item.suite is not suite:
            raise KeysMissing(f"Key file {item.reference} is recorded with a suite that is not its own.")
        return wrap(handle, item.key, item.aad)

    def unwrap(self, items: Sequence[Wrapped]) -> list[bytes]:
        return [self._unwrap(item) for item in items]

    def _unwrap(self, item: Wrapped) -> bytes:
        suite, handle = self._handle(item.reference)
        if item.suite is not suite:
            raise Broken
        return unwrap(handle, item.wrapped, item.aad)

    def rewrap(self, items: Sequence[Rewrap]) -> list[bytes]:
        keys = self.unwrap([item.old for item in items])
        return self.wrap(
            [Clear(item.reference, item.suite, key, item.aad) for item, key in zip(items, keys, strict=True)]
        )

    def exists(self, reference: str) -> bool:
        path = self._path(reference)
        return path.exists() or _going(path).exists()

    def destroy(self, reference: str) -> None:
        self._handles.forget(reference)
        path = self._path(reference)
        going = _going(path)  # under another name first: half-destroyed, it must not look like a damaged key
        if path.exists():
            path.rename(going)
        if going.exists():
            with going.open("r+b") as file:
                file.write(bytes(going.stat().st_size))
                os.fsync(file.fileno())
            going.unlink()
            sync_folder(self._keks)
        if self.exists(reference):
            raise KeysMissing(f"key file {reference} could not be destroyed")

    def forget(self) -> None:
        self._handles.clear()

    def fingerprint(self, *, make: bool = False) -> str:
        return derive(ROOT_SUITE, self._root(make=make), "zhizhi/fingerprint/v1").hex()[:32]

    def health(self) -> list[str]:
        try:
            self._check_folder()
            if (self._folder / "root.key").exists() or any(self._keks.glob("*.kek")):
                root = self._root(make=False)
                for path in sorted(self._keks.glob("*.kek")):
                    self._read(root, path.stem)
        except KeysMissing as error:
            return [str(error)]
        except OSError as error:
            return [f"The key folder {self._folder} cannot be read: {error.strerror}."]
        return []

    def _path(self, reference: str) -> Path:
        if not reference.isalnum():
            raise KeysMissing("a reference of a key file is letters and digits")
        return self._keks / f"{reference}.kek"

    def _handle(self, reference: str) -> tuple[Suite, Aead]:
        handle = self._handles.get(reference)
        if handle is None:
            handle = self._read(self._root(make=False), reference)
            self._handles.put(reference, handle)
        return handle

    def _read(self, root: bytes, reference: str) -> tuple[Suite, Aead]:
        content = read_private(self._path(reference))
        try:
            suite = Suite(content[0])
            key = unwrap(aead(ROOT_SUITE, root), content[1:], kek_file_aad(reference, suite))
            return suite, aead(suite, key)
        except (Broken, ValueError, IndexError) as error:
            raise KeysMissing(
                f"Key file {reference} in {self._folder} does not open with root.key: the files belong to different installations, or one is damaged."
            ) from error

    def _root(self, *, make: bool) -> bytes:
        """The root, made on first use in a folder that holds no KEK yet."""
        self._check_folder()
        path = self._folder / "root.key"
        if make and not any(self._keks.glob("*.kek")):
            return read_or_create_key(path)
        return read_key(path)

    def _check_folder(self) -> None:
        try:
            mode = self._folder.stat().st_mode
        except FileNotFoundError as error:
            raise KeysMissing(
                f"The key folder {self._folder} does not exist. Set KEYS_DIR to it, or restore it."
            ) from error
        except OSError as error:
            raise KeysMissing(f"The key folder {self._folder} cannot be read: {error.strerror}.") from error
        if not stat.S_ISDIR(mode):
            raise KeysMissing(f"KEYS_DIR must name a folder, and {self._folder} is a file.")
        if mode & 0o022:
            raise KeysMissing(
                f"Others may write into the key folder {self._folder}. Run: chmod 700 {self._folder}"
            )


def _going(path: Path) -> Path:
    return path.with_suffix(".going")
