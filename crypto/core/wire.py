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
from uuid import UUID

from crypto.core.suites import NONCE_BYTES, TAG_BYTES, Aead, Broken, Suite, new_nonce

MAGIC = b"\xc5\xe1"
VERSION = 1
HEADER = struct.Struct(">2sBBQ")
OVERHEAD_BYTES = HEADER.size + NONCE_BYTES + TAG_BYTES
BLOCK_BYTES = 32
LARGEST_KEY_ID = 2**63 - 1  # a signed bigint in the database
_SUITES = frozenset(int(suite) for suite in Suite)
_PREFIX = b"zhizhi/field/v1"
_NONCE = slice(HEADER.size, HEADER.size + NONCE_BYTES)
_CIPHERTEXT = slice(HEADER.size + NONCE_BYTES, None)
_UUID_LENGTH = struct.pack(">I", 16)


def key_id_of(raw: bytes) -> int:
    """The id of the data key that sealed `raw`. Raises Broken when these are not a sealed value's bytes."""
    if len(raw) < OVERHEAD_BYTES + BLOCK_BYTES:
        raise Broken("too short for a sealed value")
    magic, version, suite, key_id = HEADER.unpack_from(raw)
    if magic != MAGIC or version != VERSION or suite not in _SUITES or key_id > LARGEST_KEY_ID:
        raise Broken("not a sealed value")
    return int(key_id)


class Binding:
    """What the values of one field of one subject are bound to, but for the row: prepared once, used for every row.

    `clinic_id` is the clinic that sealed, `name` the field's own lasting name.
    """

    __slots__ = ("_after", "_before", "clinic", "header")

    def __init__(self, suite: Suite, key_id: int, *, clinic_id: UUID, name: str, subject_id: UUID) -> None:
        encoded = name.encode()
        self.clinic = clinic_id.int
        self.header = HEADER.pack(MAGIC, VERSION, suite, key_id)
        self._before = b"".join(
            (
                _PREFIX,
                self.header,
                _UUID_LENGTH,
                clinic_id.bytes,
                struct.pack(">I", len(encoded)),
                encoded,
                _UUID_LENGTH,
            )
        )
        self._after = _UUID_LENGTH + subject_id.bytes

    def associated_data(self, row_id: UUID) -> bytes:
        """Canonical: each part carries its length, so that no two places have the same bytes."""
        return self._before + row_id.int.to_bytes(16, "big") + self._after


def pad(value: bytes) -> bytes:
    """80, then zeros up to a multiple of 32 bytes: names of two and of three characters look alike."""
    return (value + b"\x80").ljust(-(-(len(value) + 1) // BLOCK_BYTES) * BLOCK_BYTES, b"\0")


def unpad(padded: bytes) -> bytes:
    marked = padded.rstrip(b"\0")
    if not marked.endswith(b"\x80"):
        raise Broken("wrong padding")
    return marked[:-1]


def seal(cipher: Aead, binding: Binding, row_id: UUID, value: bytes) -> bytes:
    """`value` is a typed value's bytes."""
    nonce = new_nonce()
    return binding.header + nonce + cipher.seal(nonce, pad(value), binding.associated_data(row_id))


def unseal(cipher: Aead, binding: Binding, row_id: UUID, raw: bytes) -> bytes:
    """The typed value's bytes. Raises Broken."""
    if not raw.startswith(binding.header):
        raise Broken("another key's header")
    return unpad(cipher.open(raw[_NONCE], raw[_CIPHERTEXT], binding.associated_data(row_id)))
