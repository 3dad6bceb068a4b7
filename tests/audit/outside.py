"""The outside verifier."""

import io
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from django.core.management import call_command

from audit import configured
from tests.factories.audit import CLINIC
from tools import verify_audit


def exported(folder: Path, *options: str) -> Path:
    """A fresh export of the clinic's log."""
    call_command("audit_export", str(folder), *(options or ("--log", str(CLINIC))))
    return folder


def verify(what: Path, *options: object, key: Path | None = None) -> tuple[int, str]:
    """Exit status and words."""
    words = io.StringIO()
    with redirect_stdout(words), redirect_stderr(words):
        status = verify_audit.main(_asked(what, options, key))
    return status, words.getvalue()


def verify_alone(what: Path, *options: object) -> tuple[int, str]:
    """The same as an auditor runs it: another process, another folder, none of our packages."""
    done = subprocess.run(
        [sys.executable, "-I", verify_audit.__file__, *_asked(what, options, None)],
        cwd="/", env={}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _asked(what: Path, options: Sequence[object], key: Path | None) -> list[str]:
    return [str(word) for word in (what, "--log-key", key or configured.log_public_file(), *options)]


def problems(words: str) -> list[str]:
    return [line.removeprefix("PROBLEM ") for line in words.splitlines() if line.startswith("PROBLEM ")]
