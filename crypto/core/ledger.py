"""One line of the erasure ledger, and the chain the lines make. The witness, which has no Django, reads it too.

A line is JSON in one form: keys sorted, no spaces, texts and lists of texts alone. Each holds the hash of the line before, so
that none can be changed, left out or put in later without every head after it changing. No name and no value stands in it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from crypto.core.scopes import Scope

VERSION = "1"
NOTHING = "0" * 64  # the head of an empty ledger
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_HASH = re.compile(r"[0-9a-f]{64}")


class LedgerBroken(Exception):
    """The bytes are not a ledger: a line is not in its form, or does not go on from the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure: whose keys of which scopes were destroyed, and which were put under the legal hold.

    `number` counts from 1; `at` is UTC to the microsecond; `previous` is the hash of the line before.
    """

    number: int
    at: str
    clinic_id: UUID
    patient_id: UUID
    subject_ids: tuple[UUID, ...]
    destroyed: frozenset[Scope]
    restricted: frozenset[Scope]
    key_ids: tuple[int, ...]
    held_key_ids: tuple[int, ...]
    file_ids: tuple[UUID, ...]
    reference: UUID
    previous: str

    def line(self) -> bytes:
        """The line without its newline."""
        facts = {
            "v": VERSION,
            "n": str(self.number),
            "at": self.at,
            "clinic": str(self.clinic_id),
            "patient": str(self.patient_id),
            "subjects": _texts(self.subject_ids),
            "destroyed": _texts(scope.name.lower() for scope in self.destroyed),
            "restricted": _texts(scope.name.lower() for scope in self.restricted),
            "keys": _texts(self.key_ids),
            "held": _texts(self.held_key_ids),
            "files": _texts(self.file_ids),
            "ref": str(self.reference),
            "prev": self.previous,
        }
        return json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()

    @property
    def head(self) -> str:
        return sha256(self.line()).hexdigest()

    @classmethod
    def parse(cls, line: bytes) -> "Erasure":
        """Raises LedgerBroken for anything but a line in the one form it is written in."""
        try:
            facts = json.loads(line)
            found = cls._from(facts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerBroken("this is not a line of the ledger") from error
        if found.line() != line or not _MOMENT.fullmatch(found.at) or not _HASH.fullmatch(found.previous):
            raise LedgerBroken("this is not a line of the ledger in its form")
        return found

    @classmethod
    def _from(cls, facts: dict[str, Any]) -> "Erasure":
        return cls(
            number=int(facts["n"]),
            at=facts["at"],
            clinic_id=UUID(facts["clinic"]),
            patient_id=UUID(facts["patient"]),
            subject_ids=tuple(map(UUID, facts["subjects"])),
            destroyed=frozenset(Scope[name.upper()] for name in facts["destroyed"]),
            restricted=frozenset(Scope[name.upper()] for name in facts["restricted"]),
            key_ids=tuple(map(int, facts["keys"])),
            held_key_ids=tuple(map(int, facts["held"])),
            file_ids=tuple(map(UUID, facts["files"])),
            reference=UUID(facts["ref"]),
            previous=facts["prev"],
        )


def _texts(values: Iterable[object]) -> list[str]:
    return sorted(map(str, values))


class Chain(NamedTuple):
    """The whole lines of a ledger, and what a power cut left of one more."""

    erasures: tuple[Erasure, ...]
    torn: bytes

    @property
    def length(self) -> int:
        return len(self.erasures)

    @property
    def head(self) -> str:
        return self.erasures[-1].head if self.erasures else NOTHING

    def head_at(self, length: int) -> str | None:
        """The head when the ledger was this long; None when it never was."""
        if length > self.length:
            return None
        return self.erasures[length - 1].head if length else NOTHING


def read_chain(content: bytes) -> Chain:
    """Every line, each checked against the one before. Raises LedgerBroken.

    A last line that was not written whole is handed back as `torn`; whoever knows how long the ledger was decides about it.
    """
    erasures: list[Erasure] = []
    head, start = NOTHING, 0
    while start < len(content):
        end = content.find(b"\n", start)
        line = content[start:end]
        try:
            if end < 0:
                raise LedgerBroken("the last line has no end")
            erasure = Erasure.parse(line)
        except LedgerBroken:
            if 0 <= end < len(content) - 1:
                raise LedgerBroken(f"line {len(erasures) + 1} is damaged") from None
            return Chain(tuple(erasures), content[start:])
        if erasure.number != len(erasures) + 1 or erasure.previous != head:
            raise LedgerBroken(f"line {len(erasures) + 1} does not go on from the one before")
        erasures.append(erasure)
        head, start = sha256(line).hexdigest(), end + 1
    return Chain(tuple(erasures), b"")
