"""What is under the legal hold was put away by the application and opens only with the private half."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from crypto import hold
from crypto.core.scopes import Scope
from crypto.erasure import destroy_subject_keys, hold_keys, release_keys
from crypto.errors import HoldMissing, KeyDestroyed, KeyRestricted, KeysMissing, SealBroken
from crypto.keyring import forget_everything
from crypto.models import SubjectKey
from crypto.services import commitment
from tests.crypto.specimen import Specimen
from tests.factories.crypto import reading

AAD = b"whose and what for"
AT = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def private(settings: Any, tmp_path: Path) -> bytes:
    (tmp_path / "keys").mkdir(mode=0o700)
    settings.KEYS_DIR = tmp_path / "keys"
    hold.create_pair(tmp_path / "hold.private", settings.KEYS_DIR)
    return hold.read_private_half(tmp_path / "hold.private")


def test_the_private_half_opens_what_the_public_half_put_away(private: bytes) -> None:
    first, second = (hold.put_away(hold.read_public(), b"k" * 32, AAD) for _ in range(2))
    assert first != second
    assert hold.open_held(private, first, AAD) == b"k" * 32


def test_nothing_else_opens_it(private: bytes) -> None:
    wrapped = hold.put_away(hold.read_public(), b"k" * 32, AAD)
    stranger = bytes(31) + b"\x40"
    attempts = [(private, wrapped, b"another place"), (stranger, wrapped, AAD), (private, b"", AAD)]
    attempts += [
        (private, wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :], AAD)
        for place in range(len(wrapped))
    ]
    for key, held, aad in attempts:
        with pytest.raises(SealBroken):
            hold.open_held(key, held, aad)


def test_the_pair_is_made_once_and_its_private_half_is_nobody_elses(private: bytes, tmp_path: Path) -> None:
    assert (tmp_path / "hold.private").stat().st_mode & 0o777 == 0o600
    assert private not in (tmp_path / "keys" / "hold.pub").read_bytes()
    with pytest.raises(KeysMissing, match="is there already"):
        hold.create_pair(tmp_path / "another", tmp_path / "keys")
    assert not (tmp_path / "another").exists()
    with pytest.raises(KeysMissing, match="does not hold a key"):
        hold.read_private_half(tmp_path / "keys" / "hold.pub")


def test_without_a_pair_nothing_can_be_put_away(settings: Any, tmp_path: Path) -> None:
    settings.KEYS_DIR = tmp_path
    with pytest.raises(HoldMissing):
        hold.read_public()


def test_a_held_value_is_told_from_an_erased_one(
    clinic: UUID, subject: UUID, row: Specimen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold.create_pair(tmp_path / "hold.private", tmp_path)
    monkeypatch.setattr(hold, "public_file", lambda: tmp_path / "hold.pub")
    assert len(hold_keys(clinic, [subject], [Scope.RECORD]).key_ids) == 1
    assert hold_keys(clinic, [subject], [Scope.RECORD]).key_ids == ()
    destroy_subject_keys([subject], [Scope.CONSENTED], at=AT, reference=uuid4())
    forget_everything()
    found = Specimen.objects.get(pk=row.pk)
    with reading():
        with pytest.raises(KeyRestricted):
            found.word  # noqa: B018
        assert found.identity.name == "王小芳"
        with pytest.raises(KeyRestricted):
            commitment(subject, Scope.RECORD, "specimen.word", "x")
        found.word = "new"
        with pytest.raises(KeyRestricted), transaction.atomic():
            found.save()
    private = hold.read_private_half(tmp_path / "hold.private")
    with pytest.raises(SealBroken):
        release_keys(clinic, [subject], list(Scope), private=bytes(31) + b"\x40")
    assert len(release_keys(clinic, [subject], list(Scope), private=private).key_ids) == 1
    forget_everything()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


def test_destroying_takes_every_version_and_the_held_ones(
    clinic: UUID, subject: UUID, row: Specimen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold.create_pair(tmp_path / "hold.private", tmp_path)
    monkeypatch.setattr(hold, "public_file", lambda: tmp_path / "hold.pub")
    hold_keys(clinic, [subject], [Scope.RECORD])
    reference = uuid4()
    assert len(destroy_subject_keys([subject], list(Scope), at=AT, reference=reference)) == 3
    assert destroy_subject_keys([subject], list(Scope), at=AT, reference=reference) == []
    assert set(SubjectKey.objects.filter(subject_id=subject).values_list("wrapped", "destroy_ref")) == {
        (None, reference)
    }
    forget_everything()
    with reading(), pytest.raises(KeyDestroyed):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018
