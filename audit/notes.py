"""Signed notes, checkpoints and cosignatures as C2SP writes them (signed-note, tlog-checkpoint, tlog-cosignature). Pure."""

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.merkle import HASHINGS, SHA256, Hashing

ED25519 = 0x01
COSIGNATURE = 0x04
DASH = "\N{EM DASH} "


class NoteRefused(Exception):
    """The text is not a note, or no known key signed it."""


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A name, and the Ed25519 public key that signs under it: a note (ED25519) or a timestamped cosignature (COSIGNATURE)."""

    name: str
    public: bytes
    kind: int = ED25519

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.kind, self.public)

    def __str__(self) -> str:
        """The verifier key as one line, the way Go's sumdb/note reads it."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def parse(cls, line: str) -> "Verifier":
        """Raises NoteRefused."""
        name, _, rest = line.strip().partition("+")
        number, _, encoded = rest.partition("+")
        key = _decode(encoded)
        found = cls(name, key[1:], key[0] if key else 0)
        if len(found.public) != 32 or found.kind not in (ED25519, COSIGNATURE) or found.id.hex() != number:
            raise NoteRefused("this is not a verifier key")
        return found

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether `signature` (without the key's number) is this key's over the text."""
        message = text.encode()
        if self.kind == COSIGNATURE:
            message, signature = _cosigned(text, int.from_bytes(signature[:8], "big")), signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """The private half: 32 bytes of seed and the name it signs under."""

    name: str
    seed: bytes

    def verifier(self, kind: int = ED25519) -> Verifier:
        return Verifier(self.name, self._key.public_key().public_bytes_raw(), kind)

    def sign(self, text: str) -> str:
        """The signature line of a note."""
        return _line(self.verifier(), self._key.sign(text.encode()))

    def cosign(self, text: str, *, at: int) -> str:
        """The line of a witness: at this second (Unix time) nothing longer was known of the log. Raises ValueError."""
        return _line(self.verifier(COSIGNATURE), at.to_bytes(8, "big") + self._key.sign(_cosigned(text, at)))

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _line(verifier: Verifier, signature: bytes) -> str:
    return f"{DASH}{verifier.name} {b64encode(verifier.id + signature).decode()}\n"


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (BadBase64, ValueError):
        raise NoteRefused("this is not base64") from None


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signature lines."""

    text: str
    signatures: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(self.signatures)}"

    @classmethod
    def parse(cls, raw: str) -> "Note":
        """Raises NoteRefused."""
        text, blank, lines = raw.rpartition("\n\n")
        signatures = tuple(lines.splitlines(keepends=True))
        if not blank or not signatures or any(c < " " and c != "\n" for c in raw):
            raise NoteRefused("this is not a note")
        if not all(
            line.startswith(DASH) and line.endswith("\n") and line.count(" ") == 2 for line in signatures
        ):
            raise NoteRefused("this is not a signature line")
        return cls(text + "\n", signatures)

    def check(self, verifiers: Iterable[Verifier]) -> list[Verifier]:
        """Which of these keys signed. Raises NoteRefused where none did, or where one's signature is wrong."""
        signed = [v for v in verifiers if any(self._signed_by(v, line) for line in self.signatures)]
        if not signed:
            raise NoteRefused("no known key signed this")
        return signed

    def _signed_by(self, verifier: Verifier, line: str) -> bool:
        _, name, encoded = line.rstrip("\n").split(" ")
        signature = _decode(encoded)
        if name != verifier.name or signature[:4] != verifier.id:
            return False
        if not verifier.signed(self.text, signature[4:]):
            raise NoteRefused(f"the signature of {name} is wrong")
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: `size` entries under `root`. `origin` names the log; no extension lines."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @property
    def hashing(self) -> Hashing:
        """How the tree is hashed: its origin ends in the name of whatever is not SHA-256."""
        return HASHINGS.get(self.origin.rpartition("/")[2], SHA256)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Raises NoteRefused; extension lines are read over, as the format asks."""
        origin, size, root, *_ = [*text.split("\n"), "", "", ""]
        if not origin or not _is_size(size) or len(hashed := _decode(root)) != 32:
            raise NoteRefused("this is not a checkpoint")
        return cls(origin, int(size), hashed)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text
