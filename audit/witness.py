"""A witness of the log: `python -m audit.witness --dir DIR --port N --log-key FILE`. Needs no Django and no database.

It speaks C2SP tlog-witness: a log hands in each new checkpoint with a proof that it continues the last one. The witness
remembers the largest it has signed for each log, refuses a fork or a step back, writes down before it answers, and signs with
the time. Whoever later rewrites the log cannot make it sign a second history.

It also keeps a copy of the erasure ledger, line by line: it takes only lines that go on from those it has, and tells how many
they are. Whoever puts an older ledger back is found out by it.
"""

import argparse
import codecs
import fcntl
import os
import pwd
import re
import sys
import threading
import time
from base64 import b64decode
from binascii import Error as BadBase64
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import IO

from audit.merkle import ProofRefused, verify_consistency
from audit.notes import COSIGNATURE, Checkpoint, Note, NoteRefused, Signer, Verifier
from audit.signing import SigningKeyUnreadable, read_verifier, signer_from, write_whole
from crypto.core.ledger import Chain, LedgerBroken, read_chain

LOG_KEY = "log.pub"
LEDGER_KEY = "ledger.pub"
LEDGER = "erasures.ledger"
LEDGER_NOTE = "erasures.note"
SECONDS_FOR_LOG_KEY = 60
LARGEST_REQUEST = 64 * 1024
LONGEST_PROOF = 63
_OLD_SIZE = re.compile(r"old (0|[1-9][0-9]{0,18})")


class WitnessCannotStart(Exception):
    """Something the witness needs is missing; the message says what."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Submission:
    """What a log hands in: from which size on, the proof, and the signed checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: str) -> "Submission":
        """Raises NoteRefused."""
        head, blank, rest = body.partition("\n\n")
        first, *lines = head.split("\n")
        size = _OLD_SIZE.fullmatch(first)
        if not blank or size is None or len(lines) > LONGEST_PROOF:
            raise NoteRefused("this is not a request to add a checkpoint")
        note = Note.parse(rest)
        return cls(int(size[1]), tuple(_hash(line) for line in lines), note, Checkpoint.parse(note.text))


@dataclass(frozen=True, slots=True)
class Lines:
    """What an installation hands in of its erasure ledger: the lines after the first `old`, and the signed head after them."""

    old: int
    lines: bytes
    note: Note
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: str) -> "Lines":
        """Raises NoteRefused."""
        head, blank, rest = body.partition("\n\n")
        first, *lines = head.split("\n")
        old = _OLD_SIZE.fullmatch(first)
        if not blank or old is None:
            raise NoteRefused("this is not a request to add erasures")
        note = Note.parse(rest)
        content = "".join(f"{line}\n" for line in lines).encode()
        return cls(int(old[1]), content, note, Checkpoint.parse(note.text))


def _hash(line: str) -> bytes:
    try:
        decoded = b64decode(line, validate=True)
    except (BadBase64, ValueError):
        decoded = b""
    if len(decoded) != 32:
        raise NoteRefused("this is not a hash")
    return decoded


class Witness:
    """The memory and the judgement. One of them per folder."""

    def __init__(self, folder: Path, name: str, ledger_key: Path | None = None) -> None:
        """`ledger_key` is where the installation shows the key of its erasure ledger; the first one seen is kept."""
        self._folder = folder
        self._ledger_key = ledger_key
        self._seen = folder / "seen"
        self._seen.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = self._only_one(folder / "lock")
        self._lock = threading.Lock()
        self._log = read_verifier(folder / LOG_KEY)
        self.signer: Signer = signer_from(folder / "witness.key", name, kind=COSIGNATURE)

    @staticmethod
    def _only_one(path: Path) -> IO[str]:
        """Two witnesses on one folder could sign two histories. Raises BlockingIOError."""
        file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def add_checkpoint(self, body: str) -> Answer:
        try:
            submission = Submission.parse(body)
        except NoteRefused as error:
            return Answer(HTTPStatus.BAD_REQUEST, f"{error}\n")
        origin = submission.checkpoint.origin
        with self._lock:
            verifier = self._verifier_of(origin)
            if verifier is None:
                return Answer(HTTPStatus.NOT_FOUND, "unknown log\n")
            try:
                submission.note.check([verifier])
            except NoteRefused as error:
                return Answer(HTTPStatus.FORBIDDEN, f"{error}\n")
            return self._judge(submission)

    def _verifier_of(self, origin: str) -> Verifier | None:
        """Every log of the installation signs with one key, each under its own name."""
        return Verifier(origin, self._log.public) if origin.startswith(f"{self._log.name}/") else None

    def _judge(self, submission: Submission) -> Answer:
        new = submission.checkpoint
        if submission.old_size > new.size:
            return Answer(HTTPStatus.BAD_REQUEST, "the old size is above the new one\n")
        known = self._latest(new)
        if submission.old_size != known.size or (new.size == known.size and new.root != known.root):
            return Answer(HTTPStatus.CONFLICT, f"{known.size}\n", "text/x.tlog.size")
        try:
            verify_consistency(known.size, known.root, new.size, new.root, submission.proof, new.hashing)
        except ProofRefused as error:
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}\n")
        line = self.signer.cosign(submission.note.text, at=int(time.time()))
        kept = Note(submission.note.text, (*submission.note.signatures, line))
        write_whole(self._file_of(new.origin), str(kept).encode(), mode=0o600)
        return Answer(HTTPStatus.OK, line)

    def _latest(self, new: Checkpoint) -> Checkpoint:
        """The largest checkpoint signed for this log, read from disk each time: memory and disk cannot disagree."""
        path = self._file_of(new.origin)
        if not path.exists():
            return Checkpoint(new.origin, 0, new.hashing.empty_root)
        return Checkpoint.parse(Note.parse(path.read_text(encoding="utf-8")).text)

    # --- the erasure ledger -------------------------------------------------------------------------------------------

    def add_erasures(self, body: str) -> Answer:
        """Lines that go on from those this witness has are kept, synced to disk, and their head is cosigned."""
        try:
            handed_in = Lines.parse(body)
        except NoteRefused as error:
            return Answer(HTTPStatus.BAD_REQUEST, f"{error}\n")
        with self._lock:
            verifier = self._ledger_verifier()
            if verifier is None or handed_in.checkpoint.origin != verifier.name:
                return Answer(HTTPStatus.NOT_FOUND, "unknown ledger\n")
            try:
                handed_in.note.check([verifier])
            except NoteRefused as error:
                return Answer(HTTPStatus.FORBIDDEN, f"{error}\n")
            return self._keep_lines(handed_in)

    def erasures(self) -> Answer:
        """The newest head this witness cosigned; nothing while it has none."""
        path = self._folder / LEDGER_NOTE
        return Answer(HTTPStatus.OK, path.read_text(encoding="utf-8") if path.exists() else "")

    def _ledger_verifier(self) -> Verifier | None:
        pinned = self._folder / LEDGER_KEY
        if not pinned.exists() and self._ledger_key is not None and self._ledger_key.exists():
            write_whole(pinned, f"{read_verifier(self._ledger_key)}\n".encode(), mode=0o644, replace=False)
        return read_verifier(pinned) if pinned.exists() else None

    def _keep_lines(self, handed_in: Lines) -> Answer:
        path = self._folder / LEDGER
        content = path.read_bytes() if path.exists() else b""
        known = read_chain(content)
        if handed_in.old != known.length:
            return Answer(HTTPStatus.CONFLICT, f"{known.length}\n", "text/x.tlog.size")
        try:
            chain = read_chain(content + handed_in.lines)
            self._check_head(chain, handed_in.checkpoint)
        except LedgerBroken as error:
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{error}\n")
        if handed_in.lines:
            write_whole(path, content + handed_in.lines, mode=0o600)
        line = self.signer.cosign(handed_in.note.text, at=int(time.time()))
        kept = Note(handed_in.note.text, (*handed_in.note.signatures, line))
        write_whole(self._folder / LEDGER_NOTE, str(kept).encode(), mode=0o600)
        return Answer(HTTPStatus.OK, line)

    @staticmethod
    def _check_head(chain: Chain, head: Checkpoint) -> None:
        """Raises LedgerBroken."""
        if chain.torn or (chain.length, chain.head) != (head.size, head.root.hex()):
            raise LedgerBroken("the lines do not lead to the signed head")

    def _file_of(self, origin: str) -> Path:
        return self._seen / f"{sha256(origin.encode()).hexdigest()}.note"


class Handler(BaseHTTPRequestHandler):
    witness: Witness
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds; a silent client does not keep its thread

    def do_GET(self) -> None:
        """Alive, and under which key; or how far the copy of the erasure ledger goes."""
        if self.path == "/erasures":
            self._answer(self.witness.erasures())
            return
        self._answer(Answer(HTTPStatus.OK, f"{self.witness.signer.verifier(COSIGNATURE)}\n"))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        take = {"/add-checkpoint": self.witness.add_checkpoint, "/add-erasures": self.witness.add_erasures}
        if self.path not in take:
            self._answer(Answer(HTTPStatus.NOT_FOUND), close=True)
        elif not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self._answer(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE), close=True)
        else:
            try:
                body = self.rfile.read(int(length)).decode()
            except UnicodeDecodeError:
                self._answer(Answer(HTTPStatus.BAD_REQUEST, "not UTF-8\n"))
                return
            self._answer(take[self.path](body))

    def _answer(self, answer: Answer, *, close: bool = False) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Refusals alone are worth a line."""
        if int(code) >= HTTPStatus.BAD_REQUEST:
            super().log_request(code, size)


class Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        super().__init__(address, type("BoundHandler", (Handler,), {"witness": witness}))

    def server_bind(self) -> None:
        """Without the look-up of our own name, which may wait for a resolver."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]


def pin_log_key(folder: Path, given: Path | None) -> None:
    """Keep the first key the log shows: another one later changes nothing. Waits a minute for the log to make it.

    Raises WitnessCannotStart.
    """
    pinned = folder / LOG_KEY
    deadline = time.monotonic() + SECONDS_FOR_LOG_KEY
    while not pinned.exists():
        if given is not None and given.exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(pinned, f"{read_verifier(given)}\n".encode(), mode=0o644)
        elif given is None or time.monotonic() > deadline:
            raise WitnessCannotStart(f"there is no key of the log in {given or pinned}")
        else:
            time.sleep(0.2)


def become(user: str, folder: Path) -> None:
    """Give the folder to this account and go on as it; whoever can read the database cannot sign here. Needs root."""
    for encoding in ("ascii", "idna", "latin-1", "utf-8"):
        codecs.lookup(encoding)  # later this account may not be able to read Python's own files
    account = pwd.getpwnam(user)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, account.pw_uid, account.pw_gid)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def main() -> int:
    options = _options()
    folder: Path = options.dir
    try:
        pin_log_key(folder, options.log_key)
        witness = Witness(folder, options.name, options.ledger_key)
    except (WitnessCannotStart, SigningKeyUnreadable, NoteRefused, OSError) as error:
        print(f"witness: cannot start in {folder}: {error}", file=sys.stderr)
        return 1
    if options.public_key:
        write_whole(options.public_key, f"{witness.signer.verifier(COSIGNATURE)}\n".encode(), mode=0o644)
    with Server((options.host, options.port), witness) as server:
        if options.user and os.geteuid() == 0:
            become(options.user, folder)
        print(f"witness {options.name} on {options.host}:{server.server_address[1]}", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m audit.witness", description="A witness of the log (C2SP tlog-witness)."
    )
    parser.add_argument(
        "--dir", type=Path, required=True, help="folder of its key and of what it has seen; its own alone"
    )
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one and prints it")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine alone)"
    )
    parser.add_argument("--name", default="zhizhi.local/witness", help="the name it signs under")
    parser.add_argument(
        "--log-key",
        type=Path,
        help="verifier key of the log (the sequencer's .pub file); kept as DIR/log.pub",
    )
    parser.add_argument(
        "--ledger-key",
        type=Path,
        help="where the installation shows the key of its erasure ledger; the first one is kept as DIR/ledger.pub",
    )
    parser.add_argument(
        "--public-key", type=Path, help="where to write the witness's own verifier key for others to read"
    )
    parser.add_argument("--user", help="started by root: go on as this account")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
