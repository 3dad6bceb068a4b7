"""The bytes of one sealed value: 12 bytes header, 12 bytes nonce, ciphertext, 16 bytes tag.

    0   2  magic C5 E1, which no UTF-8 text begins with
    2   1  format version, 1
    3   1  suite
    4   8  id of the data key, big-endian; the key's record tells subject, scope and version
    12  12 random nonce
    24  n  ciphertext of the typed value (crypto.core.values), padded with 80 00… to a multiple of 32 bytes
    24+n 16 tag

The associated data bind it to its clinic, field, row, subject and header: moved anywhere else it does not open.
"""

import struct
from typing import NamedTuple
from uuid import UUID

from crypto.core.suites import NONCE_BYTES, TAG_BYTES, Aead, Broken, Suite, new_nonce

MAGIC = b"\xc5\xe1"
VERSION = 1
HEADER = struct.Struct(">2sBBQ")
OVERHEAD_BYTES = HEADER.size + NONCE_BYTES + TAG_BYTES
BLOCK_BYTES = 32
LARGEST_KEY_ID = 2**63 - 1  # a signed bigint in the database
_PREFIX = b"zhizhi/field/v1"
_CIPHERTEXT = HEADER.size + NONCE_BYTES
_UUID_LENGTH = struct.pack(">I", 16)


class Place(NamedTuple):
    """Where a sealed value belongs."""

    clinic_id: UUID  # the clinic that sealed it
    name: str  # the field's own lasting name
    row_id: UUID
    subject_id: UUID


def header(suite: Suite, key_id: int) -> bytes:
    return HEADER.pack(MAGIC, VERSION, suite, key_id)


def key_id_of(raw: bytes) -> int:
    """The id of the data key that sealed `raw`. Raises Broken when these are not a sealed value's bytes."""
    return read_header(raw)[1]


def read_header(raw: bytes) -> tuple[Suite, int]:
    if len(raw) < OVERHEAD_BYTES + BLOCK_BYTES:
        raise Broken("too short for a sealed value")
    magic, version, suite, key_id = HEADER.unpack_from(raw)
    if magic != MAGIC or version != VERSION or suite not in (1, 2) or key_id > LARGEST_KEY_ID:
        raise Broken("not a sealed value")
    return Suite(suite), key_id


def associated_data(head: bytes, place: Place) -> bytes:
    """Canonical: each part carries its length, so that no two places have the same bytes."""
    clinic_id, name, row_id, subject_id = place
    encoded = name.encode()
    return b"".join(
        (
            _PREFIX,
            head,
            _UUID_LENGTH,
            clinic_id.bytes,
            struct.pack(">I", len(encoded)),
            encoded,
            _UUID_LENGTH,
            row_id.bytes,
            _UUID_LENGTH,
            subject_id.bytes,
        )
    )


def pad(value: bytes) -> bytes:
    """80, then zeros up to a multiple of 32 bytes: names of two and of three characters look alike."""
    return (value + b"\x80").ljust(-(-(len(value) + 1) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")


def unpad(padded: bytes) -> bytes:
    end = padded.rfind(b"\x80")
    if end < 0 or padded[end + 1 :].strip(b"\0"):
        raise Broken("wrong padding")
    return padded[:end]


def seal(cipher: Aead, suite: Suite, key_id: int, value: bytes, place: Place) -> bytes:
    """`value` is a typed value's bytes."""
    head, nonce = header(suite, key_id), new_nonce()
    return head + nonce + cipher.seal(nonce, pad(value), associated_data(head, place))


def unseal(cipher: Aead, raw: bytes, place: Place) -> bytes:
    """The typed value's bytes. Raises Broken."""
    aad = associated_data(raw[: HEADER.size], place)
    return unpad(cipher.open(raw[HEADER.size : _CIPHERTEXT], raw[_CIPHERTEXT:], aad))
