"""AES-256-GCM (NIST), SM4-GCM (RFC 8998), HKDF (RFC 5869), HMAC (RFC 4231), SM3 and HMAC-SM3 against other programs.

RFC 8998 has one case: for other lengths SM4-GCM is compared with a GCM written here, which meets NIST's cases with AES.
"""

import hashlib
import hmac
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
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


def test_aes_gcm_seals_as_nist_did() -> None:
    sealed = 0
    for case in cases("ciphers/AES/GCM/gcmEncryptExtIV256.rsp"):
        if case["IVlen"] != "96" or case["Taglen"] != "128":
            continue
        key, iv, aad, plain = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "pt"))
        wanted = bytes.fromhex(case["ct"] + case["tag"])
        assert aead(Suite.AES_256_GCM, key).seal(iv, plain, aad) == wanted
        if sealed % 15 == 0:
            assert gcm(AES(key), iv, plain, aad) == wanted
        sealed += 1
    assert sealed > 300


def gcm(algorithm: BlockCipherAlgorithm, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
    """SP 800-38D step by step, on single blocks of the cipher."""
    block = Cipher(algorithm, ECB()).encryptor().update  # noqa: S305  block by block, for GCM
    subkey = int.from_bytes(block(bytes(16)), "big")

    def times_subkey(left: int) -> int:
        product, right = 0, subkey
        for bit in range(127, -1, -1):
            if left >> bit & 1:
                product ^= right
            right = right >> 1 ^ (0xE1 << 120 if right & 1 else 0)
        return product

    blocks = range(-(-len(plain) // 16))
    stream = b"".join(block(nonce + struct.pack(">I", at + 2)) for at in blocks)
    sealed = bytes(left ^ right for left, right in zip(plain, stream, strict=False))
    hashed = 0
    lengths = struct.pack(">QQ", len(aad) * 8, len(sealed) * 8)
    for part in (aad, sealed, lengths):
        for at in range(0, len(part), 16):
            hashed = times_subkey(hashed ^ int.from_bytes(part[at : at + 16].ljust(16, b"\0"), "big"))
    tag = hashed ^ int.from_bytes(block(nonce + b"\0\0\0\1"), "big")
    return sealed + tag.to_bytes(16, "big")


def test_the_sm4_block_is_the_published_one() -> None:
    """What the comparison below stands on."""
    known = list(cases("ciphers/SM4/draft-ribose-cfrg-sm4-10-ecb.txt"))
    assert len(known) >= 4
    for case in known:
        key, plain = bytes.fromhex(case["key"]), bytes.fromhex(case["plaintext"])
        assert Cipher(SM4(key), ECB()).encryptor().update(plain).hex() == case["ciphertext"]  # noqa: S305


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32, 33, 64, 200])
def test_sm4_gcm_agrees_with_a_gcm_of_our_own_at_every_length(length: int) -> None:
    key, nonce = hashlib.sha256(bytes((length,))).digest()[:16], bytes(range(length, length + 12))
    for aad_length in (0, 1, 16, 90):
        plain, aad = bytes(range(length)), bytes(range(aad_length))
        wanted = gcm(SM4(key), nonce, plain, aad)
        cipher = aead(Suite.SM4_GCM, key)
        assert cipher.seal(nonce, plain, aad) == wanted
        assert cipher.open(nonce, wanted, aad) == plain


@pytest.mark.requirement("GBT39786-8.4")
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


def hkdf(suite: Suite, secret: bytes, salt: bytes, info: bytes, length: int) -> tuple[bytes, bytes]:
    """RFC 5869 step by step, on our keyed hash: the pseudorandom key and the output."""
    extracted = KeyedHash(suite, salt or bytes(32)).digest(secret)
    keyed, block, output = KeyedHash(suite, extracted), b"", b""
    while len(output) < length:
        block = keyed.digest(block + info + bytes((len(output) // 32 + 1,)))
        output += block
    return extracted, output[:length]


def test_hkdf_agrees_with_every_case_of_rfc_5869() -> None:
    text = (VECTORS / "KDF/rfc-5869-HKDF-SHA256.txt").read_text()
    fields = re.findall(r"^(IKM|salt|info|L|PRK|OKM) *= *(\w*)$", text, re.MULTILINE)
    known = [dict(fields[at : at + 6]) for at in range(0, len(fields), 6)]
    assert len(known) == 3
    for case in known:
        secret, salt, info = (bytes.fromhex(case[name]) for name in ("IKM", "salt", "info"))
        extracted, output = hkdf(Suite.AES_256_GCM, secret, salt, info, int(case["L"]))
        assert (extracted.hex(), output.hex()) == (case["PRK"], case["OKM"])
        if not salt and not info:
            assert derive(Suite.AES_256_GCM, secret, "") == output[:32]


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("info", ["", "phone_eq", "audit-commit", "一" * 100])
def test_a_derived_key_is_hkdf_without_salt_under_the_suites_hash(suite: Suite, info: str) -> None:
    for secret in (bytes(16), bytes(range(32)), b"\xff" * 100):
        assert derive(suite, secret, info) == hkdf(suite, secret, b"", info.encode(), 32)[1]


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


@pytest.mark.requirement("GBT39786-8.4")
def test_sm3_is_the_published_function() -> None:
    """As hashlib offers it, on which our keyed hash stands."""
    text = (VECTORS / "hashes/SM3/oscca.txt").read_text()
    known = re.findall(r"^Len = (\d+)\nMsg = (\w+)\nMD = (\w+)$", text, re.MULTILINE)
    assert len(known) >= 6
    for bits, message, wanted in known:
        content = bytes.fromhex(message)[: int(bits) // 8]
        assert hashlib.new("sm3", content).hexdigest() == wanted
