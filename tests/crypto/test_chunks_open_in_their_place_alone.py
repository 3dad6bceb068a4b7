"""A sealed file in chunks: cut, mixed, doubled, lengthened or moved, it does not open; a chunk opens by itself in its place."""

import os
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.core.chunks import (
    CHUNK_BYTES,
    HEADER,
    MOST_CHUNKS,
    SEALED_CHUNK_BYTES,
    Chunks,
    new_header,
    pieces,
    sealed_length,
)
from crypto.core.suites import TAG_BYTES, Broken, Suite, aead, new_key

FILE, OTHER = UUID(int=1), UUID(int=2)
CLINIC, SUBJECT = UUID(int=3), UUID(int=4)
THREE_CHUNKS = 2 * CHUNK_BYTES + 100
AES_KEY = bytes(range(32))
both_suites = pytest.mark.parametrize("suite", Suite)


def opener(key: bytes, header: bytes, suite: Suite = Suite.AES_256_GCM, **place: UUID) -> Chunks:
    here = {"file_id": FILE, "clinic_id": CLINIC, "subject_id": SUBJECT, **place}
    return Chunks(aead(suite, key), header, suite=suite, **here)


def sealed(content: bytes, key: bytes = AES_KEY, suite: Suite = Suite.AES_256_GCM) -> bytes:
    return b"".join(opener(key, new_header(suite, FILE), suite).seal_all([content]))


def opened(
    raw: bytes,
    key: bytes = AES_KEY,
    suite: Suite = Suite.AES_256_GCM,
    size: int | None = None,
    moved: Mapping[str, UUID] = MappingProxyType({}),
) -> bytes:
    """The whole file, of the size the record says or, by default, of the size its length admits."""
    if size is None:
        body = len(raw) - HEADER.size
        size = body - TAG_BYTES * -(-body // SEALED_CHUNK_BYTES)
    chunks = opener(key, raw[: HEADER.size], suite, **moved)
    return b"".join(
        chunks.open(piece.number, raw[piece.offset : piece.offset + piece.length], final=piece.final)
        for piece in pieces(size, 0, size)
    )


@both_suites
@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_a_file_comes_back_whatever_its_size(suite: Suite, size: int) -> None:
    key, content = new_key(suite), os.urandom(size)
    raw = sealed(content, key, suite)
    assert len(raw) == sealed_length(size)
    assert opened(raw, key, suite, size) == content
    assert content[:40] not in raw or size < 40


@pytest.mark.parametrize("cut", [1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, 100_000, 10**6])
def test_where_the_content_is_cut_while_it_is_written_does_not_matter(cut: int) -> None:
    content = os.urandom(THREE_CHUNKS)
    chunks = opener(AES_KEY, new_header(Suite.AES_256_GCM, FILE))
    raw = b"".join(chunks.seal_all(content[at : at + cut] for at in range(0, len(content), cut)))
    assert opened(raw) == content


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        (0, 1, [0]),
        (CHUNK_BYTES - 1, CHUNK_BYTES, [0]),
        (CHUNK_BYTES, CHUNK_BYTES + 1, [1]),
        (CHUNK_BYTES - 1, CHUNK_BYTES + 1, [0, 1]),
        (THREE_CHUNKS - 1, THREE_CHUNKS, [2]),
        (5, 5, [0]),
        (CHUNK_BYTES, CHUNK_BYTES, []),
    ],
)
def test_a_range_needs_its_own_chunks_alone(start: int, end: int, numbers: list[int]) -> None:
    found = list(pieces(THREE_CHUNKS, start, end))
    assert [piece.number for piece in found] == numbers
    assert all(piece.final == (piece.number == 2) for piece in found)


def test_a_chunk_in_the_middle_opens_without_the_others() -> None:
    content = os.urandom(THREE_CHUNKS)
    raw = sealed(content)
    (piece,) = pieces(THREE_CHUNKS, CHUNK_BYTES, 2 * CHUNK_BYTES)
    found = opener(AES_KEY, raw[: HEADER.size]).open(
        1, raw[piece.offset : piece.offset + piece.length], final=False
    )
    assert found == content[CHUNK_BYTES : 2 * CHUNK_BYTES]


def parts(raw: bytes) -> list[bytes]:
    """Header, then chunks."""
    ends = range(HEADER.size, len(raw), SEALED_CHUNK_BYTES)
    return [raw[: HEADER.size], *(raw[at : at + SEALED_CHUNK_BYTES] for at in ends)]


ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "the last chunk dropped": lambda p: p[:-1],
    "all chunks dropped": lambda p: p[:1],
    "the last chunk cut": lambda p: [*p[:-1], p[-1][:-1]],
    "the last tag cut off": lambda p: [*p[:-1], p[-1][:-TAG_BYTES]],
    "the first chunk dropped": lambda p: [p[0], *p[2:]],
    "two chunks exchanged": lambda p: [p[0], p[2], p[1], p[3]],
    "the last chunk put first": lambda p: [p[0], p[3], p[1], p[2]],
    "a chunk doubled": lambda p: [*p[:2], p[1], *p[2:]],
    "a chunk in place of another": lambda p: [*p[:2], p[1], p[3]],
    "the last chunk doubled": lambda p: [*p, p[-1]],
    "bytes appended": lambda p: [*p, b"x"],
    "a chunk of zeros appended": lambda p: [*p, bytes(SEALED_CHUNK_BYTES)],
}


@both_suites
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_file_that_was_cut_mixed_or_lengthened_does_not_open(
    suite: Suite, attack: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Neither with the size it had, nor with the one its new length admits."""
    key = new_key(suite)
    changed = b"".join(attack(parts(sealed(os.urandom(THREE_CHUNKS), key, suite))))
    with pytest.raises(Broken):
        opened(changed, key, suite)
    if len(changed) == sealed_length(THREE_CHUNKS):
        with pytest.raises(Broken):
            opened(changed, key, suite, THREE_CHUNKS)


def test_an_emptied_file_is_not_an_empty_file() -> None:
    for raw in (sealed(b"")[: HEADER.size], sealed(b"x" * 50)[: HEADER.size + TAG_BYTES]):
        with pytest.raises(Broken):
            opened(raw, size=0)
    assert opened(sealed(b""), size=0) == b""


@both_suites
def test_a_chunk_of_another_file_under_the_same_key_does_not_open(suite: Suite) -> None:
    key = new_key(suite)
    mine, other = (parts(sealed(os.urandom(THREE_CHUNKS), key, suite)) for _ in range(2))
    for at in (1, 2, 3):
        with pytest.raises(Broken):
            opened(b"".join([*mine[:at], other[at], *mine[at + 1 :]]), key, suite)


@pytest.mark.parametrize("place", ["file_id", "clinic_id", "subject_id"])
def test_a_file_moved_to_another_record_does_not_open(place: str) -> None:
    with pytest.raises(Broken):
        opened(sealed(b"voice"), moved={place: OTHER})


def test_a_file_of_another_suite_or_key_does_not_open() -> None:
    raw = sealed(b"voice")
    with pytest.raises(Broken):
        opened(raw, bytes(16), Suite.SM4_GCM)
    with pytest.raises(Broken):
        opened(raw, bytes(32))


@both_suites
def test_every_flipped_bit_of_a_small_file_is_refused(suite: Suite) -> None:
    key = new_key(suite)
    raw = sealed(b"liver", key, suite)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Broken):
            opened(bytes(changed), key, suite)


def test_the_bytes_are_those_that_were_written_down() -> None:
    """Stored files would no longer open if this changed."""
    header = b"\xc5\xe2\x01\x01" + FILE.bytes + b"nonce12"
    chunks = opener(AES_KEY, header)
    for number, final in ((0, False), (70_000, True)):
        aad = (
            b"zhizhi/file/v1" + header + b"\0\0\0\x10" + CLINIC.bytes + b"\0\0\0\x10" + SUBJECT.bytes
            + b"\0\0\0\x08" + number.to_bytes(8, "big") + b"\0\0\0\x01" + (b"\1" if final else b"\0")
        )  # fmt: skip
        nonce = b"nonce12" + number.to_bytes(4, "big") + (b"\1" if final else b"\0")
        wanted = AESGCM(AES_KEY).encrypt(nonce, b"voice", aad)
        assert chunks.seal(number, b"voice", final=final) == wanted
        assert chunks.open(number, wanted, final=final) == b"voice"
        with pytest.raises(Broken):
            chunks.open(number, wanted, final=not final)


def test_a_file_without_end_is_refused_before_a_nonce_comes_again() -> None:
    chunks = opener(AES_KEY, new_header(Suite.AES_256_GCM, FILE))
    chunks.seal(MOST_CHUNKS - 1, b"", final=True)
    with pytest.raises(ValueError, match="at most"):
        chunks.seal(MOST_CHUNKS, b"", final=True)


def test_sealing_a_long_file_holds_a_few_chunks_in_memory() -> None:
    def recording() -> Iterator[bytes]:
        for _ in range(160):
            yield bytes(100_000)

    chunks = opener(AES_KEY, new_header(Suite.AES_256_GCM, FILE))
    tracemalloc.start()
    try:
        length = sum(len(piece) for piece in chunks.seal_all(recording()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length == sealed_length(16_000_000)
    assert peak < 2 * 100_000 + 6 * CHUNK_BYTES
