"""Sealed files on the disk: whole or absent, opened in an access scope alone, refused when anything about them was changed."""

import errno
import os
import shutil
import signal
import stat
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from clinics.models import Clinic
from crypto import files, keyring
from crypto.core.chunks import CHUNK_BYTES, HEADER, SEALED_CHUNK_BYTES, sealed_length
from crypto.core.scopes import Scope
from crypto.core.suites import Suite
from crypto.errors import (
    FieldNotAllowed,
    FilesUnavailable,
    KeyDestroyed,
    KeyRestricted,
    KeysMissing,
    NoAccessScope,
    SealBroken,
)
from crypto.files import destroy_file, read_chunks, remove_bytes, stray_files, write_file
from crypto.ids import uuid7
from crypto.models import Kek, KekState, SealedFile
from crypto.providers import provider
from crypto.scope import BrokenValue, noting_broken
from patients.models import Patient
from tests.factories.clinics import ClinicFactory
from tests.factories.crypto import reading
from tests.factories.patients import PatientFactory

OnCommit = Callable[..., AbstractContextManager[object]]
VOICE = os.urandom(2 * CHUNK_BYTES + 100)
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    settings.FILES_DIR.mkdir()
    return tmp_path / "files"


@pytest.fixture
def clinic(db: None, folder: Path) -> Iterator[Clinic]:
    clinic = ClinicFactory()
    with acting(system_actor("test", clinic.pk)):
        yield clinic


@pytest.fixture
def patient(clinic: Clinic) -> Patient:
    return PatientFactory(clinic=clinic)


@pytest.fixture
def file(patient: Patient) -> SealedFile:
    return write(patient, VOICE)


def write(patient: Patient, *contents: bytes) -> SealedFile:
    return write_file(patient.clinic_id, patient.pk, patient.subject_id, Scope.RECORD, contents)


def read(file: SealedFile, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(read_chunks(file, "file.attachment", start, end))


def bytes_of(file: SealedFile, folder: Path) -> Path:
    return folder / file.place


@pytest.mark.parametrize("content", [b"", b"x", bytes(CHUNK_BYTES), VOICE], ids=len)
@pytest.mark.parametrize("suite", Suite)
def test_a_file_comes_back_as_it_was(patient: Patient, folder: Path, suite: Suite, content: bytes) -> None:
    Kek.objects.create(
        clinic_id=patient.clinic_id,
        suite=suite,
        provider=provider().name,
        provider_ref=provider().generate(suite, clinic_id=patient.clinic_id),
        state=KekState.ACTIVE if suite is Suite.SM4_GCM else KekState.DECRYPT,
        not_after=LATER,
    )
    keyring.begin_unit(None)
    file = write(patient, content[:10], content[10:])
    assert (file.suite, file.size) == (suite, len(content))
    with reading():
        assert read(SealedFile.objects.get(pk=file.pk)) == content
    stored = bytes_of(file, folder)
    assert stored.stat().st_size == sealed_length(len(content))
    assert stored.stat().st_mode & 0o777 == 0o600
    assert stored.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 10), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (2 * CHUNK_BYTES + 99, None), (5, 5), (len(VOICE), None)],
)
def test_a_range_is_read_without_the_rest(file: SealedFile, start: int, end: int | None) -> None:
    with reading():
        assert read(file, start, end) == VOICE[start:end]


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4), (0, len(VOICE) + 1), (len(VOICE) + 1, None)])
def test_a_range_that_is_not_in_the_file_is_refused(file: SealedFile, start: int, end: int | None) -> None:
    with reading(), pytest.raises(ValueError, match="no such range"):
        read(file, start, end)


def test_no_piece_is_longer_than_a_chunk_and_one_query_finds_the_key(
    file: SealedFile, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with reading(), django_assert_num_queries(1):
        assert max(len(piece) for piece in read_chunks(file, "file.attachment")) == CHUNK_BYTES


# --- who may read ---------------------------------------------------------------------------------------------------


def test_nothing_opens_without_an_access_scope(file: SealedFile) -> None:
    with pytest.raises(NoAccessScope):
        read_chunks(file, "file.attachment")


def test_a_reader_who_left_the_scope_gets_nothing_more(file: SealedFile) -> None:
    with reading():
        begun = read_chunks(file, "file.attachment")
        next(begun)
    with pytest.raises(NoAccessScope):
        next(begun)


def test_a_role_without_the_field_set_is_refused_and_nothing_is_noted(file: SealedFile) -> None:
    with reading({"contact"}) as scope, pytest.raises(FieldNotAllowed):
        read_chunks(file, "file.attachment")
    assert scope.opened == {}
    with reading({"contact"}) as scope:
        list(read_chunks(file, "file.attachment", field_set="contact"))
    assert scope.opened == {file.subject_id: {"file.attachment"}}


def test_what_was_opened_is_noted_and_what_was_only_asked_for_is_not(file: SealedFile) -> None:
    with reading() as scope:
        begun = read_chunks(file, "file.attachment")
        assert scope.opened == {}
        next(begun)
    assert scope.opened == {file.subject_id: {"file.attachment"}}


# --- what was changed ---------------------------------------------------------------------------------------------------


def swap(file: SealedFile, other: SealedFile, folder: Path) -> None:
    shutil.copyfile(bytes_of(other, folder), bytes_of(file, folder))


def change_byte(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes((byte ^ 1,)))


@pytest.mark.parametrize("at", [0, 3, 4, HEADER.size - 1, HEADER.size, SEALED_CHUNK_BYTES + 100, -1])
def test_a_changed_byte_is_refused(file: SealedFile, folder: Path, at: int) -> None:
    path = bytes_of(file, folder)
    change_byte(path, at if at >= 0 else path.stat().st_size + at)
    with reading(), pytest.raises(SealBroken, match=str(file.pk)):
        read(file)


def test_a_file_that_is_longer_or_shorter_than_it_was_is_refused_at_its_first_byte(
    file: SealedFile, folder: Path
) -> None:
    path = bytes_of(file, folder)
    for length in (0, HEADER.size, HEADER.size + SEALED_CHUNK_BYTES, path.stat().st_size + 1):
        os.truncate(path, length)
        with reading(), pytest.raises(SealBroken):
            read_chunks(file, "file.attachment", 0, 1)


def test_the_bytes_of_another_file_of_the_same_person_are_refused(
    patient: Patient, file: SealedFile, folder: Path
) -> None:
    swap(file, write(patient, VOICE), folder)
    with reading(), pytest.raises(SealBroken):
        read(file)


def set_column(file: SealedFile, column: str, value: bytes) -> None:
    """As the owner of the database could."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE sealed_file SET {column} = %s WHERE id = %s", [value, file.pk])


def test_the_wrapped_key_of_another_file_does_not_open_this_one(
    patient: Patient, file: SealedFile, folder: Path
) -> None:
    other = write(patient, VOICE)
    swap(file, other, folder)
    set_column(file, "wrapped", bytes(other.wrapped or b""))
    with reading(), pytest.raises(SealBroken):
        read(file)


@pytest.mark.parametrize("place", ["../../keys/root.key", "/etc/passwd", "", "aa/../bb"])
def test_a_forged_place_leads_nowhere(file: SealedFile, folder: Path, place: str) -> None:
    stored = bytes_of(file, folder)
    with pytest.raises(SealBroken):
        remove_bytes(SealedFile(pk=file.pk, place=place))
    assert stored.exists()


def test_missing_bytes_are_damage(file: SealedFile, folder: Path) -> None:
    bytes_of(file, folder).unlink()
    with reading(), pytest.raises(SealBroken) as damage:
        read(file)
    assert not isinstance(damage.value, KeyDestroyed)


def test_what_does_not_open_is_noted_for_the_alarms(file: SealedFile, folder: Path) -> None:
    change_byte(bytes_of(file, folder), SEALED_CHUNK_BYTES + 100)
    found: dict[BrokenValue, None] = {}
    with reading(), noting_broken(found), pytest.raises(SealBroken):
        read(file)
    assert list(found) == [BrokenValue(file.clinic_id, file.subject_id, "file.attachment", str(file.pk))]


def test_a_file_under_a_legal_hold_is_told_apart(file: SealedFile) -> None:
    Kek.objects.filter(pk=file.kek_id).update(state=KekState.HOLD)
    with reading(), pytest.raises(KeyRestricted):
        read(file)


def test_a_file_of_another_clinic_is_not_even_found(file: SealedFile) -> None:
    other = ClinicFactory("west")
    with acting(system_actor("test", other.pk)), reading(), pytest.raises(SealBroken, match="no sealed file"):
        read(file)


# --- destroying ---------------------------------------------------------------------------------------------------------


def test_a_destroyed_file_is_gone_at_once_and_its_bytes_after_the_commit(
    file: SealedFile, folder: Path, django_capture_on_commit_callbacks: OnCommit
) -> None:
    with reading():
        begun = read_chunks(file, "file.attachment")
    with django_capture_on_commit_callbacks(execute=True):
        destroy_file(file)
        assert bytes_of(file, folder).exists()
    assert not bytes_of(file, folder).exists()
    with reading():
        with pytest.raises(KeyDestroyed):
            read_chunks(file, "file.attachment")
        with pytest.raises(SealBroken):
            next(begun)
    found = SealedFile.objects.get(pk=file.pk)
    assert (found.wrapped, found.destroyed_at is None) == (None, False)
    with django_capture_on_commit_callbacks(execute=True):
        destroy_file(file)
    assert SealedFile.objects.get(pk=file.pk).destroyed_at == found.destroyed_at


def test_bytes_can_be_removed_twice_and_other_files_stay(
    patient: Patient, file: SealedFile, folder: Path
) -> None:
    other = write(patient, b"other")
    remove_bytes(file)
    remove_bytes(file)
    with reading():
        assert read(other) == b"other"


# --- whole or absent ------------------------------------------------------------------------------------------------------


def on_disk(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_contents_that_end_in_an_error_leave_nothing(patient: Patient, folder: Path) -> None:
    def torn() -> Iterator[bytes]:
        yield VOICE
        raise RuntimeError("the line was cut")

    with pytest.raises(RuntimeError, match="the line was cut"):
        write_file(patient.clinic_id, patient.pk, patient.subject_id, Scope.RECORD, torn())
    assert on_disk(folder) == []
    assert not SealedFile.objects.exists()


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_disk_that_is_full_leaves_nothing_at_whichever_step(
    patient: Patient, folder: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """It may be noticed as the folder is made, as the bytes are synced, or as their name is."""
    calls = count(1)
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FilesUnavailable, match="No space left"):
        write(patient, VOICE)
    assert on_disk(folder) == []
    assert not SealedFile.objects.exists()


def test_a_record_that_is_refused_takes_its_bytes_along(patient: Patient, folder: Path) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        write_file(patient.clinic_id, None, patient.subject_id, Scope.RECORD, [VOICE])  # type: ignore[arg-type]
    assert on_disk(folder) == []


def set_keys(patient: Patient, assignments: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE subject_key SET {assignments} WHERE subject_id = %s AND scope = %s",
            [patient.subject_id, Scope.RECORD],
        )


def test_nothing_is_written_for_a_person_whose_record_was_erased_or_is_held(
    patient: Patient, folder: Path
) -> None:
    held = Kek.objects.create(
        clinic_id=patient.clinic_id,
        suite=Suite.AES_256_GCM,
        provider="hold",
        provider_ref="held",
        state=KekState.HOLD,
        not_after=LATER,
    )
    set_keys(patient, f"kek_id = {held.pk}")
    with pytest.raises(KeyRestricted):
        write(patient, VOICE)
    set_keys(patient, "wrapped = NULL, destroyed_at = now()")
    with pytest.raises(KeyDestroyed):
        write(patient, VOICE)
    assert on_disk(folder) == []
    assert not SealedFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_erasure_waits_for_a_file_that_is_being_recorded(folder: Path) -> None:
    clinic = ClinicFactory()
    actor = system_actor("test", clinic.pk)
    with acting(actor):
        patient = PatientFactory(clinic=clinic)
    erasing = connections.create_connection("default")
    try:
        with acting(actor):
            record("recording.kept", object=write(patient, VOICE))
            with erasing.cursor() as cursor:
                cursor.execute("SELECT set_config('zhizhi.clinics', %s, false)", [f"{{{clinic.pk}}}"])
                lock = "SELECT FROM subject_key WHERE subject_id = %s FOR UPDATE NOWAIT"
                with pytest.raises(OperationalError, match="could not obtain lock"):
                    cursor.execute(lock, [patient.subject_id])
    finally:
        erasing.close()


def test_a_clinic_without_keys_writes_nothing(patient: Patient, folder: Path) -> None:
    with pytest.raises(KeysMissing):
        write_file(uuid7(), patient.pk, patient.subject_id, Scope.RECORD, [VOICE])
    assert on_disk(folder) == []


def test_a_folder_that_cannot_be_used_is_said_in_a_sentence(
    patient: Patient, file: SealedFile, folder: Path
) -> None:
    folder.rename(folder.with_name("away"))
    with pytest.raises(FilesUnavailable):
        write(patient, VOICE)
    folder.write_bytes(b"a file where the folder was")
    for work in (lambda: write(patient, VOICE), lambda: remove_bytes(file)):
        with pytest.raises(FilesUnavailable):
            work()
    with reading(), pytest.raises(FilesUnavailable):
        read(file)


def test_a_file_whose_record_was_never_committed_is_a_stray(
    patient: Patient, file: SealedFile, folder: Path
) -> None:
    begun = transaction.savepoint()
    lost = write(patient, VOICE)
    assert list(stray_files(before=LATER)) == []
    transaction.savepoint_rollback(begun)
    assert list(stray_files(before=LATER)) == [bytes_of(lost, folder)]
    assert list(stray_files(before=datetime(2020, 1, 1, tzinfo=UTC))) == []


def test_bytes_left_behind_by_a_destroyed_key_are_strays(file: SealedFile, folder: Path) -> None:
    destroy_file(file)
    assert list(stray_files(before=LATER)) == [bytes_of(file, folder)]


def test_a_process_killed_while_it_writes_leaves_a_stray_under_no_files_name(
    file: SealedFile, folder: Path
) -> None:
    path = files._path(f"00/{uuid7()}")

    def killed() -> Iterator[bytes]:
        yield VOICE
        yield VOICE
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            files._write_whole(path, killed())  # a fork has neither the connection nor the keys of its parent
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # whatever went wrong, no second test run goes on from here
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    (stray,) = stray_files(before=LATER)
    assert stray.name.startswith(".")
    assert SealedFile.objects.count() == 1


def test_the_bytes_are_on_the_disk_before_they_have_their_name_and_the_name_before_the_record(
    patient: Patient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("name")
        return rename(path, target)

    def asked(execute: Callable[..., Any], *question: Any) -> Any:
        steps.append("database")
        return execute(*question)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    with connection.execute_wrapper(asked):
        write(patient, VOICE)
    assert steps == ["database", "folder", "file", "name", "folder", "database", "database"]
