"""A key under a key: nonce, ciphertext, tag, bound to what the inner key is for.

AES-GCM rather than AES key wrap, because key wrap cannot bind associated data.
"""

import struct
from uuid import UUID

from crypto.core.scopes import Scope
from crypto.core.suites import NONCE_BYTES, Aead, Suite, new_nonce


def wrap(kek: Aead, key: bytes, aad: bytes) -> bytes:
    nonce = new_nonce()
    return nonce + kek.seal(nonce, key, aad)


def unwrap(kek: Aead, wrapped: bytes, aad: bytes) -> bytes:
    """Raises Broken."""
    return kek.open(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad)


def _bind(what: str, *parts: bytes) -> bytes:
    return what.encode() + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _number(value: int) -> bytes:
    return struct.pack(">Q", value)


def subject_key_aad(
    *, clinic_id: UUID, subject_id: UUID, scope: Scope, version: int, suite: Suite, kek_id: int
) -> bytes:
    numbers = (scope, version, suite, kek_id)
    return _bind("zhizhi/subject-key/v1", clinic_id.bytes, subject_id.bytes, *map(_number, numbers))


def index_key_aad(*, clinic_id: UUID, version: int, suite: Suite, kek_id: int) -> bytes:
    return _bind("zhizhi/index-key/v1", clinic_id.bytes, *map(_number, (version, suite, kek_id)))


def file_key_aad(*, clinic_id: UUID, subject_id: UUID, file_id: UUID, suite: Suite, kek_id: int) -> bytes:
    """`clinic_id` is the clinic whose KEK wraps the key, and `suite` that of the file and of its key."""
    ids = (clinic_id.bytes, subject_id.bytes, file_id.bytes)
    return _bind("zhizhi/file-key/v1", *ids, *map(_number, (suite, kek_id)))


def kek_file_aad(reference: str, suite: Suite) -> bytes:
    return _bind("zhizhi/kek-file/v1", reference.encode(), _number(suite))
