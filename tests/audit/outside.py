"""The outside verifier as an auditor runs it: another process, another folder, none of our packages."""

import subprocess
import sys
from pathlib import Path

from django.core.management import call_command

from audit import configured
from tests.factories.audit import CLINIC

VERIFIER = Path(__file__).resolve().parents[2] / "tools" / "verify_audit.py"


def exported(folder: Path, *options: str) -> Path:
    """A fresh export of the clinic's log."""
    call_command("audit_export", str(folder), *(options or ("--log", str(CLINIC))))
    return folder


def verify(what: Path, *options: object, key: Path | None = None) -> tuple[int, str]:
    """Exit status and words."""
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), str(what), "--log-key", str(key or configured.log_public_file()),
         *(str(option) for option in options)],
        cwd="/", env={}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def problems(words: str) -> list[str]:
    return [line.removeprefix("PROBLEM ") for line in words.splitlines() if line.startswith("PROBLEM ")]
