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

PLACE = wire.Place(uuid7(), "patient.identity", uuid7(), uuid7())
KEY_ID = 0x0102030405060708


@pytest.mark.parametrize("suite", Suite)
def test_the_header_tells_suite_and_key_and_nothing_is_a_multiple_of_the_value(suite: Suite) -> None:
    cipher = aead(suite, new_key(suite))
    raw = wire.seal(cipher, suite, KEY_ID, from_text("王小芳"), PLACE)
    assert raw[:12].hex() == f"c5e101{suite:02x}0102030405060708"
    assert wire.read_header(raw) == (suite, KEY_ID)
    assert len(raw) == 40 + 32
    assert to_text(wire.unseal(cipher, raw, PLACE)) == "王小芳"
    with pytest.raises(UnicodeDecodeError):
        raw.decode()


def test_names_of_two_and_three_characters_look_alike() -> None:
    cipher = aead(Suite.AES_256_GCM, new_key(Suite.AES_256_GCM))
    lengths = {
        len(wire.seal(cipher, Suite.AES_256_GCM, 1, from_text(name), PLACE))
        for name in ("", "王芳", "王小芳", "欧阳小芳")
    }
    assert lengths == {72}


def test_the_same_value_is_never_sealed_to_the_same_bytes() -> None:
    cipher = aead(Suite.AES_256_GCM, new_key(Suite.AES_256_GCM))
    assert len({wire.seal(cipher, Suite.AES_256_GCM, 1, b"\1a", PLACE) for _ in range(200)}) == 200


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


@pytest.mark.parametrize("part", range(4))
def test_a_value_moved_to_another_clinic_field_row_or_subject_does_not_open(part: int) -> None:
    cipher = aead(Suite.AES_256_GCM, new_key(Suite.AES_256_GCM))
    raw = wire.seal(cipher, Suite.AES_256_GCM, KEY_ID, from_text("x"), PLACE)
    elsewhere = list(PLACE)
    elsewhere[part] = "patient.address" if part == 1 else uuid7()
    with pytest.raises(Broken):
        wire.unseal(cipher, raw, wire.Place(*elsewhere))  # type: ignore[arg-type]


def test_two_places_never_have_the_same_associated_data() -> None:
    a, b, c = UUID(int=1), UUID(int=2), UUID(int=3)
    head = wire.header(Suite.AES_256_GCM, 1)
    places = [
        wire.Place(a, "field", b, c),
        wire.Place(b, "field", a, c),
        wire.Place(a, "field", c, b),
        wire.Place(a, "fiel", b, c),
        wire.Place(a, "fieldd", b, c),
        wire.Place(a, "", b, c),
    ]
    assert len({wire.associated_data(head, place) for place in places}) == len(places)


@pytest.mark.parametrize("suite", Suite)
def test_any_single_bit_changed_anywhere_is_refused(suite: Suite) -> None:
    """10,000 cases for AES, 2,000 for SM4, the same ones in every run."""
    chance = random.Random(20261121)  # noqa: S311  a seed, not a secret
    cipher = aead(suite, new_key(suite))
    for _ in range(10_000 if suite is Suite.AES_256_GCM else 2_000):
        raw = wire.seal(cipher, suite, KEY_ID, chance.randbytes(chance.randrange(1, 90)), PLACE)
        changed = bytearray(raw)
        bit = chance.randrange(len(raw) * 8)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Broken):
            wire.unseal(cipher, bytes(changed), PLACE)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc5\xe1", bytes(71), bytes(72), "王小芳".encode() * 20, b"\xc5\xe1\x02\x01" + bytes(80)]
)
def test_what_is_not_a_sealed_value_is_named_so_before_any_key_is_touched(raw: bytes) -> None:
    with pytest.raises(Broken):
        wire.read_header(raw)


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
