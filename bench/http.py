"""What a page costs over HTTP: CPU of one gunicorn worker and of PostgreSQL for each request, read from /proc.

A worker serves one page over and over. What its database connections cost is counted with it, also of those that are closed already.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from django.db import connection

from config.embedded.places import REPOSITORY

WARM_UP: Final = 10
PATIENCE: Final = 60.0  # seconds in which a server answers
TICKS: Final = os.sysconf("SC_CLK_TCK")
OURS: Final = "config.wsgi:application"
BARE: Final = "bench.bare:application"


def cost_of_pages(
    path: str, *, requests: int, cookie: str = "", body: bytes | None = None
) -> tuple[float, bytes]:
    """Milliseconds of CPU for one request, and the answer. With `body` it is the bare view that returns these very bytes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "body"
        place.write_bytes(body or b"")
        environment = {"BENCH_BODY": str(place)}
        with _serving(OURS if body is None else BARE, Path(folder) / "socket", environment) as (pid, port):
            answer = _ask(port, path, cookie, WARM_UP)
            before = _cpu(pid)
            answer = _ask(port, path, cookie, requests)
            return (_cpu(pid) - before) / requests * 1000, answer


@contextmanager
def _serving(application: str, place: Path, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """A gunicorn with one worker: its process id and port."""
    with tempfile.NamedTemporaryFile("w+") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                application,
                "--bind",
                "127.0.0.1:0",
                "--workers",
                "1",
                "--worker-class",
                "sync",
            ],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield server.pid, _port_in(Path(log.name), server)
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _port_in(log: Path, server: "subprocess.Popen[bytes]") -> int:
    """The port the server says it listens on."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        for line in log.read_text().splitlines():
            if "Listening at: http://127.0.0.1:" in line:
                return int(line.split("http://127.0.0.1:")[1].split()[0])
        time.sleep(0.1)
    raise SystemExit(f"the server did not start:\n{log.read_text()}")


def _ask(port: int, path: str, cookie: str, requests: int) -> bytes:
    answer = b""
    for _ in range(requests):
        client = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        client.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        response = client.getresponse()
        answer = response.read()
        client.close()
        if response.status != 200:
            raise SystemExit(f"{path} answers {response.status}")
    return answer


def _cpu(server: int) -> float:
    """Seconds of CPU so far of the server with its worker, and of PostgreSQL without this process's own connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (own,) = cursor.fetchone()
    postmaster = _stat(own)[1]
    counted = [server, *_children(server), postmaster, *(pid for pid in _children(postmaster) if pid != own)]
    return sum(_stat(pid)[2] for pid in counted) / TICKS


def _children(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if _stat(int(name))[1] == parent:
                    found.append(int(name))
    return found


def _stat(pid: int) -> tuple[int, int, int]:
    """Id, parent, and ticks of CPU with those of children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return pid, int(fields[1]), sum(int(ticks) for ticks in fields[11:15])
