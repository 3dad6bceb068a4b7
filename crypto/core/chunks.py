"""The bytes of one sealed file: a header of 27 bytes, then chunks of 64 KiB, each with its own tag (a STREAM construction).

    0   2  magic C5 E2
    2   1  format version, 1
    3   1  suite
    4   16 id of the file
    20  7  random, the beginning of every nonce
    27  .. chunk after chunk: ciphertext, 16 bytes tag

All chunks but the last hold 64 KiB of the file; the last holds the rest, and an empty file has one empty chunk. The nonce of a
chunk is the header's 7 bytes, the chunk's index (4 bytes) and 1 for the last chunk, else 0. A file's key seals that file alone.

The associated data bind each chunk to the header, the sealing clinic, the subject, its index and whether it is the last: a
chunk opens by itself, which lets a recording be played from its middle, and in its place alone.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from crypto.core.suites import TAG_BYTES, Aead, Broken, Suite

MAGIC = b"\xc5\xe2"
VERSION = 1
HEADER = struct.Struct(">2sBB16s7s")
CHUNK_BYTES = 64 * 1024
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
MOST_CHUNKS = 2**32
_PREFIX = b"zhizhi/file/v1"
_RANDOM_BYTES = 7
_UUID_LENGTH = struct.pack(">I", 16)
_PLACE = struct.Struct(">IQI?")  # the chunk's index and whether it is the last, each after its length


class Piece(NamedTuple):
    """One chunk of a sealed file: where its sealed bytes stand, and where its content begins in the file."""

    number: int
    offset: int
    length: int
    start: int
    final: bool


def new_header(suite: Suite, file_id: UUID) -> bytes:
    return HEADER.pack(MAGIC, VERSION, suite, file_id.bytes, os.urandom(_RANDOM_BYTES))


class Chunks:
    """Seals and opens the chunks of one file under its key. `clinic_id` is the clinic that seals."""

    __slots__ = ("_aad", "_cipher", "_random", "header")

    def __init__(
        self, cipher: Aead, header: bytes, *, suite: Suite, file_id: UUID, clinic_id: UUID, subject_id: UUID
    ) -> None:
        """Raises Broken when `header` is not that of this file."""
        if header[:-_RANDOM_BYTES] != HEADER.pack(MAGIC, VERSION, suite, file_id.bytes, b"")[:-_RANDOM_BYTES]:
            raise Broken("another file's header, or none")
        self._cipher = cipher
        self._random = header[-_RANDOM_BYTES:]
        self.header = header
        self._aad = b"".join((_PREFIX, header, _UUID_LENGTH, clinic_id.bytes, _UUID_LENGTH, subject_id.bytes))

    def seal(self, index: int, content: bytes, *, final: bool) -> bytes:
        return self._cipher.seal(self._nonce(index, final), content, self._associated_data(index, final))

    def open(self, index: int, sealed: bytes, *, final: bool) -> bytes:
        """The content of a chunk. Raises Broken, also for a chunk that is not the last and is taken for it."""
        return self._cipher.open(self._nonce(index, final), sealed, self._associated_data(index, final))

    def seal_all(self, contents: Iterable[bytes]) -> Iterator[bytes]:
        """The whole sealed file, piece by piece; `contents` may be cut anywhere. One chunk is held in memory."""
        yield self.header
        held = bytearray()
        index = 0
        for content in contents:
            rest = memoryview(content)
            while rest:
                if len(held) == CHUNK_BYTES:  # more follows, so this one is not the last
                    yield self.seal(index, bytes(held), final=False)
                    held.clear()
                    index += 1
                taken = rest[: CHUNK_BYTES - len(held)]
                held += taken
                rest = rest[len(taken) :]
        yield self.seal(index, bytes(held), final=True)

    def _nonce(self, index: int, final: bool) -> bytes:
        if not 0 <= index < MOST_CHUNKS:
            raise ValueError("a sealed file has at most 2**32 chunks")
        return self._random + struct.pack(">I?", index, final)

    def _associated_data(self, index: int, final: bool) -> bytes:
        return self._aad + _PLACE.pack(8, index, 1, final)


def sealed_length(size: int) -> int:
    """The bytes of a sealed file that holds `size` bytes."""
    return HEADER.size + size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))


def pieces(size: int, start: int, end: int) -> Iterator[Piece]:
    """The chunks that hold the bytes `start` to `end` (excluded) of a file of `size` bytes, in order.

    All of an empty file is one chunk, so that reading nothing still proves that nothing was there.
    """
    last = max(0, -(-size // CHUNK_BYTES) - 1)
    for index in range(start // CHUNK_BYTES, -(-end // CHUNK_BYTES) if size else 1):
        begin = index * CHUNK_BYTES
        length = min(CHUNK_BYTES, size - begin) + TAG_BYTES
        yield Piece(index, HEADER.size + index * SEALED_CHUNK_BYTES, length, begin, index == last)
