"""Blind-index tokens: what is searched for, as a few keyed bits that say nothing without the key.

Widths are chosen so that a token matches more people than one where the term is common, and so few wrong ones that
opening the candidates stays cheap; phone and ID number are near-unique, and their token tells equality alone.
"""

import unicodedata
from collections.abc import Callable
from enum import IntEnum

from crypto.core.pinyin import initials
from crypto.core.suites import KeyedHash

LONGEST_TERM = 60  # characters of a name that are indexed


class Index(IntEnum):
    """What people are found by. The number is stored, the lower-case name is part of every token: neither changes."""

    PHONE_EQ = 1  # the whole number in E.164
    IDNO_EQ = 2  # the whole ID number
    PHONE_LAST4 = 3
    NAME_BG = 4  # each two neighbouring characters
    NAME_EQ = 5  # the whole name
    PY_INIT = 6  # initials of the name in pinyin, every reading

    @property
    def label(self) -> str:
        return self.name.lower()


BITS = {
    Index.PHONE_EQ: 64,
    Index.IDNO_EQ: 64,
    Index.PHONE_LAST4: 12,
    Index.NAME_BG: 24,
    Index.NAME_EQ: 32,
    Index.PY_INIT: 12,
}


def name_terms(text: str) -> str:
    """A name without case, width, spaces, dots and hyphens: 「古丽·阿依」 and 「古丽阿依」 are found alike."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (
        char
        for char in folded
        if unicodedata.category(char)[0] in "LMN" or unicodedata.category(char) == "Co"
    )
    return "".join(kept)[:LONGEST_TERM]


def digits(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text) if char in "0123456789")


def _phone(text: str) -> list[str]:
    number = digits(text)
    plus = "+" if unicodedata.normalize("NFKC", text).lstrip().startswith("+") else ""
    return [plus + number] if number else []


def _phone_last4(text: str) -> list[str]:
    number = digits(text)
    return [number[-4:]] if len(number) >= 4 else []


def _id_number(text: str) -> list[str]:
    number = "".join(char for char in unicodedata.normalize("NFKC", text).upper() if char.isalnum())
    return [number] if number else []


def _windows(text: str) -> list[str]:
    name = name_terms(text)
    return list(dict.fromkeys(name[at : at + 2] for at in range(len(name) - 1)))


def _whole_name(text: str) -> list[str]:
    name = name_terms(text)
    return [name] if name else []


TERMS: dict[Index, Callable[[str], list[str]]] = {
    Index.PHONE_EQ: _phone,
    Index.IDNO_EQ: _id_number,
    Index.PHONE_LAST4: _phone_last4,
    Index.NAME_BG: _windows,
    Index.NAME_EQ: _whole_name,
    Index.PY_INIT: initials,
}


def terms(index: Index, text: str) -> list[str]:
    """What of `text` goes into the index, each once; nothing when the text is too short for it."""
    return TERMS[index](text)


def token(keyed: KeyedHash, index: Index, term: str) -> int:
    """The first bits of the keyed hash, as a signed 64-bit number. `keyed` is the index's own key."""
    label = index.label.encode()
    head = int.from_bytes(keyed.digest(bytes((len(label),)) + label + term.encode())[:8], "big")
    value = head >> (64 - BITS[index])
    return value - 2**64 if value >= 2**63 else value
