"""Sealed files: their bytes stand below FILES_DIR, each under a key of its own, and their records in the database.

The bytes are on the disk, whole and synced, before the record is written; so no record ever points to half a file. A crash in
between leaves bytes without a record: `stray_files` finds them.
"""

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from crypto import keyring
from crypto.core import chunks
from crypto.core.chunks import Chunks
from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite, aead, new_key
from crypto.core.wrap import file_key_aad
from crypto.errors import FieldNotAllowed, FilesUnavailable, KeyDestroyed, KeyRestricted, SealBroken
from crypto.ids import uuid7
from crypto.keyfiles import sync_folder
from crypto.models import SealedFile
from crypto.providers import Clear, Wrapped, provider
from crypto.scope import AccessScope, current_scope, note_broken

_FOLDER = re.compile(r"[0-9a-f]{2}")
_PLACE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def write_file(
    clinic_id: UUID, patient_id: UUID, subject_id: UUID, scope: Scope, contents: Iterable[bytes]
) -> SealedFile:
    """Seal `contents` (cut anywhere; never held as a whole) into a new file and record it in the caller's transaction.

    The caller writes the event that names the record, and has the contents at hand: its transaction ends within 5 s. Raises
    KeysMissing and FilesUnavailable; KeyDestroyed or KeyRestricted when the subject's data of this scope were erased or are held.
    Whatever is raised leaves nothing behind.
    """
    kek = keyring.active_kek(clinic_id)
    file_id, key = uuid7(), new_key(kek.suite)
    aad = file_key_aad(
        clinic_id=clinic_id, subject_id=subject_id, file_id=file_id, suite=kek.suite, kek_id=kek.id
    )
    (wrapped,) = provider().wrap([Clear(kek.reference, kek.suite, key, aad)])
    sealer = Chunks(
        aead(kek.suite, key),
        chunks.new_header(kek.suite, file_id),
        suite=kek.suite,
        file_id=file_id,
        clinic_id=clinic_id,
        subject_id=subject_id,
    )
    counted = _Counted(contents)
    place = f"{file_id.hex[-2:]}/{file_id}"  # the last digits are random: as many files in each folder
    try:
        _write_whole(_path(place), sealer.seal_all(counted))
    except OSError as error:
        raise FilesUnavailable(f"file {file_id}: {error.strerror}") from error
    try:
        _hold_off_erasure(subject_id, scope)
        return SealedFile.objects.create(
            id=file_id,
            subject_id=subject_id,
            patient_id=patient_id,
            sealed_by_clinic=clinic_id,
            clinic_id=clinic_id,
            scope=scope,
            suite=kek.suite,
            kek_id=kek.id,
            wrapped=wrapped,
            size=counted.size,
            place=place,
        )
    except BaseException:
        _remove(_path(place))
        raise


def read_chunks(
    file: SealedFile, name: str, start: int = 0, end: int | None = None, *, field_set: str = "clinical"
) -> Iterator[bytes]:
    """The bytes `start` to `end` (excluded; None: to the end) of a file, at most 64 KiB at a time, each checked.

    Needs an access scope like a sealed field, now and at every step, and notes subject and `name` (such as "exam.attachment")
    there. A long file is read in ranges, each in a transaction of its own: a key destroyed in between then ends it.

    Raises NoAccessScope, FieldNotAllowed, KeyDestroyed, KeyRestricted, KeysMissing, FilesUnavailable; SealBroken for bytes that are missing,
    changed, cut or another file's; ValueError for a range that is not in the file.
    """
    _permitting(name, field_set)
    opened = _open(file.pk, name)
    end = opened.size if end is None else end
    if not 0 <= start <= end <= opened.size:
        raise ValueError(f"file {file.pk} has no such range")
    return _read(opened, name, field_set, start, end)


def destroy_file(file: SealedFile) -> None:
    """Destroy the file's key in the caller's transaction, and its bytes when that is committed. Twice is harmless."""
    SealedFile.objects.filter(pk=file.pk, destroyed_at=None).update(wrapped=None, destroyed_at=Now())
    transaction.on_commit(partial(remove_bytes, file))


def remove_bytes(file: SealedFile) -> None:
    """Remove a file's bytes from the disk; twice is harmless. Raises FilesUnavailable, and SealBroken for a forged place."""
    try:
        _remove(_path(file.place))
    except Broken as error:
        raise SealBroken(f"the place of file {file.pk}") from error
    except OSError as error:
        raise FilesUnavailable(f"file {file.pk}: {error.strerror}") from error


def has_bytes(file: SealedFile) -> bool:
    """Whether the sealed bytes stand at the file's place."""
    try:
        return _path(file.place).is_file()
    except Broken:
        return False


def stray_files(*, before: datetime) -> Iterator[Path]:
    """What stands in the folders of sealed files, was last written before this moment, and belongs to no living file.

    It counts the records of the clinics in hand: act in all of them. Take a moment older than any transaction, because a file
    stands there before its record is committed.
    """
    for folder in sorted(path for path in _root().iterdir() if _FOLDER.fullmatch(path.name)):
        found = {
            f"{folder.name}/{path.name}": path
            for path in folder.iterdir()
            if path.stat().st_mtime < before.timestamp()
        }
        living = SealedFile.objects.filter(place__in=found, destroyed_at=None)
        for place in sorted(found.keys() - set(living.values_list("place", flat=True))):
            yield found[place]


_LIVING = """
SELECT kek.state = 'hold' FROM subject_key k JOIN crypto_kek kek ON kek.id = k.kek_id
WHERE k.subject_id = %s AND k.scope = %s AND k.destroyed_at IS NULL FOR SHARE OF k
"""


def _hold_off_erasure(subject_id: UUID, scope: Scope) -> None:
    """An erasure locks the subject's keys first: it comes after this file and destroys it, or came before and refuses it."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVING, [subject_id, scope])
        held = [row[0] for row in cursor.fetchall()]
    if not held:
        raise KeyDestroyed(f"subject {subject_id} has no living key of scope {scope}")
    if any(held):
        raise KeyRestricted(f"the keys of subject {subject_id} are held")


class _Counted:
    """Counts the bytes that pass."""

    def __init__(self, contents: Iterable[bytes]) -> None:
        self._contents = contents
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for content in self._contents:
            self.size += len(content)
            yield content


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file whose key is at hand and whose header fits."""

    id: UUID
    clinic_id: UUID
    subject_id: UUID
    size: int
    path: Path
    opener: Chunks


def _permitting(name: str, field_set: str) -> AccessScope:
    scope = current_scope()
    if not scope.allows(field_set):
        raise FieldNotAllowed(name)
    return scope


_KEY = """
SELECT f.clinic_id, f.subject_id, f.sealed_by_clinic, f.suite, f.size, f.place, f.kek_id, f.wrapped, kek.suite, kek.provider_ref,
       kek.state = 'hold'
FROM sealed_file f JOIN crypto_kek kek ON kek.id = f.kek_id WHERE f.id = %s
"""


def _open(file_id: UUID, name: str) -> _Opened:
    """The key is asked for each time and kept nowhere, so that a destroyed one is gone at once."""
    with connection.cursor() as cursor:
        cursor.execute(_KEY, [file_id])
        row = cursor.fetchone()
    if row is None:
        raise SealBroken(f"no sealed file {file_id}")
    clinic_id, subject_id, sealed_by, suite, size, place, kek_id, wrapped, kek_suite, reference, held = row
    if wrapped is None:
        raise KeyDestroyed(f"{name}: the key of file {file_id} was destroyed")
    if held:
        raise KeyRestricted(f"{name}: the key of file {file_id} is held")
    suite = Suite(suite)
    aad = file_key_aad(
        clinic_id=clinic_id, subject_id=subject_id, file_id=file_id, suite=suite, kek_id=kek_id
    )
    try:
        (key,) = provider().unwrap([Wrapped(reference, Suite(kek_suite), bytes(wrapped), aad)])
        path = _path(place)
        header = _header(path, chunks.sealed_length(size))
        opener = Chunks(
            aead(suite, key),
            header,
            suite=suite,
            file_id=file_id,
            clinic_id=sealed_by,
            subject_id=subject_id,
        )
    except (Broken, FileNotFoundError) as error:
        note_broken(clinic_id, subject_id, name, file_id)
        raise SealBroken(f"{name}: file {file_id}") from error
    except OSError as error:
        raise FilesUnavailable(f"{name}: file {file_id}: {error.strerror}") from error
    return _Opened(file_id, clinic_id, subject_id, size, path, opener)


def _header(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != length:
            raise Broken("another length than was written")
        return file.read(chunks.HEADER.size)


def _read(opened: _Opened, name: str, field_set: str, start: int, end: int) -> Iterator[bytes]:
    try:
        with opened.path.open("rb") as file:
            for piece in chunks.pieces(opened.size, start, end):
                scope = _permitting(name, field_set)
                file.seek(piece.offset)
                content = opened.opener.open(piece.number, file.read(piece.length), final=piece.final)
                scope.note(opened.subject_id, name)
                if content:
                    yield content[max(start - piece.start, 0) : end - piece.start]
    except (Broken, FileNotFoundError) as error:
        note_broken(opened.clinic_id, opened.subject_id, name, opened.id)
        raise SealBroken(f"{name}: file {opened.id}") from error
    except OSError as error:
        raise FilesUnavailable(f"{name}: file {opened.id}: {error.strerror}") from error


# --- the disk ---------------------------------------------------------------------------------------------------------


def _root() -> Path:
    return Path(settings.FILES_DIR)


def _path(place: str) -> Path:
    """Raises Broken for a place this module did not give, so that no record leads out of the folder."""
    if not _PLACE.fullmatch(place):
        raise Broken("not a place of a sealed file")
    return _root() / place


def _write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Under another name until every byte is on the disk; removed when something goes wrong before that."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_folder(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)
