"""Canaries: words that stand nowhere else, every way they may be written down, and the search for them in bytes."""

import base64
import hashlib
import html
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import quote

from patients.identity import id_check_character

# Characters that hardly any name, text or table of the product holds.
RARE: Final = (
    "鸑鷟鵷鶵鸂鶒鹈鹕鹔鹴鷫鷞鸀鳿鵁鶄鷾鸸鵹鶼鸓鷩鵔鸃鶡鴠鸊鷉鶗鴂鷇鷃鴽鵟鶻鷐鵽鶖鸧鴶鵴鷵鶨鷁鴹鵀鷔鸤鴗"
)
MINORITY: Final = ("阿鷟·鸂力", "鵷德·鶵尔逊", "鸀鳿娜·鹔山", "鷾西·鸸吉")
SHORTEST_BINARY_FORM = 6  # bytes: anything shorter stands in random bytes by chance
INFLATED_AT_MOST = 1_000_000
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody invented, of whom nothing may stand in clear."""

    name: str
    phone: str
    id_number: str
    email: str
    value: str  # of their LDL cholesterol, with more digits than any laboratory prints

    @property
    def words(self) -> tuple[str, ...]:
        return self.name, self.phone, self.id_number, self.email, self.value


@dataclass(frozen=True, slots=True)
class Flock:
    """All canaries of a run: people, and words for the other fields and for the wrong ones."""

    people: list[Person]
    notes: list[str]
    witnesses: list[str]
    typed: list[str]  # into fields that were meant for something else

    @property
    def words(self) -> list[str]:
        own = [word for person in self.people for word in person.words]
        return [*own, *self.notes, *self.witnesses, *self.typed]


def hatch(chance: Random, *, people: int, others: int) -> Flock:
    """`people` times five words, and three times `others`."""
    rare = list(RARE)
    chance.shuffle(rare)
    return Flock(
        [_person(chance, number) for number in range(people)],
        [f"鸟语{chance.choice(rare)}{number}：已停药{chance.choice(rare)}" for number in range(others)],
        [f"证人{chance.choice(rare)}{chance.choice(rare)}{number}" for number in range(others)],
        [f"忘在框里{chance.choice(rare)}{number}{chance.choice(rare)}" for number in range(others)],
    )


def _person(chance: Random, number: int) -> Person:
    own = RARE[number % len(RARE)]  # whose name this is
    name = (
        "".join(chance.sample(RARE, 1 + number % 3)) if number % 5 else MINORITY[number // 5 % len(MINORITY)]
    )
    birth = f"{chance.randrange(1940, 2000)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    first_seventeen = f"990101{birth}{chance.randrange(1000):03}"  # region 990101 does not exist
    return Person(
        name=name + own,
        phone=f"13{chance.randrange(10**8, 10**9)}",
        id_number=first_seventeen + id_check_character(first_seventeen),
        email=f"canary{chance.randrange(10**9)}@birds{number}.example",
        value=f"4.{chance.randrange(10**7, 10**8)}",
    )


# --- every way to write a word down ---------------------------------------------------------------------------------------


def forms(word: str) -> dict[bytes, str]:
    """The bytes that betray a word, each with the name of the encoding."""
    found: dict[bytes, str] = {}
    for name, form in _forms(word):
        if len(form) >= SHORTEST_BINARY_FORM:
            found.setdefault(form, name)
    return found


def _forms(word: str) -> Iterator[tuple[str, bytes]]:
    utf8 = word.encode()
    yield "UTF-8", utf8
    yield "UTF-16", word.encode("utf-16-le").rstrip(b"\0")
    yield "UTF-16", word.encode("utf-16-be").lstrip(b"\0")
    yield "GB 18030", word.encode("gb18030")
    yield "escapes of JSON", _escaped(word, "\\u{:04x}", _units)
    yield "escapes of JSON", _escaped(word, "\\u{:04X}", _units)
    yield "escapes within escapes", _escaped(word, "\\\\u{:04x}", _units)
    yield "escapes of Python", word.encode("unicode_escape")
    yield "escapes of bytes", _escaped(word, "\\x{:02x}", str.encode)
    yield "escapes of bytes", _escaped(word, "\\{:03o}", str.encode)
    yield "percent", quote(word, safe="").encode()
    yield "percent", quote(word, safe="").lower().encode()
    yield "percent within percent", quote(quote(word, safe=""), safe="").encode()
    yield "hexadecimal", utf8.hex().encode()
    yield "hexadecimal", utf8.hex().upper().encode()
    yield "quoted-printable", _escaped(word, "={:02X}", str.encode)
    yield "HTML", _escaped(word, "&#{};", _points)
    yield "HTML", _escaped(word, "&#x{:x};", _points)
    yield "HTML", html.escape(word).encode()
    yield from _base64(utf8)
    if word.isascii():  # what can be tried out one by one must not stand as a hash that anybody can make
        yield from _hashes(word)


def _escaped(word: str, escape: str, units: Callable[[str], Iterable[int]]) -> bytes:
    """As most writers do it: what is ASCII stays as it is."""
    return "".join(
        char if char.isascii() else "".join(escape.format(unit) for unit in units(char)) for char in word
    ).encode()


def _units(char: str) -> list[int]:
    raw = char.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def _points(char: str) -> list[int]:
    return [ord(char)]


def _base64(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """As part of a longer text: three ways to fall among its groups of three bytes, the uncertain ends left out."""
    for before in range(3):
        padded = bytes(before) + raw + bytes(3)
        known = slice(-(-8 * before // 6), 8 * (before + len(raw)) // 6)
        yield "base64", base64.b64encode(padded)[known]
        yield "base64", base64.urlsafe_b64encode(padded)[known]


def _hashes(word: str) -> Iterator[tuple[str, bytes]]:
    written = [word, f"+86{word}", f"86{word}", word.lower()] if word.isdigit() else [word, word.lower()]
    for one in dict.fromkeys(written):
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, one.encode(), usedforsecurity=False).digest()
            yield f"{algorithm} without a key", digest
            yield f"{algorithm} without a key", digest.hex().encode()
            yield f"{algorithm} without a key", base64.b64encode(digest).rstrip(b"=")


# --- the search -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sighting:
    word: str
    encoding: str


class Search:
    """Finds every form of many words in one pass.

    Every second four bytes of the data are looked up among the first and second four of each form; where they are known,
    the whole form is compared.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._sightings: dict[bytes, Sighting] = {}
        self._anchors: dict[int, list[tuple[int, bytes]]] = {}
        for word in words:
            for form, encoding in forms(word).items():
                if form not in self._sightings:
                    self._sightings[form] = Sighting(word, encoding)
                    for offset in (0, 1):
                        self._anchors.setdefault(_four(form, offset), []).append((offset, form))
        self._known = frozenset(self._anchors)

    def find(self, data: bytes) -> set[Sighting]:
        """In the bytes, in what they hold in base64, and in what they hold compressed."""
        found = self._find(data)
        for inner in unpacked(data):
            found |= self._find(inner)
        return found

    def _find(self, data: bytes) -> set[Sighting]:
        found = set()
        for begin in (0, 2):
            whole = max(0, len(data) - begin) // 4 * 4
            fours = memoryview(data)[begin : begin + whole].cast("I")
            if met := self._known.intersection(fours):
                for number, four in enumerate(fours):
                    if four in met:
                        found |= set(self._at(data, begin + 4 * number, four))
        return found

    def _at(self, data: bytes, place: int, four: int) -> Iterator[Sighting]:
        for offset, form in self._anchors[four]:
            if place >= offset and data.startswith(form, place - offset):
                yield self._sightings[form]


def _four(form: bytes, offset: int) -> int:
    return memoryview(form[offset : offset + 4]).cast("I")[0]


def unpacked(data: bytes) -> Iterator[bytes]:
    """What stands in the bytes compressed, plainly or in base64: sessions, cookies and caches may pack so."""
    yield from _inflated(data)
    for match in _BASE64.finditer(data):
        text = match.group().replace(b"-", b"+").replace(b"_", b"/")
        raw = base64.b64decode(text[: len(text) // 4 * 4])
        yield from _inflated(raw)


def _inflated(data: bytes) -> Iterator[bytes]:
    for match in _PACKED.finditer(data):
        inflater = zlib.decompressobj(wbits=47)  # zlib and gzip
        try:
            inner = inflater.decompress(
                data[match.start() : match.start() + INFLATED_AT_MOST], INFLATED_AT_MOST
            )
        except zlib.error:
            continue
        if len(inner) >= SHORTEST_BINARY_FORM:
            yield inner
