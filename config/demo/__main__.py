"""`make demo`: services, migrations, invented people, and every process; one READY line when people may come."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from config.dbroles.roles import ROLES
from config.demo.processes import Processes
from config.embedded.__main__ import run_services
from config.embedded.accounts import account_of_services, account_of_witness
from config.embedded.places import REPOSITORY, announce, free_port, open_place

DATA = REPOSITORY / ".zhizhi"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.demo", description=__doc__)
    parser.add_argument("--reset", action="store_true", help="throw the demo's data away and stop")
    if parser.parse_args().reset:
        return reset()
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    with run_demo(DATA) as demo:
        print(f"READY http://127.0.0.1:{demo.variables['PORT']}", flush=True)
        demo.manage("seed_demo", "--accounts")
        demo.processes.watch()
    return 0


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: `variables` are what its processes see, the owner's address left out."""

    variables: dict[str, str]
    processes: Processes

    def manage(self, *arguments: str) -> None:
        _manage(list(arguments), self.variables)


@contextmanager
def run_demo(data: Path | None, *, patients: int = 300) -> Iterator[Demo]:
    """Everything the product consists of, ready for people; stopped at the end. `data` None: thrown away."""
    _say("starting PostgreSQL and Valkey")
    with run_services(data) as services:
        folder = Path(services["ZHIZHI_DATA"])
        variables = {**services, **_addresses(folder), "DJANGO_SETTINGS_MODULE": "config.settings.demo"}
        announce(folder, variables)
        _say("preparing tables")
        _manage(["migrate", "--verbosity", "0"], variables)
        del variables["DATABASE_OWNER_URL"]
        _say("inviting invented people")
        _manage(["seed_demo", "--patients", str(patients)], variables)
        _say("starting web, worker, beat, sequencer, witness and mailbox")
        with Processes(variables, folder / "logs") as processes:
            _wait_for_web(variables["PORT"], folder / "logs" / "web.log")
            yield Demo(variables, processes)


def reset() -> int:
    with open_place(DATA, account_of_services()) as place:
        for path in place.data.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    print("The demo's data are gone; `make demo` starts anew.")
    return 0


def _addresses(data: Path) -> dict[str, str]:
    witness = account_of_witness()
    witness_dir, mailbox_dir = data / "witness", data / "mailbox"
    witness_dir.mkdir(mode=0o700, exist_ok=True)  # the mailbox makes its own folder, as a Maildir
    witness.own(witness_dir)
    smtp_port, mailbox_port, witness_port = free_port(), free_port(), free_port()
    port = os.environ.get("DEMO_PORT") or str(free_port())
    return {
        "PORT": port,
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp_port),
        "MAILBOX_PORT": str(mailbox_port),
        "MAILBOX_DIR": str(mailbox_dir),
        "MAILBOX_URL": f"http://127.0.0.1:{mailbox_port}/",
        "WITNESS_DIR": str(witness_dir),
        "WITNESS_PORT": str(witness_port),
        "WITNESS_URL": f"http://127.0.0.1:{witness_port}",
        "WITNESS_USER": witness.name,
        "SEQUENCER_KEY_FILE": str(data / "keys" / "sequencer.key"),
        "WITNESS_PUBLIC_KEY_FILE": str(data / "witness.pub"),
        "LEDGER_PUBLIC_KEY_FILE": str(data / "ledger.pub"),
    }


def _manage(command: list[str], variables: dict[str, str]) -> None:
    """Run manage.py with these addresses alone, whatever services this process itself was given."""
    addresses = {role.variable for role in ROLES}
    inherited = {key: value for key, value in os.environ.items() if key not in addresses}
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "manage.py"), *command], check=False, env={**inherited, **variables}
    )
    if done.returncode:
        raise SystemExit(f"`manage.py {command[0]}` failed; its words stand above.")


def _wait_for_web(port: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"The web process did not answer on port {port} within 60 s; its log stands in {log}")


def _say(words: str) -> None:
    print(f"demo: {words} …", flush=True)


def _stop(signum: int, frame: FrameType | None) -> None:
    """The first signal stops everything; a second one must not cut the stopping short."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
