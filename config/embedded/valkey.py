"""Valkey of our own, with a password that stands in a file and not on the command line."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from config.embedded.accounts import Account
from config.embedded.places import Place, Secrets, free_port


@contextmanager
def run_valkey(place: Place, secrets: Secrets, account: Account) -> Iterator[str]:
    """Start Valkey and give its address without a database number; stopped at the end."""
    folder = place.data / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    account.own(folder)
    port = free_port()
    lines = [
        f"port {port}", "bind 127.0.0.1", f"dir {folder}", f"requirepass {secrets.valkey}", 'save ""',
        "appendonly no" if place.ephemeral else "appendonly yes",
        f"logfile {folder / 'valkey.log'}",
    ]  # fmt: skip
    conf = folder / "valkey.conf"
    conf.write_text("\n".join(lines) + "\n")
    conf.chmod(0o600)
    account.own(conf)
    process = subprocess.Popen(
        [str(place.valkey_server), str(conf)],
        cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, **account.switch,
    )  # fmt: skip
    try:
        _wait_until_it_answers(port, secrets.valkey, process)
        yield f"redis://:{secrets.valkey}@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_it_answers(port: int, password: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit("Valkey ended at once; its log stands in the data folder.")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                with client.makefile("rb") as answers:
                    if (answers.readline(), answers.readline()) == (b"+OK\r\n", b"+PONG\r\n"):
                        return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("Valkey did not answer within 20 s.")
