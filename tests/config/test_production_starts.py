"""Under production's settings gunicorn really starts, answers its watcher, and speaks to people over TLS alone."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from config.embedded.places import free_port
from tests.conftest import look_and_flush

ROOT = Path(__file__).resolve().parents[2]
HOST = "crm.clinic.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("production")


@pytest.fixture(scope="module")
def environment(django_db_setup: None, folder: Path) -> dict[str, str]:
    known = connection.settings_dict
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": "".join(chr(33 + (7 * n) % 90) for n in range(64)),
        "ALLOWED_HOSTS": HOST,
        "AUDIT_LOG_ORIGIN": HOST,
        "DATABASE_URL": f"postgres://{known['USER']}:{quote(known['PASSWORD'])}@{known['HOST']}:{known['PORT']}/{known['NAME']}",
        "REDIS_URL": os.environ["REDIS_URL"],
        "KEYS_DIR": str(folder),
        "FILES_DIR": str(folder),
        "KEY_TABLES_DIR": str(folder),
        "SMTP_HOST": "127.0.0.1",
        "MAIL_FROM": "crm@clinic.example",
        "TRUSTED_PROXIES": "127.0.0.1",
    }


@pytest.fixture(scope="module")
def web(environment: dict[str, str], folder: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """The port of a gunicorn started as docker-compose.yml starts it. It takes its folder of keys for the database's."""
    port = free_port()
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm",  # noqa: S108
             "--logger-class", "config.web_log.WebLog", "--no-control-socket"],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        for _ in range(200):
            if is_open(port) and watch(port, environment) == 0:
                break
            assert process.poll() is None, (folder / "web.log").read_text()
            time.sleep(0.1)
        else:
            pytest.fail((folder / "web.log").read_text())
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)
        with django_db_blocker.unblock():
            look_and_flush()


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def watch(port: int, environment: dict[str, str]) -> int:
    check = [sys.executable, "-m", "deploy.healthy", "web", f"http://127.0.0.1:{port}/health/"]
    return subprocess.run(check, check=False, cwd=ROOT, env=environment).returncode


def ask(port: int, host: str = HOST, **headers: str) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/", headers={"Host": host, **headers})
    answer = client.getresponse()
    answer.read()
    return answer


def test_it_answers_its_watcher_and_sends_people_to_tls(web: int, environment: dict[str, str]) -> None:
    assert watch(web, environment) == 0
    plain = ask(web)
    assert plain.status == 301
    assert plain.headers["Location"] == f"https://{HOST}/"
    by_tls = ask(web, **{"X-Forwarded-Proto": "https"})
    assert by_tls.status == 302
    assert "includeSubDomains" in by_tls.headers["Strict-Transport-Security"]
    assert ask(web, host="stranger.example").status >= 400  # its page needs the collected front-end files


def test_its_log_does_not_repeat_a_request_that_it_could_not_read(web: int, folder: Path) -> None:
    for line in ("GET /patients/鵷鷇/ HTTP/1.1", "GET /?q=鵷鷇 HTTP/1.1", "鵷鷇 / HTTP/1.1"):
        with socket.create_connection(("127.0.0.1", web), timeout=10) as client:
            client.sendall(f"{line}\r\nHost: {HOST}\r\n\r\n".encode())
            assert b"400" in client.recv(100)
    log = (folder / "web.log").read_text()
    assert log.count("Invalid request") == 3
    assert "patients" not in log
    assert "鵷鷇".encode().decode("latin-1")[:1] not in log


def test_it_does_not_start_with_mistakes_and_names_them(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{free_port()}",
         "--logger-class", "config.web_log.WebLog", "--no-control-socket"],
        check=False, cwd=ROOT, env={**environment, "DEBUG": "1", "ALLOWED_HOSTS": "*"}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "- DEBUG must not be set" in done.stderr
    assert "- ALLOWED_HOSTS must name hosts" in done.stderr
