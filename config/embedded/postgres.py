"""PostgreSQL of our own: made once, started on a free port, never confused with somebody else's server."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from config.dbroles.roles import ROLES, create_roles_sql
from config.embedded.accounts import Account
from config.embedded.places import Place, Secrets, free_port

DATABASE = "zhizhi"
FAST_AND_LOOSE = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"  # only where data are thrown away
)


class Postgres:
    """A running server. `url(role)` is the address of the database for one role."""

    def __init__(self, port: int, secrets: Secrets) -> None:
        self.port = port
        self.secrets = secrets

    def url(self, role: str) -> str:
        return f"postgres://{role}:{self.secrets.roles[role]}@127.0.0.1:{self.port}/{DATABASE}"

    def urls(self) -> dict[str, str]:
        return {role.variable: self.url(role.name) for role in ROLES}


@contextmanager
def run_postgres(place: Place, secrets: Secrets, account: Account) -> Iterator[Postgres]:
    """Start the server of this place, make its roles and database the first time, and stop it at the end."""
    data, sockets, log = place.data / "postgres", place.data / "sockets", place.data / "postgres.log"
    for folder in (sockets,):
        folder.mkdir(exist_ok=True)
        account.own(folder)
    log.touch()
    account.own(log)
    if not (data / "PG_VERSION").exists():
        _initialise(place, data, secrets, account)
    elif _is_running(
        place, data, account
    ):  # a start that was killed: this server is ours, its folder says so
        _pg_ctl(place, account, "-D", str(data), "-m", "fast", "-w", "stop")
    port = free_port()
    options = (
        f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={sockets} -c max_connections=160"
        f" -c log_statement=none -c log_min_error_statement=panic -c log_error_verbosity=terse"
    )
    if place.ephemeral:
        options += f" {FAST_AND_LOOSE}"
    _pg_ctl(place, account, "-D", str(data), "-w", "-t", "60", "-l", str(log), "-o", options, "start")
    try:
        with _superuser(port, secrets) as connection:
            _refuse_strangers(connection, data)
            _create_roles(connection, secrets, in_tests=place.ephemeral)
        yield Postgres(port, secrets)
    finally:
        _pg_ctl(place, account, "-D", str(data), "-m", "fast", "-w", "stop")


def start_again(place: Place, account: Account) -> None:
    """After its processes were killed: with the options of the last start."""
    data, log = place.data / "postgres", place.data / "postgres.log"
    _pg_ctl(place, account, "-D", str(data), "-w", "-t", "60", "-l", str(log), "restart")


def _initialise(place: Place, data: Path, secrets: Secrets, account: Account) -> None:
    data.mkdir(mode=0o700, exist_ok=True)
    account.own(data)
    password_file = place.data / "pwfile"
    password_file.write_text(secrets.superuser)
    password_file.chmod(0o600)
    account.own(password_file)
    command = [
        str(place.postgres_bin / "initdb"), "-D", str(data), "-U", "postgres", "--pwfile", str(password_file),
        "--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "-k",
    ]  # fmt: skip
    if place.ephemeral:
        command.append("--no-sync")
    try:
        _run(command, account, place.data / "initdb.log")
    finally:
        password_file.unlink()


def _is_running(place: Place, data: Path, account: Account) -> bool:
    status = subprocess.run(
        [str(place.postgres_bin / "pg_ctl"), "-D", str(data), "status"],
        check=False, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **account.switch,
    )  # fmt: skip
    return status.returncode == 0


def _pg_ctl(place: Place, account: Account, *arguments: str) -> None:
    _run([str(place.postgres_bin / "pg_ctl"), *arguments], account, place.data / "pg_ctl.log")


def _run(command: list[str], account: Account, log: Path) -> None:
    # A pipe would be inherited by the server and never close: the output goes to a file.
    with log.open("ab") as output:
        done = subprocess.run(
            command, check=False, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}, **account.switch,
        )  # fmt: skip
    if done.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{Path(command[0]).name} failed:\n{tail}")


@contextmanager
def _superuser(port: int, secrets: Secrets) -> Iterator[Connection]:
    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user="postgres", password=secrets.superuser, dbname="postgres"
    )
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


def _refuse_strangers(connection: Connection, data: Path) -> None:
    """Before the first write: is this the server we started? A free port may have been taken meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        found = cursor.fetchone()
    if found is None or Path(found[0]) != data:
        raise SystemExit("Another PostgreSQL answers on this port: nothing was written to it. Start again.")


def _create_roles(connection: Connection, secrets: Secrets, *, in_tests: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if cursor.fetchone():
            return
        for role in ROLES:  # a first start that was cut off may have left some of the roles
            cursor.execute(f"DROP ROLE IF EXISTS {role.name}")
        for statement in create_roles_sql(DATABASE, secrets.roles, in_tests=in_tests):
            cursor.execute(statement)
