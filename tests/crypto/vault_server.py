"""A key service for tests, written from the public description of Vault's transit engine: the ciphers in it are real.

It speaks TLS with a certificate made for the run, keeps named keys with versions, and fails on demand.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
import ssl
import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

TOO_OLD = "ciphertext or signature version is disallowed by policy (too old)"
UNTIL = timedelta(days=3650)


class Authority(NamedTuple):
    """Files of a certificate authority, and of a server it vouches for."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


def make_authority(folder: Path, *, host: str = "127.0.0.1") -> Authority:
    """A certificate authority of one minute's age and a certificate for `host`, an address."""
    folder.mkdir(exist_ok=True)
    files = Authority(folder / "ca.pem", folder / "vault.pem", folder / "vault.key")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test authority {folder.name}")])
    now = datetime.now(UTC)

    def certificate(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        built = x509.CertificateBuilder(issuer_name=ca_name, subject_name=name, public_key=public)
        built = built.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + UNTIL)
        return built.serial_number(x509.random_serial_number())

    usage = x509.KeyUsage(*(flag == 5 for flag in range(9)))  # it signs certificates
    ca = certificate(ca_name, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    ca = ca.add_extension(usage, critical=True)
    server = certificate(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault")]), key.public_key()
    ).add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
    pem = serialization.Encoding.PEM
    files.ca_file.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    files.certificate_file.write_bytes(server.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    files.key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@dataclass
class TransitKey:
    """A named key of the transit engine and what may be set on it."""

    settings: dict[str, Any]
    versions: dict[int, bytes] = field(default_factory=lambda: {1: os.urandom(32)})
    latest: int = 1
    min_available: int = 0
    min_decryption: int = 1
    min_encryption: int = 0

    def described(self, name: str) -> dict[str, Any]:
        shown = {str(v): 1_700_000_000 for v in self.versions if v >= self.min_decryption}
        return {
            "name": name,
            "keys": shown,
            "latest_version": self.latest,
            "min_available_version": self.min_available,
            "min_decryption_version": self.min_decryption,
            "min_encryption_version": self.min_encryption,
            "deletion_allowed": False,
            "derived": False,
            "exportable": False,
            "allow_plaintext_backup": False,
            "type": "aes256-gcm96",
            **self.settings,
        }


class Refused(Exception):
    """An error answer of the service, or of one item of a batch."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(*errors)
        self.status = status
        self.errors = errors


class Question(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Reply = tuple[int, dict[str, Any] | None]
Fault = Callable[["Handler", Reply], None]


class VaultServer:
    """One server and its storage. It can be stopped and started again at the same address without losing its keys."""

    def __init__(self, authority: Authority | None, *, mount: str = "transit", namespace: str = "") -> None:
        self.authority = authority
        self.mount = mount
        self.namespace = namespace
        self.keys: dict[str, TransitKey] = {}
        self.tokens = {"s." + secrets.token_hex(12)}
        self.denied: set[str] = set()  # what a token's policy does not allow, as the path begins
        self.sealed = False
        self.health = 200
        self.binds = True  # False: as old as 1.12, which ignores associated data
        self.faults: deque[Fault] = deque()  # one for each of the next answers
        self.always: Fault | None = None
        self.asked: list[Question] = []
        self.lock = threading.Lock()
        self.port = 0
        self._server: _Server | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return min(self.tokens)

    def start(self) -> None:
        server = self._server = _Server(("127.0.0.1", self.port), Handler)
        server.vault = self
        self.port = server.server_address[1]
        if self.authority:
            server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.tls.load_cert_chain(self.authority.certificate_file, self.authority.key_file)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Unreachable from now on; connections that were open are cut."""
        if self._server is not None:
            self._server.shutdown()
            self._server.cut_connections()
            self._server.server_close()
            self._server = None

    @property
    def connections(self) -> int:
        """How many were opened since it was started."""
        return self._server.opened if self._server else 0

    def questions(self, verb: str) -> list[Question]:
        return [question for question in self.asked if f"/{verb}/" in question.path]

    # --- what it answers ------------------------------------------------------------------------------------------------

    def answer(self, question: Question) -> Reply:
        if question.path == "/v1/sys/health":
            return (503 if self.sealed else self.health), {"initialized": True, "sealed": self.sealed}
        try:
            return self._transit(question)
        except Refused as refused:
            return refused.status, {"errors": list(refused.errors)}

    def _transit(self, question: Question) -> Reply:
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        path = question.path.removeprefix("/v1/")
        if (
            question.headers.get("x-vault-token") not in self.tokens
            or question.headers.get("x-vault-namespace", "") != self.namespace
        ):
            raise Refused(403, "permission denied")
        if not path.startswith(f"{self.mount}/"):
            raise Refused(404, f'no handler for route "{path}". route entry not found.')
        path = path.removeprefix(f"{self.mount}/")
        if path.startswith(tuple(self.denied)):
            raise Refused(403, "1 error occurred:\n\t* permission denied\n\n")
        with self.lock:
            return self._of_key(question, *path.split("/"))

    def _of_key(self, question: Question, verb: str, name: str, *rest: str) -> Reply:
        body = question.body
        if verb == "keys":
            return self._about_key(question.method, name, rest, body)
        if name not in self.keys:
            raise Refused(400, "encryption key not found")
        key = self.keys[name]
        if verb == "hmac":
            version = body.get("key_version") or key.latest
            code = hmac.digest(key.versions[version], b64decode(body["input"]), hashlib.sha256)
            return 200, {"data": {"hmac": f"vault:v{version}:{b64encode(code).decode()}"}}
        one = {"encrypt": _encrypted, "decrypt": _decrypted}[verb]
        results: list[dict[str, Any]] = []
        for item in body["batch_input"]:
            if not self.binds:
                item["associated_data"] = ""
            try:
                results.append({**one(key, item), "reference": ""})
            except Refused as refused:
                results.append({"error": refused.errors[0], "reference": ""})
        failed = any("error" in result for result in results)
        return (400 if failed else 200), {"data": {"batch_results": results}}

    def _about_key(self, method: str, name: str, rest: tuple[str, ...], body: dict[str, Any]) -> Reply:
        key = self.keys.get(name)
        if method == "GET":
            if key is None:
                raise Refused(404)
            return 200, {"data": key.described(name)}
        if not rest:
            flags = {k: v for k, v in body.items() if v is not False}
            key = self.keys.setdefault(name, TransitKey(flags))
            return 200, {"data": key.described(name)}
        if key is None:
            raise Refused(400, "no existing key named " + name)
        if rest == ("rotate",):
            key.latest += 1
            key.versions[key.latest] = os.urandom(32)
        elif rest == ("config",):
            decryption, encryption = body["min_decryption_version"], body["min_encryption_version"]
            if max(decryption, encryption) > key.latest or encryption < decryption:
                raise Refused(400, "cannot set min decryption version")
            key.min_decryption, key.min_encryption = decryption, encryption
        else:
            available = body["min_available_version"]
            if available > min(key.min_decryption, key.min_encryption) or available < key.min_available:
                raise Refused(
                    400, "minimum available version cannot be greater than minimum encryption version"
                )
            key.min_available = available
            for version in [v for v in key.versions if v < available]:
                del key.versions[version]
        return 200, {"data": key.described(name)}


def _encrypted(key: TransitKey, item: dict[str, Any]) -> dict[str, Any]:
    version = item.get("key_version") or key.latest
    if version > key.latest:
        raise Refused(400, "requested version for encryption is higher than the latest key version")
    if version < key.min_encryption or version not in key.versions:
        raise Refused(400, "requested version for encryption is less than the minimum encryption key version")
    nonce = os.urandom(12)
    plain, bound = b64decode(item["plaintext"]), b64decode(item["associated_data"])
    sealed = nonce + AESGCM(key.versions[version]).encrypt(nonce, plain, bound)
    return {"ciphertext": f"vault:v{version}:{b64encode(sealed).decode()}", "key_version": version}


def _decrypted(key: TransitKey, item: dict[str, Any]) -> dict[str, Any]:
    scheme, version, text = item["ciphertext"].split(":", 2)
    number = int(version.removeprefix("v"))
    if scheme != "vault" or number > key.latest:
        raise Refused(400, "invalid ciphertext: version is too new")
    if number < key.min_decryption:
        raise Refused(400, TOO_OLD)
    try:
        sealed = b64decode(text, validate=True)
        plain = AESGCM(key.versions[number]).decrypt(
            sealed[:12], sealed[12:], b64decode(item["associated_data"])
        )
    except (ValueError, InvalidTag) as error:
        raise Refused(400, "cipher: message authentication failed") from error
    return {"plaintext": b64encode(plain).decode()}


# --- faults on demand -------------------------------------------------------------------------------------------------------


def status(code: int, *errors: str) -> Fault:
    """Answers so instead of what was asked."""
    return lambda handler, reply: handler.send(code, {"errors": list(errors)})


def saying(content: bytes, code: int = 200) -> Fault:
    """Answers these bytes instead."""
    return lambda handler, reply: handler.send_bytes(code, content)


def data(**wrong: Any) -> Fault:
    """Answers 200 with other data than was asked for."""
    return lambda handler, reply: handler.send(200, {"data": wrong})


def no_answer(handler: "Handler", reply: Reply) -> None:
    """Did what was asked, and the connection is cut before anybody learns of it."""
    handler.cut()


def half_an_answer(handler: "Handler", reply: Reply) -> None:
    handler.send(*reply, part=0.5)
    handler.cut()


def half_then_silence(handler: "Handler", reply: Reply) -> None:
    handler.send(*reply, part=0.5)
    too_late(handler, reply)


def too_late(handler: "Handler", reply: Reply) -> None:
    """Holds the answer back until the asker has hung up."""
    handler.wait_for_hanging_up()
    handler.cut()


# --- HTTP ---------------------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together, and at once
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        vault = self.server.vault
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        question = Question(self.command, self.path, headers, json.loads(content) if content else {})
        vault.asked.append(question)
        reply = vault.answer(question)
        fault = None
        if question.path != "/v1/sys/health":
            fault = vault.faults.popleft() if vault.faults else vault.always
        if fault is not None:
            fault(self, reply)
        else:
            self.send(*reply)

    def send(self, code: int, body: dict[str, Any] | None, *, part: float = 1.0) -> None:
        self.send_bytes(code, b"" if body is None else json.dumps(body).encode(), part=part)

    def send_bytes(self, code: int, content: bytes, *, part: float = 1.0) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if 300 <= code < 400:
            self.send_header("Location", "https://192.0.2.1:8200/v1/")
        self.end_headers()
        self.wfile.write(content[: int(len(content) * part)])
        self.wfile.flush()

    def cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def wait_for_hanging_up(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.read(1)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read what happened from `asked`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    vault: VaultServer
    tls: ssl.SSLContext | None = None

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self._open: list[socket.socket] = []
        self.opened = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls is not None:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except OSError:  # hung up before anything was said
                connection.close()
                raise
        self._open.append(connection)
        self.opened += 1
        return connection, address

    def cut_connections(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up or did not like our certificate is what the test wanted."""


@contextlib.contextmanager
def running(authority: Authority | None, **settings: str) -> Iterator[VaultServer]:
    server = VaultServer(authority, **settings)
    try:
        yield server
    finally:
        server.stop()
