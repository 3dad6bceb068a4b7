"""The legal hold: keys the application puts away and cannot take back.

A data key is wrapped to a PUBLIC key (X25519, HKDF-SHA256, AES-256-GCM) with the same associated data as under a clinic's KEK.
The application has the public half alone, in KEYS_DIR/hold.pub; the private half is kept off the machine by whoever answers
for records that a law makes the clinic keep.
"""

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from crypto.core.suites import Aead, Broken, Suite, aead
from crypto.core.wrap import unwrap, wrap
from crypto.errors import HoldMissing, KeysMissing, SealBroken
from crypto.keyfiles import read_private, write_once

PUBLIC_FILE = "hold.pub"
PUBLIC_BYTES = 32
SUITE = Suite.AES_256_GCM
_PUBLIC, _PRIVATE = "zhizhi-hold-public", "zhizhi-hold-private"


def put_away(public: bytes, key: bytes, aad: bytes) -> bytes:
    """A key only the holder of the private half can open: ephemeral public key, nonce, ciphertext, tag."""
    ephemeral = X25519PrivateKey.generate()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    sender = ephemeral.public_key().public_bytes_raw()
    return sender + wrap(_cipher(shared, sender, public), key, aad)


def open_held(private: bytes, wrapped: bytes, aad: bytes) -> bytes:
    """The key that was put away. Raises SealBroken when this is not its private half, or it was put away for another place."""
    holder = X25519PrivateKey.from_private_bytes(private)
    sender, sealed = wrapped[:PUBLIC_BYTES], wrapped[PUBLIC_BYTES:]
    try:
        shared = holder.exchange(X25519PublicKey.from_public_bytes(sender))
        return unwrap(_cipher(shared, sender, holder.public_key().public_bytes_raw()), sealed, aad)
    except (Broken, ValueError) as error:
        raise SealBroken("a held key does not open with this private key") from error


def _cipher(shared: bytes, sender: bytes, public: bytes) -> Aead:
    return aead(
        SUITE,
        HKDF(algorithm=SHA256(), length=32, salt=sender + public, info=b"zhizhi/hold/v1").derive(shared),
    )


# --- the pair of keys ---------------------------------------------------------------------------------------------------


def create_pair(private_file: Path, folder: Path) -> None:
    """Make the pair: the private half into a file of one's own (0600), the public half into `folder`, beside the keys.

    Raises KeysMissing where there is a pair already, or a file cannot be written.
    """
    public = folder / PUBLIC_FILE
    if public.exists():
        raise KeysMissing(
            f"{public} is there already: what is held under it would then need both private halves."
        )
    if private_file.exists():
        raise KeysMissing(f"{private_file} is there already: name a new file.")
    private = X25519PrivateKey.generate()
    write_once(private_file, _line(_PRIVATE, private.private_bytes_raw()))
    write_once(public, _line(_PUBLIC, private.public_key().public_bytes_raw()))


def read_public() -> bytes:
    """The public half. Raises HoldMissing where no pair was made, KeysMissing where the file is damaged."""
    if not public_file().exists():
        raise HoldMissing(f"{public_file()} is missing: make the pair with create_hold_key.")
    return _read(public_file(), _PUBLIC)


def read_private_half(path: Path) -> bytes:
    """Raises KeysMissing."""
    return _read(path, _PRIVATE)


def public_file() -> Path:
    """Raises KeysMissing where the settings name no folder of keys."""
    folder = getattr(settings, "KEYS_DIR", None)
    if not folder:
        raise KeysMissing("KEYS_DIR is not set: it names the folder of the installation's keys.")
    return Path(folder) / PUBLIC_FILE


def _line(kind: str, key: bytes) -> bytes:
    return f"{kind} {b64encode(key).decode()}\n".encode()


def _read(path: Path, kind: str) -> bytes:
    words = read_private(path).decode(errors="replace").split()
    try:
        key = b64decode(words[1], validate=True) if len(words) == 2 and words[0] == kind else b""
    except (BadBase64, ValueError):
        key = b""
    if len(key) != PUBLIC_BYTES:
        raise KeysMissing(f"{path} does not hold a key of the kind {kind}.")
    return key
