"""Everything `make lint` looks at, each tool named, all of them run, one exit status."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TEST = {"DJANGO_SETTINGS_MODULE": "config.settings.test"}
PYTHON_FOLDERS = [
    "config",
    "deploy",
    "crypto",
    "audit",
    "clinics",
    "patients",
    "consent",
    "records",
    "followups",
    "exchange",
    "desk",
    "portal",
    "bench",
    "tests",
    "tools",
]


def production() -> dict[str, str]:
    """An environment in which production starts, for its own checks."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": "".join(chr(33 + (7 * n) % 90) for n in range(64)),
        "ALLOWED_HOSTS": "crm.clinic.example",
        "AUDIT_LOG_ORIGIN": "crm.clinic.example",
        "SMTP_HOST": "mail.clinic.example",
        "MAIL_FROM": "crm@clinic.example",
        "TRUSTED_PROXIES": "127.0.0.1",
    }


def checks() -> dict[str, tuple[list[str], dict[str, str]]]:
    python = sys.executable
    found: dict[str, tuple[list[str], dict[str, str]]] = {
        "ruff format": ([str(BIN / "ruff"), "format", "--check", "--quiet", "."], {}),
        "ruff": ([str(BIN / "ruff"), "check", "--quiet", "."], {}),
        "mypy": ([str(BIN / "mypy"), *PYTHON_FOLDERS], TEST),
        "import-linter": ([str(BIN / "lint-imports"), "--no-cache"], TEST),
        "djlint": ([str(BIN / "djlint"), "templates", "--lint", "--quiet"], {}),
        "migrations": ([python, "manage.py", "makemigrations", "--check", "--dry-run"], TEST),
        "deployment": ([python, "manage.py", "check", "--deploy", "--fail-level", "WARNING"], production()),
        "messages": ([python, "tools/messages.py", "check"], {}),
        "access matrix": ([python, "manage.py", "access_matrix", "--check"], TEST),
        "data catalogue": ([python, "manage.py", "data_catalogue", "--check"], TEST),
    }
    if (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode
    ):
        found["docker compose"] = (["docker", "compose", "config", "--quiet"], {})
    return found


def main() -> int:
    failed = []
    for name, (command, variables) in checks().items():
        started = time.monotonic()
        done = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(
            f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name} ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout, flush=True)
    print(f"lint: {', '.join(failed)} failed" if failed else "lint: all clean", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
