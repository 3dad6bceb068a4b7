"""Provider `file`: 0600 files, whole or absent; a missing, foreign or open key store is named in one sentence."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from crypto.checks import check_key_store
from crypto.core.suites import Broken, Suite, new_key
from crypto.errors import KeysMissing
from crypto.keyfiles import read_or_create_key, write_once
from crypto.providers import Clear, FileProvider, Wrapped

CLINIC = UUID("01990000-0000-7000-8000-000000000001")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def store(folder: Path) -> FileProvider:
    return FileProvider(folder)


def sealed_by(store: FileProvider, reference: str, suite: Suite = Suite.AES_256_GCM) -> tuple[bytes, Wrapped]:
    key = new_key(suite)
    (wrapped,) = store.wrap([Clear(reference, suite, key, b"for this")])
    return key, Wrapped(reference, suite, wrapped, b"for this")


def test_key_files_are_for_their_owner_alone_and_hold_no_key_in_clear(
    folder: Path, store: FileProvider
) -> None:
    usual = os.umask(0)
    try:
        store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    finally:
        os.umask(usual)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    (kek,) = folder.glob("keks/*.kek")
    assert len(kek.read_bytes()) == 1 + 12 + 32 + 16


def test_a_destroyed_key_leaves_no_file(folder: Path, store: FileProvider) -> None:
    reference = store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    store.destroy(reference)
    assert list(folder.glob("keks/*")) == []


def test_a_destruction_cut_short_is_no_damage_and_is_finished_by_the_next(
    folder: Path, store: FileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)

    def power_cut(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", power_cut)
        with pytest.raises(OSError, match="Input"):
            store.destroy(reference)
    assert store.exists(reference)
    assert FileProvider(folder).health() == []
    store.destroy(reference)
    assert not store.exists(reference)
    assert list(folder.glob("keks/*")) == []


def test_a_key_file_may_hold_the_chinese_suite(folder: Path, store: FileProvider) -> None:
    key, wrapped = sealed_by(store, store.generate(Suite.SM4_GCM, clinic_id=CLINIC), Suite.SM4_GCM)
    assert FileProvider(folder).unwrap([wrapped]) == [key]
    with pytest.raises(Broken):
        store.unwrap([wrapped._replace(suite=Suite.AES_256_GCM)])


def test_a_key_whose_file_is_lost_works_for_a_quarter_of_an_hour_and_no_longer(
    folder: Path, store: FileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, wrapped = sealed_by(store, store.generate(Suite.AES_256_GCM, clinic_id=CLINIC))
    folder.rename(folder.with_suffix(".away"))
    assert store.unwrap([wrapped]) == [key]
    later = time.monotonic() + 15 * 60 + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(KeysMissing, match="does not exist"):
        store.unwrap([wrapped])


def test_the_fingerprint_does_not_tell_the_root(folder: Path) -> None:
    assert FileProvider(folder).fingerprint(make=True) not in (folder / "root.key").read_bytes().hex()


# --- what is wrong is said in one sentence ------------------------------------------------------------------------------


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    absent = FileProvider(tmp_path / "absent")
    (sentence,) = absent.health()
    assert str(tmp_path / "absent") in sentence
    assert "does not exist" in sentence
    with pytest.raises(KeysMissing, match="does not exist"):
        absent.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    assert not (tmp_path / "absent").exists()


def test_a_file_instead_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    assert "must name a folder" in FileProvider(tmp_path / "keys").health()[0]


def test_a_folder_others_may_write_into_is_refused(folder: Path) -> None:
    folder.chmod(0o777)
    assert "chmod 700" in FileProvider(folder).health()[0]


def test_key_files_others_may_read_are_refused(folder: Path, store: FileProvider) -> None:
    store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    (folder / "root.key").chmod(0o644)
    assert "chmod 600" in FileProvider(folder).health()[0]


def test_a_store_that_lost_its_root_is_refused_and_gets_no_new_one(folder: Path, store: FileProvider) -> None:
    reference = store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    (folder / "root.key").unlink()
    fresh = FileProvider(folder)
    assert "root.key is missing" in fresh.health()[0]
    for attempt in (
        fresh.fingerprint,
        lambda: fresh.generate(Suite.AES_256_GCM, clinic_id=CLINIC),
        lambda: sealed_by(fresh, reference),
    ):
        with pytest.raises(KeysMissing, match="missing"):
            attempt()
    assert not (folder / "root.key").exists()


def test_the_root_of_another_installation_is_refused(folder: Path, store: FileProvider) -> None:
    store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    (folder / "root.key").write_bytes(bytes(32))
    assert "different installations" in FileProvider(folder).health()[0]


def test_a_cut_root_is_refused(folder: Path, store: FileProvider) -> None:
    store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    (folder / "root.key").write_bytes(bytes(31))
    assert "damaged" in FileProvider(folder).health()[0]


@pytest.mark.parametrize("content", [b"", b"\x07abc", b"\x01abc", b"\x01" + bytes(60)])
def test_a_damaged_key_file_is_named(folder: Path, store: FileProvider, content: bytes) -> None:
    reference = store.generate(Suite.AES_256_GCM, clinic_id=CLINIC)
    (folder / "keks" / f"{reference}.kek").write_bytes(content)
    assert reference in FileProvider(folder).health()[0]


def test_an_empty_folder_is_healthy(store: FileProvider) -> None:
    assert store.health() == []
    store.generate(Suite.SM4_GCM, clinic_id=CLINIC)
    assert store.health() == []


@pytest.fixture
def keys_dir(settings: Settings, folder: Path) -> Iterator[Settings]:
    settings.KEYS_DIR = folder
    return settings


def test_the_start_up_check_is_silent_when_all_is_well(keys_dir: Settings) -> None:
    assert check_key_store(None) == []


def test_the_start_up_check_says_what_is_wrong_in_one_sentence(keys_dir: Settings, tmp_path: Path) -> None:
    keys_dir.KEYS_DIR = tmp_path / "absent"
    (error,) = check_key_store(None)
    assert error.id == "crypto.E001"
    assert "does not exist" in error.msg
    del keys_dir.KEYS_DIR
    (error,) = check_key_store(None)
    assert "KEYS_DIR is not set" in error.msg


# --- key files ------------------------------------------------------------------------------------------------------------


def test_the_first_writer_of_a_key_file_wins(tmp_path: Path) -> None:
    write_once(tmp_path / "a.key", b"first")
    write_once(tmp_path / "a.key", b"second")
    assert (tmp_path / "a.key").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.key"]


def test_a_key_is_made_once_and_read_ever_after(tmp_path: Path) -> None:
    assert read_or_create_key(tmp_path / "a.key") == read_or_create_key(tmp_path / "a.key")
    with pytest.raises(KeysMissing, match="cannot be written"):
        read_or_create_key(tmp_path / "absent" / "a.key")


def test_a_crash_before_the_file_is_in_place_leaves_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", crash)
    with pytest.raises(KeysMissing, match="No space left"):
        write_once(tmp_path / "a.key", b"x")
    assert list(tmp_path.iterdir()) == []
