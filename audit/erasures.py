"""The erasure ledger and its witness: lines are handed in, and at start both are compared.

The witness delays nothing. While it is away the ledger goes on growing; it gets the lines when it is back.
"""

import logging
import time
from datetime import timedelta

from audit import configured
from audit.notes import ED25519, Checkpoint, Note, Signer
from audit.signing import write_whole
from audit.witnessing import WitnessAbsent, WitnessClient, WitnessRefused
from crypto import ledger
from crypto.core.ledger import Chain
from crypto.errors import LedgerRefused

logger = logging.getLogger(__name__)

LATE_AFTER = timedelta(minutes=1)
LINES_AT_ONCE = 40  # a line is about a kilobyte, and the witness reads 64 at most


def hand_in_ledger() -> bool:
    """Give the witness the committed lines it has not got yet. Whether it has them all, or none was set up.

    Where it has them all it is asked all the same: it may have been away when a process started on an older ledger.
    """
    client = configured.witness()
    if client is None:
        return True
    owed = ledger.known().length > ledger.witnessed()
    try:
        if owed:
            _hand_in(client, ledger.read(), ledger.known().length)
        else:
            _check(ledger.read(), client.erasures())
    except WitnessAbsent as error:
        if owed:
            logger.warning("audit: the witness is absent (%s); erasures wait for it", error)
        return not owed
    except (WitnessRefused, LedgerRefused) as error:
        logger.critical("audit: the erasure ledger is not witnessed: %s", error)
        return False
    return True


def _hand_in(client: WitnessClient, chain: Chain, length: int) -> None:
    signer = configured.ledger_signer()
    seen = client.erasures()
    _check(chain, seen)
    have = seen.size if seen else 0
    while have < length:
        lines = [erasure.line() for erasure in chain.erasures[have : min(length, have + LINES_AT_ONCE)]]
        client.add_erasures(have, lines, _head_note(signer, chain, have + len(lines)))
        have += len(lines)
    write_whole(ledger.ledger_file().with_name(ledger.WITNESSED), str(have).encode(), mode=0o600)


def _head_note(signer: Signer, chain: Chain, length: int) -> Note:
    text = str(Checkpoint(signer.name, length, bytes.fromhex(chain.head_at(length) or "")))
    return Note(text, (signer.sign(text),))


def _check(chain: Chain, seen: Checkpoint | None) -> None:
    if seen is not None:
        ledger.check(chain, seen.size, seen.root.hex(), who="the witness")


def compare_with_witness() -> None:
    """Raises LedgerRefused when the witness knows of more erasures than the ledger, or of others. Its absence is no reason."""
    client = configured.witness()
    if client is None:
        return
    try:
        _check(ledger.read(), client.erasures())
    except WitnessAbsent as error:
        logger.warning("audit: the witness is absent (%s); the erasure ledger was not compared", error)
    except WitnessRefused as error:
        raise LedgerRefused(f"The witness cannot be believed: {error}.") from error


def show_ledger_key() -> None:
    """Let the witness see the public half of the ledger's key, where the settings say so. Raises SigningKeyUnreadable, OSError."""
    place = configured.ledger_public_file()
    if place is None:
        return
    line = f"{configured.ledger_signer().verifier(ED25519)}\n"
    if not place.exists() or place.read_text(encoding="utf-8") != line:
        write_whole(place, line.encode(), mode=0o644)


def is_late() -> bool:
    """Whether the witness has lacked a committed line for a minute."""
    if configured.witness() is None or ledger.witnessed() >= ledger.known().length:
        return False
    try:
        written = ledger.ledger_file().stat().st_mtime
    except FileNotFoundError:
        return True
    return time.time() - written > LATE_AFTER.total_seconds()
