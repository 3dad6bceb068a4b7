"""Asking the witness: hand in a checkpoint with its proof, get the cosignature, or learn what the witness has seen."""

import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.notes import COSIGNATURE, Checkpoint, Note, NoteRefused, Verifier
from audit.signing import read_verifier

SECONDS = 2.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the witness is never behind a proxy


class WitnessAbsent(Exception):
    """It did not answer in time; the log goes on and asks again."""


class WitnessRefused(Exception):
    """It saw another history than the one it was shown, or does not know this log. Somebody must look."""


@dataclass(frozen=True, slots=True)
class WitnessClient:
    url: str
    public_key_file: Path

    def verifier(self) -> Verifier:
        """Raises WitnessAbsent while the witness has not shown its key yet."""
        try:
            key = read_verifier(self.public_key_file)
        except (OSError, NoteRefused) as error:
            raise WitnessAbsent(f"no key of the witness in {self.public_key_file}") from error
        if key.kind != COSIGNATURE:
            raise WitnessRefused(f"{self.public_key_file} is not the key of a witness")
        return key

    def cosignature(
        self, note: Note, size: int, known: int, proof_from: Callable[[int], Sequence[bytes]]
    ) -> str:
        """The line the witness adds to `note` of this size. `known` is what we think it signed last; it may correct us once.

        Raises WitnessAbsent, WitnessRefused.
        """
        verifier = self.verifier()
        status, body = self._post(known, proof_from(known), note)
        if status == 409 and body.strip().isdecimal() and int(body) <= size and int(body) != known:
            status, body = self._post(int(body), proof_from(int(body)), note)
        if status != 200:
            raise WitnessRefused(f"status {status}: {body.strip()[:80]}")
        try:
            Note(note.text, tuple(body.splitlines(keepends=True))).check([verifier])
        except NoteRefused as error:
            raise WitnessRefused(f"its signature is wrong: {error}") from error
        return body

    def greet(self) -> None:
        """Whether it is there, under the key we know. Raises WitnessAbsent, WitnessRefused."""
        status, body = self._ask("", None)
        if status != 200:
            raise WitnessAbsent(f"status {status}")
        if body.strip() != str(self.verifier()):
            raise WitnessRefused("it answers under another key than the one we know")

    def erasures(self) -> Checkpoint | None:
        """How far the witness's copy of the erasure ledger goes: its length, and its head as `root`. None: it has none yet.

        Raises WitnessAbsent, WitnessRefused.
        """
        verifier = self.verifier()
        status, body = self._ask("erasures", None)
        if status != 200:
            raise WitnessAbsent(f"status {status}")
        if not body:
            return None
        try:
            note = Note.parse(body)
            note.check([verifier])
            return Checkpoint.parse(note.text)
        except NoteRefused as error:
            raise WitnessRefused(
                f"what it says of the erasure ledger is not signed by it: {error}"
            ) from error

    def add_erasures(self, old: int, lines: Sequence[bytes], note: Note) -> None:
        """Hand in the lines after the first `old`, and the signed head after them. Raises WitnessAbsent, WitnessRefused."""
        verifier = self.verifier()
        status, body = self._ask(
            "add-erasures", "\n".join([f"old {old}", *(line.decode() for line in lines), "", str(note)])
        )
        if status == 404:
            raise WitnessAbsent("it has not seen the key of the erasure ledger yet")
        if status != 200:
            raise WitnessRefused(f"erasures, status {status}: {body.strip()[:80]}")
        try:
            Note(note.text, tuple(body.splitlines(keepends=True))).check([verifier])
        except NoteRefused as error:
            raise WitnessRefused(f"its signature is wrong: {error}") from error

    def _post(self, old_size: int, proof: Sequence[bytes], note: Note) -> tuple[int, str]:
        lines = [f"old {old_size}", *(b64encode(step).decode() for step in proof), "", str(note)]
        return self._ask("add-checkpoint", "\n".join(lines))

    def _ask(self, what: str, body: str | None) -> tuple[int, str]:
        """Status and text. Raises WitnessAbsent."""
        url = f"{self.url.rstrip('/')}/{what}"
        data, method = (None, "GET") if body is None else (body.encode(), "POST")
        request = urllib.request.Request(url, data, method=method)  # noqa: S310  the operator's own setting
        try:
            with _opener.open(request, timeout=SECONDS) as answer:
                return answer.status, answer.read(65536).decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read(65536).decode(errors="replace")
        except (urllib.error.URLError, OSError, UnicodeDecodeError) as error:
            raise WitnessAbsent(type(error).__name__) from error
