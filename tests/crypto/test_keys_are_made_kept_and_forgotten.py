"""Keys of clinics and subjects: made once, one INSERT a subject, kept a minute, forgotten when the epoch moves."""

import contextvars
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from crypto import keyring
from crypto.core.scopes import Scope
from crypto.core.suites import Suite
from crypto.epoch import move_counter
from crypto.errors import KeyDestroyed, KeysMissing
from crypto.ids import uuid7
from crypto.indexes import Index, tokens_for
from crypto.kept import Kept
from crypto.models import CryptoEpoch, IndexKey, Kek, SubjectKey
from crypto.providers import FileProvider
from crypto.services import (
    Committed,
    check_key_store,
    commitment,
    create_subject_keys,
    open_clinic_keys,
)
from tests.crypto.specimen import Specimen
from tests.factories.crypto import act_in, new_subject, reading


def test_opening_a_clinics_keys_twice_changes_nothing(clinic: UUID) -> None:
    open_clinic_keys(clinic)
    before = (list(Kek.objects.values()), list(IndexKey.objects.values()))
    open_clinic_keys(clinic)
    assert (list(Kek.objects.values()), list(IndexKey.objects.values())) == before
    assert [len(rows) for rows in before] == [1, 1]


def test_no_key_bytes_stand_in_the_record_of_a_kek(clinic: UUID) -> None:
    open_clinic_keys(clinic)
    (kek,) = Kek.objects.values()
    assert not any(isinstance(value, bytes | memoryview) for value in kek.values())


def test_a_new_subject_gets_a_key_per_scope_in_two_statements(
    clinic: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    open_clinic_keys(clinic)
    subject = uuid7()
    with django_assert_num_queries(2):
        create_subject_keys(clinic, subject)
    keys = SubjectKey.objects.filter(subject_id=subject)
    assert sorted(keys.values_list("scope", flat=True)) == sorted(Scope)
    assert len({bytes(key.wrapped) for key in keys if key.wrapped is not None}) == 3
    with django_assert_num_queries(1):
        Specimen.objects.create(clinic_id=clinic, subject_id=subject, word="x", identity={"name": "y"})


def test_a_subject_gets_its_keys_once(clinic: UUID, subject: UUID) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        create_subject_keys(clinic, subject)


def test_a_clinic_without_keys_cannot_have_subjects(clinic: UUID) -> None:
    with pytest.raises(KeysMissing, match="no active key"):
        create_subject_keys(clinic, uuid7())
    with pytest.raises(KeysMissing, match="no index key"):
        tokens_for(clinic, Index.NAME_BG, "王小芳")


def test_a_clinic_may_use_the_chinese_suite_throughout(clinic: UUID) -> None:
    open_clinic_keys(clinic, suite=Suite.SM4_GCM)
    subject = uuid7()
    create_subject_keys(clinic, subject)
    made = Specimen.objects.create(
        clinic_id=clinic, subject_id=subject, word="国密", identity={"name": "王小芳"}
    )
    keyring.forget_everything()
    with reading():
        found = Specimen.objects.get(pk=made.pk)
        assert (found.word, found.identity.name) == ("国密", "王小芳")
    assert tokens_for(clinic, Index.NAME_BG, "王小芳")
    assert set(SubjectKey.objects.values_list("suite", flat=True)) == {Suite.SM4_GCM}


def test_another_clinics_keys_cannot_be_seen_or_made(clinic: UUID, subject: UUID) -> None:
    act_in(uuid7())
    assert not Kek.objects.exists()
    assert not SubjectKey.objects.exists()
    assert not IndexKey.objects.exists()
    with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
        open_clinic_keys(clinic)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM subject_key",
        "DELETE FROM crypto_kek",
        "DELETE FROM index_key",
        "DELETE FROM crypto_epoch",
        "UPDATE subject_key SET subject_id = gen_random_uuid()",
        "UPDATE crypto_kek SET provider_ref = 'x'",
        "INSERT INTO crypto_epoch VALUES (2, 0, '', 0, '')",
        "TRUNCATE subject_key",
    ],
)
def test_the_application_may_not_delete_keys_or_give_them_to_others(subject: UUID, statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE subject_key SET wrapped = NULL",
        "UPDATE subject_key SET destroyed_at = now()",
        "UPDATE index_key SET wrapped = NULL",
    ],
)
def test_a_key_is_either_wrapped_or_destroyed(subject: UUID, statement: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


# --- the key folder belongs to the database -----------------------------------------------------------------------------


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir(mode=0o700)
    return tmp_path / "other"


def test_the_keys_of_another_installation_are_refused(
    clinic: UUID, settings: Settings, other_folder: Path
) -> None:
    open_clinic_keys(clinic)
    check_key_store()
    settings.KEYS_DIR = other_folder
    with pytest.raises(KeysMissing, match=r"root\.key is missing"):
        check_key_store()
    assert list(other_folder.iterdir()) == []  # mounted by mistake, and not written to
    FileProvider(other_folder).fingerprint(make=True)
    with pytest.raises(KeysMissing, match="another installation"):
        check_key_store()
    with pytest.raises(KeysMissing, match="another installation"):
        open_clinic_keys(uuid7())
    assert list(other_folder.glob("keks/*")) == []


def test_a_missing_kek_is_named_when_a_value_is_opened(
    row: Specimen, settings: Settings, other_folder: Path
) -> None:
    keyring.forget_everything()
    settings.KEYS_DIR = other_folder
    with reading(), pytest.raises(KeysMissing):
        row.word  # noqa: B018


# --- caches -----------------------------------------------------------------------------------------------------------------


def begin_unit() -> None:
    """As `acting` begins every unit of work."""
    keyring.begin_unit(CryptoEpoch.objects.values_list("counter", flat=True).first())


def destroy(subject: UUID) -> None:
    SubjectKey.objects.filter(subject_id=subject).update(wrapped=None, destroyed_at="2026-11-21T00:00Z")
    CryptoEpoch.objects.update(counter=CryptoEpoch.objects.get().counter + 1)


def test_keys_are_kept_between_units_of_work(
    row: Specimen, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    begin_unit()
    with reading():
        Specimen.objects.get(pk=row.pk).word  # noqa: B018
    begin_unit()
    with reading(), django_assert_num_queries(1):
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


def test_every_process_forgets_a_destroyed_key_when_the_epoch_moves(row: Specimen) -> None:
    begin_unit()
    with reading():
        assert row.word == "王小芳"
    destroy(row.subject_id)
    begin_unit()
    with reading(), pytest.raises(KeyDestroyed):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018


def test_a_unit_that_began_before_the_epoch_moved_leaves_no_key_to_later_ones(row: Specimen) -> None:
    """Two threads of one process: the earlier one loads the key after the later one has emptied the caches."""
    in_early, in_late = contextvars.copy_context(), contextvars.copy_context()
    key_id = SubjectKey.objects.get(subject_id=row.subject_id, scope=Scope.RECORD).pk
    in_early.run(keyring.begin_unit, 1)
    in_late.run(keyring.begin_unit, 2)
    in_early.run(keyring.key_of, key_id)
    destroy(row.subject_id)
    with pytest.raises(KeyDestroyed):
        in_late.run(keyring.key_of, key_id)
    in_early.run(keyring.begin_unit, 2)
    with pytest.raises(KeyDestroyed):
        in_early.run(keyring.key_of, key_id)


def test_a_kept_key_is_forgotten_after_a_minute(
    row: Specimen, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with reading():
        row.word  # noqa: B018
    in_a_minute = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: in_a_minute)
    with reading(), django_assert_num_queries(2):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018


def test_a_key_that_nobody_asks_for_leaves_memory_when_its_minute_is_over(
    row: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.forget_everything()
    begin_unit()
    with reading():
        Specimen.objects.get(pk=row.pk).word  # noqa: B018
    caches = keyring.unit().caches
    assert len(caches.keys) > 0
    in_a_minute = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: in_a_minute)
    begin_unit()
    assert keyring.unit().caches is caches
    assert len(caches.keys) == 0


def test_a_key_encryption_key_that_is_gone_opens_nothing_once_the_epoch_moved(row: Specimen) -> None:
    """The file of the KEK is gone, and this process has used it: a handle could be kept for a quarter of an hour."""
    begin_unit()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"
    (reference,) = Kek.objects.values_list("provider_ref", flat=True)
    (Path(django_settings.KEYS_DIR) / "keks" / f"{reference}.kek").unlink()
    begin_unit()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"
    move_counter()
    begin_unit()
    with reading(), pytest.raises(KeysMissing):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018


def test_caches_are_bounded() -> None:
    kept: Kept[int, int] = Kept(10, 60.0)
    for number in range(1_000):
        kept.put(number, number)
    assert len(kept) == 10
    assert kept.get(999) == 999
    assert kept.get(1) is None
    unit = keyring.Unit(keyring.Caches(0))
    for number in range(12_000):
        unit.expect(number.to_bytes(8, "big"))
    assert len(unit.pending) == keyring.PENDING_KEPT


def test_a_key_of_a_rolled_back_transaction_seals_nothing_afterwards(clinic: UUID) -> None:
    open_clinic_keys(clinic)
    subject = uuid7()
    with transaction.atomic():
        create_subject_keys(clinic, subject)
        transaction.set_rollback(True)
    begin_unit()
    with pytest.raises(KeysMissing):
        Specimen.objects.create(clinic_id=clinic, subject_id=subject, word="would be lost")


def test_an_index_secret_of_a_rolled_back_transaction_is_not_kept(clinic: UUID) -> None:
    with transaction.atomic():
        open_clinic_keys(clinic)
        lost = tokens_for(clinic, Index.NAME_EQ, "王小芳")
        transaction.set_rollback(True)
    open_clinic_keys(clinic)
    assert tokens_for(clinic, Index.NAME_EQ, "王小芳") != lost


# --- tokens and commitments ---------------------------------------------------------------------------------------------------


def test_tokens_carry_the_version_and_differ_between_clinics(clinic: UUID) -> None:
    other = uuid7()
    act_in(clinic, other)
    open_clinic_keys(clinic)
    open_clinic_keys(other)
    ours, theirs = (tokens_for(one, Index.NAME_BG, "王小芳") for one in (clinic, other))
    assert [version for version, _token in ours] == [1, 1]
    assert ours == tokens_for(clinic, Index.NAME_BG, " 王小芳")
    assert not set(ours) & set(theirs)


def test_a_commitment_is_comparable_within_a_subject_and_says_nothing_across(
    clinic: UUID, subject: UUID
) -> None:
    other = new_subject(clinic)
    one = commitment(subject, Scope.IDENTITY, "patient.identity.phone", "13800138000")
    assert one == commitment(subject, Scope.IDENTITY, "patient.identity.phone", "13800138000")
    assert one.startswith("c:")
    assert len(one) == 34
    others = {
        commitment(other, Scope.IDENTITY, "patient.identity.phone", "13800138000"),
        commitment(subject, Scope.RECORD, "patient.identity.phone", "13800138000"),
        commitment(subject, Scope.IDENTITY, "patient.identity.name", "13800138000"),
        commitment(subject, Scope.IDENTITY, "patient.identity.phone", "13800138001"),
        commitment(subject, Scope.IDENTITY, "patient.identity.phone", None),
        commitment(subject, Scope.IDENTITY, "patient.identity.phone", ""),
    }
    assert len(others | {one}) == 7


def test_commitments_tell_types_apart(subject: UUID) -> None:
    values: list[Committed] = ["1", Decimal(1), 1, True, date(2026, 1, 1), "2026-01-01", b"1", None, [], {}]
    assert len({commitment(subject, Scope.RECORD, "a.b", value) for value in values}) == len(values)


def test_a_commitment_dies_with_the_key(subject: UUID) -> None:
    commitment(subject, Scope.RECORD, "a.b", "x")
    destroy(subject)
    begin_unit()
    with pytest.raises(KeysMissing):
        commitment(subject, Scope.RECORD, "a.b", "x")
