"""AES-256-GCM (NIST), SM4-GCM (RFC 8998), HKDF (RFC 5869), HMAC (RFC 4231) and HMAC-SM3 against other programs."""

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.hashes import SM3
from cryptography.hazmat.primitives.hmac import HMAC

from crypto.core.suites import Broken, KeyedHash, Suite, aead, derive, new_key

VECTORS = Path(cryptography_vectors.__file__).parent


def cases(path: str) -> Iterator[dict[str, str]]:
    """NIST's files: `[Name = value]` holds for all cases below, a blank line ends a case, FAIL marks a forgery."""
    shared: dict[str, str] = {}
    case: dict[str, str] = {}
    for line in [*(VECTORS / path).read_text().splitlines(), ""]:
        line = line.strip()
        if line.startswith("["):
            name, _, value = line.strip("[]").partition("=")
            shared[name.strip()] = value.strip()
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            case[name.strip().lower()] = value.strip()
        elif line == "FAIL":
            case["fail"] = "yes"
        elif not line and "key" in case:
            yield {**shared, **case}
            case = {}


def test_aes_gcm_opens_what_nist_sealed_and_refuses_what_nist_forged() -> None:
    opened = refused = 0
    for case in cases("ciphers/AES/GCM/gcmDecrypt256.rsp"):
        if case["IVlen"] != "96" or case["Taglen"] != "128":
            continue
        key, iv, aad, sealed = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "ct"))
        cipher, sealed = aead(Suite.AES_256_GCM, key), sealed + bytes.fromhex(case["tag"])
        if "fail" in case:
            with pytest.raises(Broken):
                cipher.open(iv, sealed, aad)
            refused += 1
        else:
            assert cipher.open(iv, sealed, aad) == bytes.fromhex(case["pt"])
            assert cipher.seal(iv, bytes.fromhex(case["pt"]), aad) == sealed
            opened += 1
    assert opened > 150
    assert refused > 150


def test_sm4_gcm_seals_and_opens_as_rfc_8998_says() -> None:
    (case,) = cases("ciphers/SM4/rfc8998.txt")
    key, iv, aad, plain = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "plaintext"))
    sealed = bytes.fromhex(case["ciphertext"] + case["tag"])
    cipher = aead(Suite.SM4_GCM, key)
    assert cipher.seal(iv, plain, aad) == sealed
    assert cipher.open(iv, sealed, aad) == plain


@pytest.mark.parametrize("suite", Suite)
def test_every_flipped_bit_of_a_sealed_text_is_refused(suite: Suite) -> None:
    cipher = aead(suite, new_key(suite))
    sealed = cipher.seal(bytes(12), b"liver: no finding", b"here")
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Broken):
            cipher.open(bytes(12), bytes(changed), b"here")
    for other in (b"", b"there"):
        with pytest.raises(Broken):
            cipher.open(bytes(12), sealed, other)


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("length", [0, 1, 11, 15])
def test_a_cut_text_is_refused_and_not_an_error_of_another_kind(suite: Suite, length: int) -> None:
    with pytest.raises(Broken):
        aead(suite, new_key(suite)).open(bytes(12), bytes(length), b"")


@pytest.mark.parametrize("suite", Suite)
def test_a_key_of_the_wrong_length_is_refused(suite: Suite) -> None:
    with pytest.raises(ValueError, match="wrong length"):
        aead(suite, bytes(24))


def test_hkdf_agrees_with_rfc_5869_without_salt_and_info() -> None:
    wanted = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert derive(Suite.AES_256_GCM, b"\x0b" * 22, "").hex() == wanted


def test_keys_derived_for_different_uses_differ_in_both_suites() -> None:
    secret = bytes(32)
    derived = {
        derive(suite, secret, use) for suite in Suite for use in ("phone_eq", "name_bg", "audit-commit")
    }
    assert len(derived) == 6


def test_keyed_hash_agrees_with_rfc_4231() -> None:
    text = (VECTORS / "HMAC/rfc-4231-sha256.txt").read_text()
    blocks = [
        dict(line.split(" = ") for line in block.splitlines() if " = " in line)
        for block in text.split("\n\n")
    ]
    known = [block for block in blocks if "Key" in block]
    assert len(known) >= 6
    for case in known:
        digest = KeyedHash(Suite.AES_256_GCM, bytes.fromhex(case["Key"])).digest(bytes.fromhex(case["Msg"]))
        assert digest.hex().startswith(case["MD"])


@pytest.mark.parametrize("length", [0, 16, 32, 64, 65, 200])
def test_keyed_hash_with_sm3_agrees_with_two_other_programs(length: int) -> None:
    key, message = bytes(range(length)), b"message digest"
    other = HMAC(key, SM3()) if key else None
    digest = KeyedHash(Suite.SM4_GCM, key).digest(message)
    assert digest == hmac.digest(key, message, "sm3")
    if other is not None:
        other.update(message)
        assert digest == other.finalize()


def test_sm3_is_the_published_function() -> None:
    wanted = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert hashlib.new("sm3", b"abc").hexdigest() == wanted
