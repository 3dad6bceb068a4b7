"""The two cipher suites behind one interface: AES-256-GCM with SHA-256, SM4-GCM with SM3."""

import hashlib
import hmac
import os
from enum import IntEnum
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.hashes import SHA256, SM3, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TAG_BYTES = 16


class Broken(Exception):
    """The bytes do not open under this key and these associated data, or are not of this format."""


class Suite(IntEnum):
    """The number stands in every header; parameters of a suite never change."""

    AES_256_GCM = 1  # SP 800-38D, 96-bit nonce, 128-bit tag
    SM4_GCM = 2  # RFC 8998: 128-bit key, 96-bit nonce, 128-bit tag


class Aead(Protocol):
    """Authenticated encryption under one key; a sealed text is the ciphertext followed by the tag."""

    def seal(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes: ...

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """Raises Broken."""
        ...


class _Aes:
    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
        return self._aead.encrypt(nonce, plain, aad)

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        try:
            return self._aead.decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError) as error:
            raise Broken from error


class _Sm4:
    __slots__ = ("_algorithm",)

    def __init__(self, key: bytes) -> None:
        self._algorithm = SM4(key)

    def seal(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
        encryptor = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(aad)
        return encryptor.update(plain) + encryptor.finalize() + encryptor.tag

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        try:
            decryptor = Cipher(self._algorithm, modes.GCM(nonce, sealed[-TAG_BYTES:])).decryptor()
            decryptor.authenticate_additional_data(aad)
            return decryptor.update(sealed[:-TAG_BYTES]) + decryptor.finalize()
        except (InvalidTag, ValueError) as error:
            raise Broken from error


_KEY_BYTES = {Suite.AES_256_GCM: 32, Suite.SM4_GCM: 16}
_HASH: dict[Suite, HashAlgorithm] = {Suite.AES_256_GCM: SHA256(), Suite.SM4_GCM: SM3()}
_DIGEST = {Suite.AES_256_GCM: "sha256", Suite.SM4_GCM: "sm3"}


def aead(suite: Suite, key: bytes) -> Aead:
    """The cipher of `suite` under `key`. Raises ValueError when the key has the wrong length."""
    if len(key) != _KEY_BYTES[suite]:
        raise ValueError("the key has the wrong length for its suite")
    return _Aes(key) if suite is Suite.AES_256_GCM else _Sm4(key)


def new_key(suite: Suite) -> bytes:
    return os.urandom(_KEY_BYTES[suite])


def new_nonce() -> bytes:
    return os.urandom(NONCE_BYTES)


def derive(suite: Suite, secret: bytes, info: str) -> bytes:
    """A 32-byte key for one use: HKDF (RFC 5869) with the suite's hash, without salt."""
    return HKDF(_HASH[suite], length=32, salt=None, info=info.encode()).derive(secret)


class KeyedHash:
    """HMAC with the suite's hash under one key, prepared once: the two inner blocks are copied for each message."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, suite: Suite, key: bytes) -> None:
        digest = _DIGEST[suite]
        if len(key) > 64:
            key = hashlib.new(digest, key).digest()
        block = key.ljust(64, b"\0")
        self._inner = hashlib.new(digest, bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.new(digest, bytes(byte ^ 0x5C for byte in block))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def same(left: bytes, right: bytes) -> bool:
    """Equality whose time does not tell where two byte strings differ."""
    return hmac.compare_digest(left, right)
