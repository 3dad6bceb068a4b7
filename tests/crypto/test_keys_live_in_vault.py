"""A clinic whose key-encryption keys stay in a key service, from its first key to the end of an epoch."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from crypto import keyring
from crypto.core.suites import Suite
from crypto.errors import KeysMissing, SealBroken
from crypto.jobs import unfinished_jobs
from crypto.models import CryptoEpoch, Kek, KekState, SubjectKey
from crypto.providers import provider
from crypto.rotation import WRAPPED, destroy_kek, retire_old_index_keys, rewrap_page, start_epoch
from crypto.services import check_key_store, open_clinic_keys
from tests.crypto.specimen import Specimen
from tests.crypto.vault_server import Authority, VaultServer, running
from tests.factories.crypto import act_in, new_subject, reading
from tests.factories.vault import use_vault

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def vault(authority: Authority, settings: Settings, tmp_path: Path) -> Iterator[VaultServer]:
    with running(authority) as server:
        use_vault(settings, server, tmp_path / "token")
        yield server


def test_a_value_is_sealed_under_a_key_that_never_leaves_vault(
    clinic: UUID, vault: VaultServer, row: Specimen
) -> None:
    keyring.forget_everything()
    with reading():
        found = Specimen.objects.get(pk=row.pk)
        assert (found.word, found.identity.name) == ("王小芳", "王小芳")
    kek = Kek.objects.get()
    assert (kek.provider, kek.provider_ref) == ("vault-transit", f"zhizhi-{clinic.hex}:1")
    (key,) = SubjectKey.objects.filter(subject_id=row.subject_id)[:1]
    assert bytes(key.wrapped or b"").startswith(b"vault:v1:")


def test_the_keys_of_fifty_people_are_one_question(clinic: UUID, vault: VaultServer) -> None:
    for number in range(50):
        Specimen.objects.create(clinic_id=clinic, subject_id=new_subject(clinic), word=f"{number}")
    keyring.forget_everything()
    vault.asked.clear()
    with reading():
        assert sorted(int(row.word or "") for row in Specimen.objects.all()) == list(range(50))
    assert len(vault.questions("decrypt")) == 1


def test_an_epoch_ends_and_only_the_new_version_is_left(
    clinic: UUID, vault: VaultServer, row: Specimen
) -> None:
    old = Kek.objects.get()
    new = start_epoch(clinic, at=NOW)
    for table in WRAPPED:
        for job in unfinished_jobs(clinic):
            if job.target == table.name:
                while rewrap_page(job, table).read:
                    pass
    assert not destroy_kek(old.pk)  # the index secret of the old epoch hangs on it
    retire_old_index_keys(clinic)
    assert destroy_kek(old.pk)

    assert set(vault.keys[f"zhizhi-{clinic.hex}"].versions) == {2}
    assert [provider().exists(kek.provider_ref) for kek in (old, new)] == [False, True]
    assert Kek.objects.get(pk=old.pk).state == KekState.DESTROYED
    keyring.forget_everything()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


def test_a_key_with_a_living_older_one_is_not_destroyed(clinic: UUID, subject: UUID) -> None:
    first = Kek.objects.get()
    second = start_epoch(clinic, at=NOW)
    start_epoch(clinic, at=NOW)
    with pytest.raises(KeysMissing, match=f"Destroy {first.provider_ref} first"):
        provider().destroy(second.provider_ref)
    act_in()  # outside the clinic nobody knows which of its keys live
    with pytest.raises(KeysMissing, match="No record"):
        provider().destroy(second.provider_ref)
    assert provider().exists(first.provider_ref)


def test_a_wrapped_key_given_to_another_subject_is_damage_and_not_a_missing_key(
    clinic: UUID, row: Specimen
) -> None:
    other = new_subject(clinic)
    theirs = SubjectKey.objects.filter(subject_id=other).order_by("scope").values_list("wrapped", flat=True)
    for key, wrapped in zip(
        SubjectKey.objects.filter(subject_id=row.subject_id).order_by("scope"), theirs, strict=True
    ):
        key.wrapped = wrapped
        key.save(update_fields=["wrapped"])
    keyring.forget_everything()
    with reading(), pytest.raises(SealBroken):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018


def test_another_vault_is_another_installation(
    clinic: UUID, settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    open_clinic_keys(clinic)
    check_key_store()
    assert CryptoEpoch.objects.get().key_store == provider().fingerprint()
    with running(authority) as other:
        use_vault(settings, other, tmp_path / "other-token")
        with pytest.raises(KeysMissing, match="not this installation's, or was set up anew"):
            check_key_store()
        assert other.keys == {}
        provider().fingerprint(make=True)
        with pytest.raises(KeysMissing, match="VAULT_ADDR and VAULT_MOUNT belong to another installation"):
            check_key_store()
        with pytest.raises(KeysMissing, match="another installation"):
            start_epoch(clinic, at=NOW)


def test_a_clinic_with_sm4_stays_with_files(clinic: UUID) -> None:
    with pytest.raises(KeysMissing, match="has no SM4"):
        open_clinic_keys(clinic, suite=Suite.SM4_GCM)
    assert not Kek.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the transaction is whole
