"""Vault's HTTP API, as much of it as keys need: one question, one answer, within a time a page can wait.

Certificates are always checked. What fails becomes KeysMissing with one sentence for the operator; no sentence, log line or
repr holds the token, a key or what was answered.
"""

import json
import os
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from crypto.errors import KeysMissing

LARGEST_ANSWER = 8 * 1024 * 1024
ATTEMPTS = 3
CONNECTIONS_KEPT = 8

LISTENING = frozenset({200, 429, 473})  # a standby passes questions on to the active server
STATES = {
    472: "is the standby of another site and serves nobody",
    501: "was never initialised",
    503: "is sealed or under maintenance: unseal it",
}
WORTH_ANOTHER_TRY = {
    412: "has not yet received what it was asked for from its active server",
    429: "refuses because it is asked too often",
    503: "is sealed or under maintenance: unseal it",
}


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """Where the key service is and who we are there. `url` is https://host:port; plain http only to this machine."""

    url: str
    token_file: Path
    ca_file: Path | None = None  # None: the authorities this machine trusts
    mount: str = "transit"
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. A transaction of the application lasts five at most, and Vault is asked inside it."""

    connect: float = 2.0
    read: float = 2.0
    total: float = 3.0  # nothing is asked again after this
    pause: float = 0.1  # between two tries, half as much to one and a half times
    rest: float = 2.0  # after a failure nobody waits for it again: pages without sealed data need the threads


class Answer(NamedTuple):
    """`data` is empty where Vault sent none."""

    status: int
    data: Mapping[str, Any]
    errors: tuple[str, ...]


class _Failed(Exception):
    """The end of a sentence that begins with Vault's address. `again`: another try may help."""

    def __init__(self, sentence: str, *, again: bool = False) -> None:
        super().__init__(sentence)
        self.again = again


class VaultClient:
    """Connections are kept and shared by threads; a process that was forked makes its own."""

    def __init__(self, address: VaultAddress, patience: Patience | None = None) -> None:
        self._address = address
        self._patience = patience or Patience()
        self._pool: tuple[int, urllib3.HTTPConnectionPool] | None = None
        self._token = ""
        self._resting: tuple[float, str] = (0.0, "")

    def __repr__(self) -> str:
        return f"<VaultClient {self._address.url} {self._address.mount}>"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """The answer of `path` below the mount: 200, 204, or what only the asker can judge (400, 404, 500).

        Everything asked here may be asked twice without harm, so a cut connection is tried again. Raises KeysMissing.
        """
        return self._with_patience(method, f"/v1/{self._address.mount}/{path}", body)

    def state(self) -> str:
        """What keeps this server from answering, as one sentence, or nothing."""
        try:
            status, _content = self._send("GET", "/v1/sys/health", None, {}, self._deadline())
        except _Failed as failed:
            return self._sentence(str(failed))
        return "" if status in LISTENING else self._sentence(STATES.get(status, f"answered {status}"))

    def _with_patience(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        until, sentence = self._resting
        if until > time.monotonic():
            raise KeysMissing(sentence)
        deadline = self._deadline()
        for attempt in range(ATTEMPTS):
            try:
                return self._once(method, path, body, deadline)
            except _Failed as failed:
                sentence = self._sentence(str(failed))
                pause = self._patience.pause * (0.5 + secrets.randbelow(1000) / 1000)
                if not failed.again or attempt == ATTEMPTS - 1 or time.monotonic() + pause > deadline:
                    break
                time.sleep(pause)
        self._resting = (time.monotonic() + self._patience.rest, sentence)
        raise KeysMissing(sentence)

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None, deadline: float) -> Answer:
        sent = self._token or self._read_token()
        status, content = self._send(method, path, body, self._who(sent), deadline)
        if status == 403 and (renewed := self._read_token()) != sent:  # an agent renews it in the file
            status, content = self._send(method, path, body, self._who(renewed), deadline)
        if status == 403:
            raise KeysMissing(
                self._sentence(
                    f"does not accept the token in {self._address.token_file}, or its policy does not allow {path}"
                )
            )
        if status in WORTH_ANOTHER_TRY:
            raise _Failed(WORTH_ANOTHER_TRY[status], again=True)
        if 300 <= status < 400:
            raise _Failed("sends us to another server: set VAULT_ADDR to the active one or to its balancer")
        if status not in (200, 204, 400, 404, 500):
            raise _Failed(f"answered {status}")
        return self._parsed(status, content)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, who: Mapping[str, str], deadline: float
    ) -> tuple[int, bytes]:
        left = max(deadline - time.monotonic(), 0.1)
        limit = urllib3.Timeout(
            connect=min(self._patience.connect, left), read=min(self._patience.read, left)
        )
        content = None if body is None else json.dumps(body).encode()
        headers = {"X-Vault-Request": "true", "Content-Type": "application/json", **who}
        try:
            answer = self._connections().urlopen(
                method, path, content, headers, retries=False, timeout=limit, preload_content=False
            )
            return answer.status, _whole(answer, deadline)
        except SSLError as error:
            self._pool = None  # the next try reads VAULT_CA_FILE again
            raise _Failed(f"shows a certificate we cannot accept: {_why(error)}") from None
        except (NewConnectionError, ConnectTimeoutError):
            raise _Failed("cannot be reached", again=True) from None
        except ReadTimeoutError:
            raise _Failed("does not answer in time") from None
        except ProtocolError:
            raise _Failed("cut the connection", again=True) from None
        except HTTPError as error:
            raise _Failed(f"cannot be asked: {type(error).__name__}") from None

    def _connections(self) -> urllib3.HTTPConnectionPool:
        pool = self._pool
        if pool is None or pool[0] != os.getpid():  # two processes must not speak on one connection
            pool = self._pool = (os.getpid(), self._new_pool())
        return pool[1]

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        parts = urlsplit(self._address.url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme != "https":
            return urllib3.HTTPConnectionPool(host, port, maxsize=CONNECTIONS_KEPT)
        authorities = self._address.ca_file
        try:
            trust = ssl.create_default_context(cafile=authorities and str(authorities))
        except OSError as error:  # ssl.SSLError among them
            reason = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise KeysMissing(f"VAULT_CA_FILE {authorities} cannot be used: {reason}.") from None
        return urllib3.HTTPSConnectionPool(host, port, maxsize=CONNECTIONS_KEPT, ssl_context=trust)

    def _who(self, token: str) -> dict[str, str]:
        namespace = self._address.namespace
        return {"X-Vault-Token": token, **({"X-Vault-Namespace": namespace} if namespace else {})}

    def _read_token(self) -> str:
        path = self._address.token_file
        try:
            if path.stat().st_mode & 0o007:
                raise KeysMissing(f"{path} can be read by everybody. Run: chmod o-rwx {path}")
            token = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise KeysMissing(f"VAULT_TOKEN_FILE {path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise KeysMissing(f"VAULT_TOKEN_FILE {path} holds no token.")
        self._token = token
        return token

    def _parsed(self, status: int, content: bytes) -> Answer:
        try:
            body = json.loads(content) if content else {}
            data, errors = body.get("data") or {}, body.get("errors") or []
            return Answer(status, {**data}, tuple(str(error) for error in errors))
        except (ValueError, TypeError, AttributeError):
            raise _Failed("answered something that is not Vault's: look at VAULT_ADDR") from None

    def _deadline(self) -> float:
        return time.monotonic() + self._patience.total

    def _sentence(self, end: str) -> str:
        return f"Vault at {self._address.url} {end}."


def _whole(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The body, if it comes in time and is not larger than anything Vault would send us."""
    content = bytearray()
    try:
        while chunk := answer.read1(65536):
            content += chunk
            if len(content) > LARGEST_ANSWER:
                raise _Failed("answered something that is not Vault's: look at VAULT_ADDR")
            if time.monotonic() > deadline:
                raise _Failed("does not answer in time")
    except BaseException:
        answer.close()
        raise
    answer.release_conn()
    return bytes(content)


def _why(error: SSLError) -> str:
    cause = error.args[0] if error.args else None
    return getattr(cause, "verify_message", "") or "the connection is not TLS as we expect it"
