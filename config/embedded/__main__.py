"""Run a command with PostgreSQL and Valkey of its own: `python -m config.embedded [--data DIR | --ephemeral] -- CMD…`.

Beside services that run on the same folder already (a demo), the command uses those.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from config.embedded.accounts import account_of_services
from config.embedded.places import REPOSITORY, announce, data_folder, open_place, running_on, secrets_of
from config.embedded.postgres import run_postgres
from config.embedded.valkey import run_valkey
from crypto.hold import PUBLIC_FILE, create_pair


@contextmanager
def run_services(data: Path | None) -> Iterator[dict[str, str]]:
    """PostgreSQL and Valkey, and the variables by which a process finds them. `data` None: thrown away at the end."""
    account = account_of_services()
    with ExitStack() as stack:
        place = stack.enter_context(open_place(data, account))
        secrets = secrets_of(place)
        postgres = stack.enter_context(run_postgres(place, secrets, account))
        redis_url = stack.enter_context(run_valkey(place, secrets, account))
        keys, files, key_tables = (place.data / name for name in ("keys", "files", "key-tables"))
        for folder in (keys, files, key_tables):
            folder.mkdir(mode=0o700, exist_ok=True)
        _make_hold_pair(place.data / "hold", keys)
        variables = {
            **postgres.urls(),
            "REDIS_URL": redis_url,
            "KEYS_DIR": str(keys),
            "FILES_DIR": str(files),
            "KEY_TABLES_DIR": str(key_tables),
            "SECRET_KEY": secrets.secret_key,
            "ZHIZHI_DATA": str(place.data),
        }
        announce(place.data, variables)
        yield variables


def _make_hold_pair(folder: Path, keys: Path) -> None:
    """So that erasing works at once. In production the private half is taken off the machine; here it stands beside the keys."""
    if not (keys / PUBLIC_FILE).exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        create_pair(folder / "hold.private", keys)


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    data = None if options.ephemeral else Path(options.data).resolve()
    if data and (
        running := running_on(data_folder(data, account_of_services()))
    ):  # such as beside a running demo
        return _run(options.command, {**os.environ, **running})
    with run_services(data) as variables:
        environment = {**os.environ, **variables}
        if not options.bare:
            migrate = [sys.executable, str(REPOSITORY / "manage.py"), "migrate", "--verbosity", "0"]
            if done := subprocess.run(migrate, check=False, env=environment).returncode:
                return done
        return _run(options.command, environment)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--data", default=str(REPOSITORY / ".zhizhi"), help="folder that keeps the data (default: .zhizhi)"
    )
    where.add_argument("--ephemeral", action="store_true", help="a temporary folder, removed at the end")
    parser.add_argument("--bare", action="store_true", help="roles and an empty database, no migration")
    parser.add_argument("command", nargs="+", help="the command, after --")
    return parser.parse_args()


def _run(command: list[str], environment: dict[str, str]) -> int:
    """The command's exit status. An interrupt reaches it and us; we wait until it has ended, then stop the services."""
    child = subprocess.Popen(command, env=environment)
    try:
        return child.wait()
    except (KeyboardInterrupt, SystemExit):
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
        return 130


def _stop(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the stopping short
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
