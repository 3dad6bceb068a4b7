"""A new epoch: every data key under the new key-encryption key, the old one gone for good, nothing unreadable in between."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from crypto import keyring
from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite
from crypto.core.wrap import subject_key_aad
from crypto.errors import KeysMissing
from crypto.jobs import finish, unfinished_jobs
from crypto.models import IndexKey, Kek, KekState, SubjectKey
from crypto.providers import FileProvider, Rewrap, Wrapped, provider
from crypto.rotation import (
    WRAPPED,
    Page,
    destroy_kek,
    epoch_is_over,
    keks_to_destroy,
    keys_under,
    left_to_rewrap,
    retire_old_index_keys,
    rewrap_page,
    start_epoch,
)
from crypto.scope import BrokenValue, noting_broken
from crypto.services import open_clinic_keys
from tests.crypto.specimen import Specimen
from tests.factories.crypto import new_subject, reading

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
SUBJECT_KEY, SEALED_FILE = WRAPPED


def rewrap_everything(clinic: UUID, *, limit: int = 500) -> list[Page]:
    pages = []
    for job in unfinished_jobs(clinic):
        for table in WRAPPED:
            if job.target == table.name and job.kind == "rewrap":
                while (page := rewrap_page(job, table, limit=limit)).read:
                    pages.append(page)
                finish(job)
    return pages


def old_wrap(subject: UUID, scope: Scope) -> Wrapped:
    """The wrapped key as a thief of the database has it."""
    key = SubjectKey.objects.select_related("kek").get(subject_id=subject, scope=scope)
    assert key.wrapped is not None
    aad = subject_key_aad(
        clinic_id=key.clinic_id,
        subject_id=subject,
        scope=scope,
        version=key.version,
        suite=Suite(key.suite),
        kek_id=key.kek.pk,
    )
    return Wrapped(key.kek.provider_ref, Suite(key.kek.suite), bytes(key.wrapped), aad)


def test_every_key_is_wrapped_again_and_what_it_seals_still_opens(clinic: UUID, row: Specimen) -> None:
    others = [new_subject(clinic) for _ in range(4)]
    before = dict(SubjectKey.objects.values_list("id", "wrapped"))
    kek = start_epoch(clinic, at=NOW)

    pages = rewrap_everything(clinic, limit=7)

    assert [page.changed for page in pages] == [7, 7, 1]
    assert set(SubjectKey.objects.values_list("kek_id", flat=True)) == {kek.pk}
    assert all(before[key] != wrapped for key, wrapped in SubjectKey.objects.values_list("id", "wrapped"))
    keyring.forget_everything()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"
    assert all(keyring.sealing_key(subject, Scope.RECORD) for subject in others)


def test_a_new_epoch_has_a_kek_an_index_secret_and_an_end_of_its_own(clinic: UUID, subject: UUID) -> None:
    first = Kek.objects.get(clinic_id=clinic)
    assert not epoch_is_over(clinic, at=first.not_after - timedelta(seconds=1))
    assert epoch_is_over(clinic, at=first.not_after)

    second = start_epoch(clinic, at=NOW)

    states = dict(Kek.objects.filter(clinic_id=clinic).values_list("pk", "state"))
    assert states == {first.pk: KekState.DECRYPT, second.pk: KekState.ACTIVE}
    assert second.not_after == NOW + timedelta(days=30)
    versions = IndexKey.objects.filter(clinic_id=clinic).values_list("version", "kek_id")
    assert dict(versions) == {1: first.pk, 2: second.pk}


def test_a_subject_of_the_new_epoch_is_wrapped_by_the_new_kek(clinic: UUID, subject: UUID) -> None:
    kek = start_epoch(clinic, at=NOW)
    keyring.forget_everything()
    newcomer = new_subject(clinic)
    assert set(SubjectKey.objects.filter(subject_id=newcomer).values_list("kek_id", flat=True)) == {kek.pk}


def test_wrapping_again_and_again_changes_nothing_more(clinic: UUID, subject: UUID) -> None:
    start_epoch(clinic, at=NOW)
    job = unfinished_jobs(clinic)[0]
    assert rewrap_page(job, SUBJECT_KEY) == Page(read=3, changed=3, damaged=0)
    before = list(SubjectKey.objects.order_by("pk").values())

    job.position = ""
    assert rewrap_page(job, SUBJECT_KEY) == Page(0, 0, 0)
    assert list(SubjectKey.objects.order_by("pk").values()) == before
    assert left_to_rewrap(clinic, SUBJECT_KEY) == 0


def test_a_key_of_another_suite_is_wrapped_under_the_new_suite(clinic: UUID, row: Specimen) -> None:
    kek = start_epoch(clinic, at=NOW, suite=Suite.SM4_GCM)
    rewrap_everything(clinic)

    keys = SubjectKey.objects.filter(subject_id=row.subject_id)
    assert {(key.suite, key.kek_id) for key in keys} == {(Suite.AES_256_GCM, kek.pk)}
    keyring.forget_everything()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


class Changed:
    """A provider that lets somebody else change a key between the page's reading and its writing."""

    def __init__(self, real: Any, change: str) -> None:
        self.real, self.change = real, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def rewrap(self, items: list[Rewrap]) -> list[bytes]:
        with connection.cursor() as cursor:
            cursor.execute(self.change)
        wrapped: list[bytes] = self.real.rewrap(items)
        return wrapped


def test_a_key_that_is_erased_meanwhile_stays_erased(
    clinic: UUID, subject: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_epoch(clinic, at=NOW)
    erase = "UPDATE subject_key SET wrapped = NULL, destroyed_at = now() WHERE scope = 1"
    changed = Changed(provider(), erase)
    monkeypatch.setattr("crypto.rotation.provider", lambda: changed)

    assert rewrap_page(unfinished_jobs(clinic)[0], SUBJECT_KEY) == Page(read=3, changed=2, damaged=0)
    erased = SubjectKey.objects.get(subject_id=subject, scope=Scope.IDENTITY)
    assert erased.wrapped is None


def test_a_damaged_key_stays_and_keeps_its_kek_and_the_others_go_on(clinic: UUID, subject: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE subject_key SET wrapped = sha512(wrapped) WHERE scope = 2")
    old = Kek.objects.get(clinic_id=clinic)
    start_epoch(clinic, at=NOW)

    found: dict[BrokenValue, None] = {}
    with noting_broken(found):
        assert rewrap_everything(clinic) == [Page(read=3, changed=2, damaged=1)]
    damaged = SubjectKey.objects.get(subject_id=subject, scope=Scope.RECORD)
    assert list(found) == [BrokenValue(clinic, subject, "subject_key", str(damaged.pk))]
    retire_old_index_keys(clinic)
    assert keys_under(old) == 1
    assert destroy_kek(old.pk) is False
    assert provider().exists(old.provider_ref)


def test_keys_under_a_legal_hold_are_left_alone(clinic: UUID, subject: UUID) -> None:
    held = Kek.objects.create(
        clinic_id=clinic, suite=1, provider="hold", provider_ref="held", state=KekState.HOLD, not_after=NOW
    )
    SubjectKey.objects.filter(subject_id=subject, scope=Scope.RECORD).update(kek=held)
    start_epoch(clinic, at=NOW)

    assert rewrap_everything(clinic) == [Page(read=2, changed=2, damaged=0)]
    assert SubjectKey.objects.get(subject_id=subject, scope=Scope.RECORD).kek.pk == held.pk
    assert held.pk not in [
        kek.pk for kek in keks_to_destroy(clinic, at=NOW + timedelta(days=99), kept=timedelta(0))
    ]


def test_an_old_kek_is_destroyed_when_nothing_hangs_on_it_and_then_opens_nothing(
    clinic: UUID, subject: UUID, settings: Settings
) -> None:
    stolen = old_wrap(subject, Scope.IDENTITY)
    old = Kek.objects.get(clinic_id=clinic)
    assert provider().unwrap([stolen])
    start_epoch(clinic, at=NOW)
    assert destroy_kek(old.pk) is False, "keys still hang on it"
    rewrap_everything(clinic)
    assert destroy_kek(old.pk) is False, "the index secret still hangs on it"
    retire_old_index_keys(clinic)

    assert destroy_kek(old.pk) is True

    old.refresh_from_db()
    assert old.state == KekState.DESTROYED
    assert not provider().exists(stolen.reference)
    with pytest.raises(KeysMissing):
        FileProvider(Path(settings.KEYS_DIR)).unwrap([stolen])
    living = old_wrap(subject, Scope.IDENTITY)
    with pytest.raises(Broken):
        provider().unwrap([stolen._replace(reference=living.reference)])
    assert provider().unwrap([living])
    assert destroy_kek(old.pk) is False


def test_a_kek_that_was_destroyed_before_its_record_said_so_is_destroyed_again(
    clinic: UUID, subject: UUID
) -> None:
    """What a process leaves behind that was killed between the provider's answer and its own commit."""
    old = Kek.objects.get(clinic_id=clinic)
    start_epoch(clinic, at=NOW)
    rewrap_everything(clinic)
    retire_old_index_keys(clinic)
    provider().destroy(old.provider_ref)

    assert destroy_kek(old.pk) is True
    assert Kek.objects.get(pk=old.pk).state == KekState.DESTROYED


def test_a_kek_in_use_is_never_destroyed(clinic: UUID) -> None:
    open_clinic_keys(clinic)
    kek = Kek.objects.get(clinic_id=clinic)
    assert destroy_kek(kek.pk) is False
    assert provider().exists(kek.provider_ref)


def test_old_keks_wait_until_their_days_are_over(clinic: UUID, subject: UUID) -> None:
    old = Kek.objects.get(clinic_id=clinic)
    successor = start_epoch(clinic, at=NOW)
    successor.refresh_from_db()
    kept = timedelta(days=3)
    due = successor.created_at + kept
    assert keks_to_destroy(clinic, at=due - timedelta(seconds=1), kept=kept) == []
    assert keks_to_destroy(clinic, at=due, kept=kept) == [old]


def test_an_epoch_needs_opened_keys(clinic: UUID) -> None:
    with pytest.raises(KeysMissing, match="open its keys first"):
        start_epoch(clinic, at=NOW)
