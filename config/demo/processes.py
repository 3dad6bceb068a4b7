"""The Procfile's processes: each started with only the addresses it needs, restarted when it dies, all stopped together."""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from config.embedded.places import REPOSITORY

SHARED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "DJANGO_SETTINGS_MODULE",
    "DEMO_MFA",
)
APPLICATION = (
    "DATABASE_URL",
    "REDIS_URL",
    "KEYS_DIR",
    "FILES_DIR",
    "KEY_TABLES_DIR",
    "SECRET_KEY",
    "SMTP_HOST",
    "SMTP_PORT",
    "MAILBOX_URL",
    "PUBLIC_URL",
)
WITNESSED = (
    "WITNESS_URL",
    "WITNESS_PUBLIC_KEY_FILE",
    "LEDGER_PUBLIC_KEY_FILE",
)  # who erases, and who starts after it
SINGLE_SIGN_ON = (
    "OIDC_ISSUER",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_NAME",
    "OIDC_CLAIM",
    "OIDC_SECOND_FACTOR",
    "OIDC_CA_FILE",
)
NEEDS: dict[str, tuple[str, ...]] = {
    "web": (*APPLICATION, *WITNESSED, *SINGLE_SIGN_ON, "PORT"),
    "worker": (*APPLICATION, *WITNESSED),
    "beat": APPLICATION,
    "sequencer": (
        *APPLICATION,
        "DATABASE_SEQUENCER_URL",
        "SEQUENCER_KEY_FILE",
        "WITNESS_URL",
        "WITNESS_PUBLIC_KEY_FILE",
    ),
    "witness": ("WITNESS_DIR", "WITNESS_PORT", "WITNESS_USER"),
    "mailbox": ("MAILBOX_DIR", "SMTP_PORT", "MAILBOX_PORT"),
}
RESTARTS = 5


@dataclass
class Process:
    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    child: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        self.starts += 1
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                self.command, cwd=REPOSITORY, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        return self.child is not None and self.child.poll() is not None

    def signal(self, number: int) -> None:
        if self.child and self.child.poll() is None:
            os.killpg(self.child.pid, number)


@dataclass
class Processes:
    """Use as a context manager: whatever happens inside, every child is stopped at the end."""

    variables: dict[str, str]
    logs: Path
    running: list[Process] = field(default_factory=list)

    def __enter__(self) -> "Processes":
        self.logs.mkdir(exist_ok=True)
        for line in (REPOSITORY / "Procfile").read_text().splitlines():
            name, _, command = line.partition(": ")
            self.running.append(self._process(name, Template(command).safe_substitute(self.variables)))
        for process in self.running:
            process.start()
        return self

    def _process(self, name: str, command: str) -> Process:
        program, *arguments = shlex.split(command)
        known = {**os.environ, **self.variables}
        environment = {key: known[key] for key in (*SHARED, *NEEDS[name]) if key in known}
        return Process(
            name,
            [str(Path(sys.executable).parent / program), *arguments],
            environment,
            self.logs / f"{name}.log",
        )

    def watch(self) -> None:
        """Until a signal comes: a process that dies is started again, a few times, and the terminal says so."""
        while True:
            for process in self.running:
                if process.ended:
                    if process.starts > RESTARTS:
                        raise SystemExit(f"{process.name} keeps ending; its words stand in {process.log}")
                    print(f"{process.name} ended and is started again ({process.log})", flush=True)
                    process.start()
            time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        for process in self.running:
            if process.child is None:
                continue
            try:
                process.child.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.signal(signal.SIGKILL)
                process.child.wait()
