"""What the environment decides about the log, read from settings in one place."""

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.module_loading import import_string

from audit.notes import ED25519, Signer
from audit.signing import public_file, signer_from, write_whole
from audit.witnessing import WitnessClient

if TYPE_CHECKING:
    from audit.letters import Post


def _text(name: str) -> str:
    return str(getattr(settings, name, "") or "")


def keys_folder() -> str:
    return _text("KEYS_DIR")


def origin() -> str:
    """The installation's name, with which the name of every log begins."""
    return _text("AUDIT_LOG_ORIGIN")


def _log_key_file() -> Path:
    given = _text("SEQUENCER_KEY_FILE")
    return Path(given) if given else Path(keys_folder()) / "sequencer.key"


def log_signer() -> Signer:
    """The key every log of the installation is signed with. Raises SigningKeyUnreadable."""
    return signer_from(_log_key_file(), origin(), kind=ED25519)


def log_public_file() -> Path:
    """The verifier key of every log: where the sequencer shows it to processes that must not read its own folder, or beside its key."""
    given = _text("LOG_PUBLIC_KEY_FILE")
    return Path(given) if given else public_file(_log_key_file())


def show_log_key(signer: Signer) -> None:
    """Let others read the public half, where the settings say so. Raises OSError."""
    given, line = _text("LOG_PUBLIC_KEY_FILE"), f"{signer.verifier(ED25519)}\n"
    if given and not (Path(given).exists() and Path(given).read_text(encoding="utf-8") == line):
        write_whole(Path(given), line.encode(), mode=0o644)


def ledger_signer() -> Signer:
    """The key the erasure ledger is handed to the witness with. Raises SigningKeyUnreadable."""
    return signer_from(Path(keys_folder()) / "ledger.key", f"{origin()}/erasures", kind=ED25519)


def ledger_public_file() -> Path | None:
    """Where the witness finds the public half of that key; None where none was set up."""
    given = _text("LEDGER_PUBLIC_KEY_FILE")
    return Path(given) if given else None


def witness() -> WitnessClient | None:
    """None where no witness was set up: checkpoints then are signed by ourselves alone."""
    url = _text("WITNESS_URL")
    return WitnessClient(url, Path(_text("WITNESS_PUBLIC_KEY_FILE"))) if url else None


def with_sm3() -> bool:
    """Whether every log has a parallel tree hashed by SM3."""
    return bool(getattr(settings, "AUDIT_SM3_TREE", False))


def timestamp_url() -> str:
    """The time stamp authority that checkpoints are shown to; empty where there is none."""
    return _text("AUDIT_TIMESTAMP_URL")


def alarm_post() -> "Post":
    """Who carries letters about alarms."""
    post: Post = import_string(_text("ALARM_POST"))()
    return post


def sequencer_url() -> str:
    return _text("DATABASE_SEQUENCER_URL")


def auditor_url() -> str:
    return _text("DATABASE_AUDITOR_URL")


def owner() -> dict[str, str] | None:
    """The owner role's credentials, present only in processes that may change tables."""
    credentials: dict[str, str] | None = getattr(settings, "DATABASE_OWNER", None)
    return credentials
