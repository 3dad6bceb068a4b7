"""Make the random texts that docker-compose.yml mounts: one file each in deploy/secrets, never one that exists already.

Standard library only. The SMTP password is the mail provider's, so that file is made empty and filled by hand.
"""

import os
import secrets
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "secrets"
READERS = 10001  # the group the containers read them with
RANDOM = (
    "secret_key",
    "postgres_password",
    "zhizhi_owner_password",
    "zhizhi_app_password",
    "zhizhi_sequencer_password",
    "zhizhi_auditor_password",
    "zhizhi_backup_password",
    "valkey_password",
)
BY_HAND = ("smtp_password",)


def make(folder: Path = FOLDER) -> list[str]:
    """The names of the files that were made now."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return [
        name
        for name in (*RANDOM, *BY_HAND)
        if _write(folder / name, "" if name in BY_HAND else secrets.token_urlsafe(48))
    ]


def _write(path: Path, text: str) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0:
        os.chown(path, 0, READERS)
    return True


def main() -> int:
    made = make()
    print(
        f"{len(made)} made in {FOLDER}: {', '.join(made)}"
        if made
        else f"All secrets stand in {FOLDER} already."
    )
    if os.geteuid() != 0:
        print(f"Give them to the containers' group: sudo chgrp --recursive {READERS} {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
