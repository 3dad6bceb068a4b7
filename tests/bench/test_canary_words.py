"""The search of the canary drill finds a word however it is written down."""

import base64
import gzip
import hashlib
import json
import zlib
from random import Random
from urllib.parse import quote

import pytest

from bench.drills.canary_words import Search, hatch

FLOCK = hatch(Random(7), people=6, others=2)  # noqa: S311  # the same words every time
SEARCH = Search(FLOCK.words)
NAMES = [person.name for person in FLOCK.people] + FLOCK.typed


def seen(data: bytes) -> set[str]:
    return {sighting.word for sighting in SEARCH.find(data)}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_however_it_is_written_down(name: str) -> None:
    written = [
        name.encode(),
        json.dumps({"name": name}).encode(),
        json.dumps(json.dumps(name)).encode(),
        name.encode("unicode_escape"),
        repr(name.encode()).encode(),
        name.encode().hex().encode(),
        quote(name).encode(),
        quote(quote(name)).encode(),
        "".join(char if char.isascii() else f"&#{ord(char)};" for char in name).encode(),
        *(base64.b64encode(b"x" * before + name.encode() + b"yz") for before in range(3)),
        base64.urlsafe_b64encode(zlib.compress(b"some text before " + name.encode())),
        b"\x00\x01" + gzip.compress(name.encode()),
    ]
    for data in written:
        for offset in range(4):
            assert seen(b"." * offset + data + b"...") == {name}, data


def test_a_hash_that_anybody_can_make_of_a_number_is_found() -> None:
    person = FLOCK.people[0]
    for number in (person.phone, f"+86{person.phone}", person.id_number, person.email):
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, number.encode())
            assert len(seen(digest.hexdigest().encode())) == 1
            assert len(seen(b"key:" + digest.digest() + b":")) == 1


def test_what_is_not_there_is_not_found() -> None:
    assert seen(Random(1).randbytes(300_000)) == set()  # noqa: S311
    assert seen(b"\0" * 300_000 + "王小芳 13800138000".encode()) == set()


def test_words_are_as_many_as_promised_and_all_different() -> None:
    flock = hatch(Random(20261121), people=36, others=8)  # noqa: S311
    assert len(set(flock.words)) == len(flock.words) >= 200
