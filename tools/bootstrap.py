"""Make this checkout ready: `.venv` from the hash-locked file, front-end files, messages. Run with any Python 3.11 or newer.

Standard library only, because nothing is installed yet. Each step is skipped when what it depends on has not changed.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV, UV_VENV = ROOT / ".venv", ROOT / ".venv-uv"
STAMPS = VENV / "stamps"
UV = "uv==0.13.9"
LOCK = ROOT / "requirements-dev.txt"


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 (this file is what tells an older Python so)
        print(f"Zhizhi needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    _step("Python packages", [LOCK], _install)
    _step("front-end files", [ROOT / "package-lock.json", ROOT / "tools" / "assets.py"], _assets)
    _step("messages", sorted(ROOT.glob("locale/**/*.po")), _messages)
    _step("bytecode", _sources(), _bytecode)
    return 0


def _step(name: str, inputs: list[Path], work: Callable[[], None]) -> None:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = STAMPS / name.replace(" ", "-")
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"setup: {name} …", flush=True)
    started = time.monotonic()
    work()
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)
    print(f"setup: {name} done in {time.monotonic() - started:.0f} s", flush=True)


def _install() -> None:
    uv = UV_VENV / "bin" / "uv"
    if not uv.exists():
        _run([sys.executable, "-m", "venv", str(UV_VENV)])
        _run([str(UV_VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", UV])
    if not (VENV / "bin" / "python").exists():
        _run([str(uv), "venv", "--quiet", "--python", sys.executable, str(VENV)])
    _run(
        [str(uv), "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", str(LOCK)],
        VIRTUAL_ENV=str(VENV),
    )


def _assets() -> None:
    _run([str(VENV / "bin" / "python"), str(ROOT / "tools" / "assets.py")])


def _messages() -> None:
    _run([str(VENV / "bin" / "python"), str(ROOT / "tools" / "messages.py"), "compile"])


def _sources() -> list[Path]:
    return [path for package in _packages() for path in sorted((ROOT / package).rglob("*.py"))]


def _packages() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))


def _bytecode() -> None:
    """Dozens of processes start in a test run, and where PYTHONDONTWRITEBYTECODE is set each would compile everything again."""
    _run([str(VENV / "bin" / "python"), "-m", "compileall", "-q", *_packages()])


def _run(command: list[str], **variables: str) -> None:
    done = subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, **variables})
    if done.returncode:
        raise SystemExit(
            f"setup: `{' '.join(Path(part).name for part in command[:3])}` failed; its words stand above."
        )


if __name__ == "__main__":
    sys.exit(main())
