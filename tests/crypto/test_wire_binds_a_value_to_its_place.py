"""The wire format without a database: 40 bytes overhead, padded, bound to clinic, field, row, subject and header."""

import os
import random
from uuid import UUID

import pytest

from crypto.core import wire
from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite, aead, new_key
from crypto.core.values import from_text, to_text
from crypto.core.wrap import index_key_aad, kek_file_aad, subject_key_aad, unwrap, wrap
from crypto.ids import uuid7

CLINIC, ROW, SUBJECT = uuid7(), uuid7(), uuid7()


def bound(
    suite: Suite = Suite.AES_256_GCM,
    key_id: int = 0x0102030405060708,
    *,
    clinic_id: UUID = CLINIC,
    name: str = "patient.identity",
    subject_id: UUID = SUBJECT,
) -> wire.Binding:
    return wire.Binding(suite, key_id, clinic_id=clinic_id, name=name, subject_id=subject_id)


@pytest.mark.parametrize("suite", Suite)
def test_the_header_tells_suite_and_key_and_nothing_is_a_multiple_of_the_value(suite: Suite) -> None:
    cipher = aead(suite, new_key(suite))
    raw = wire.seal(cipher, bound(suite), ROW, from_text("王小芳"))
    assert raw[:12].hex() == f"c5e101{suite:02x}0102030405060708"
    assert wire.key_id_of(raw) == 0x0102030405060708
    assert len(raw) == 40 + 32
    assert to_text(wire.unseal(cipher, bound(suite), ROW, raw)) == "王小芳"
    with pytest.raises(UnicodeDecodeError):
        raw.decode()


def test_names_of_two_and_three_characters_look_alike() -> None:
    cipher = aead(Suite.AES_256_GCM, new_key(Suite.AES_256_GCM))
    lengths = {
        len(wire.seal(cipher, bound(), ROW, from_text(name))) for name in ("", "王芳", "王小芳", "欧阳小芳")
    }
    assert lengths == {72}


def test_the_same_value_is_never_sealed_to_the_same_bytes() -> None:
    cipher = aead(Suite.AES_256_GCM, new_key(Suite.AES_256_GCM))
    assert len({wire.seal(cipher, bound(), ROW, b"\1a") for _ in range(200)}) == 200


@pytest.mark.parametrize("length", [*range(70), 255, 256, 1000, 5000])
def test_padding_comes_off_whatever_the_value_ends_with(length: int) -> None:
    for tail in (b"", b"\x80", b"\x80\0\0", b"\0" * 31):
        value = os.urandom(length) + tail
        padded = wire.pad(value)
        assert len(padded) % 32 == 0
        assert len(padded) - len(value) <= 32
        assert wire.unpad(padded) == value


@pytest.mark.parametrize("padded", [b"", bytes(32), b"\x01" * 32, b"\x80" + bytes(30) + b"\x01"])
def test_wrong_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(Broken):
        wire.unpad(padded)


@pytest.mark.parametrize(
    ("elsewhere", "row_id"),
    [
        (bound(clinic_id=uuid7()), ROW),
        (bound(name="patient.address"), ROW),
        (bound(subject_id=uuid7()), ROW),
        (bound(key_id=1), ROW),
        (bound(Suite.SM4_GCM), ROW),
        (bound(), uuid7()),
    ],
    ids=["clinic", "field", "subject", "key", "suite", "row"],
)
def test_a_value_moved_elsewhere_does_not_open(elsewhere: wire.Binding, row_id: UUID) -> None:
    cipher = aead(Suite.AES_256_GCM, new_key(Suite.AES_256_GCM))
    raw = wire.seal(cipher, bound(), ROW, from_text("x"))
    with pytest.raises(Broken):
        wire.unseal(cipher, elsewhere, row_id, raw)
    with pytest.raises(Broken):
        wire.unseal(cipher, elsewhere, row_id, elsewhere.header + raw[12:])


def test_two_places_never_have_the_same_associated_data() -> None:
    a, b, c = UUID(int=1), UUID(int=2), UUID(int=3)
    places = [
        (bound(clinic_id=a, name="field", subject_id=c), b),
        (bound(clinic_id=b, name="field", subject_id=c), a),
        (bound(clinic_id=a, name="field", subject_id=b), c),
        (bound(clinic_id=a, name="fiel", subject_id=c), b),
        (bound(clinic_id=a, name="fieldd", subject_id=c), b),
        (bound(clinic_id=a, name="", subject_id=c), b),
    ]
    assert len({binding.associated_data(row_id) for binding, row_id in places}) == len(places)


def test_the_associated_data_are_written_as_the_format_says() -> None:
    data = bound().associated_data(ROW)
    parts = (CLINIC.bytes, b"patient.identity", ROW.bytes, SUBJECT.bytes)
    header = bytes.fromhex("c5e10101") + bytes(range(1, 9))
    assert data == b"zhizhi/field/v1" + header + b"".join(
        len(part).to_bytes(4, "big") + part for part in parts
    )


@pytest.mark.parametrize("suite", Suite)
def test_any_single_bit_changed_anywhere_is_refused(suite: Suite) -> None:
    """10,000 cases for AES, 2,000 for SM4, the same ones in every run."""
    chance = random.Random(20261121)  # noqa: S311  a seed, not a secret
    cipher = aead(suite, new_key(suite))
    for _ in range(10_000 if suite is Suite.AES_256_GCM else 2_000):
        raw = wire.seal(cipher, bound(suite), ROW, chance.randbytes(chance.randrange(1, 90)))
        changed = bytearray(raw)
        bit = chance.randrange(len(raw) * 8)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Broken):
            wire.unseal(cipher, bound(suite), ROW, bytes(changed))


@pytest.mark.parametrize(
    "raw", [b"", b"\xc5\xe1", bytes(71), bytes(72), "王小芳".encode() * 20, b"\xc5\xe1\x02\x01" + bytes(80)]
)
def test_what_is_not_a_sealed_value_is_named_so_before_any_key_is_touched(raw: bytes) -> None:
    with pytest.raises(Broken):
        wire.key_id_of(raw)


@pytest.mark.parametrize("suite", Suite)
def test_a_wrapped_key_opens_only_for_what_it_was_made_for(suite: Suite) -> None:
    kek, key = aead(suite, new_key(suite)), new_key(suite)
    facts: dict[str, object] = {
        "clinic_id": uuid7(), "subject_id": uuid7(), "scope": Scope.IDENTITY, "version": 1, "suite": suite, "kek_id": 7,
    }  # fmt: skip
    aad = subject_key_aad(**facts)  # type: ignore[arg-type]
    wrapped = wrap(kek, key, aad)
    assert unwrap(kek, wrapped, aad) == key
    assert key not in wrapped
    others: dict[str, object] = {
        "clinic_id": uuid7(), "subject_id": uuid7(), "scope": Scope.RECORD, "version": 2, "suite": Suite(3 - suite), "kek_id": 8,
    }  # fmt: skip
    for name, value in others.items():
        with pytest.raises(Broken):
            unwrap(kek, wrapped, subject_key_aad(**{**facts, name: value}))  # type: ignore[arg-type]
    for aad in (
        index_key_aad(clinic_id=uuid7(), version=1, suite=suite, kek_id=7),
        kek_file_aad("a", suite),
        b"",
    ):
        with pytest.raises(Broken):
            unwrap(kek, wrapped, aad)
    for cut in (0, 5, 12, 20, len(wrapped) - 1):
        with pytest.raises(Broken):
            unwrap(kek, wrapped[:cut], subject_key_aad(**facts))  # type: ignore[arg-type]
