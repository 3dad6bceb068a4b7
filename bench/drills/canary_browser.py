"""A browser without a screen: keeps cookies, follows nothing, and remembers every address and header."""

import http.cookiejar
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from secrets import token_hex
from typing import IO, Any

from bench.drills.canary_paths import Answer


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Where a form leads is for the caller to see."""


class HttpBrowser:
    """Speaks to a running server. Forms carry the token that the server set as a cookie."""

    def __init__(self, address: str) -> None:
        self.seen: list[str] = []
        self._address = address
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> Answer:
        return self._ask(path, None, {})

    def post(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> Answer:
        token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
        boundary = token_hex(16)
        body = _multipart({**fields, "csrfmiddlewaretoken": token}, files or {}, boundary)
        return self._ask(path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def send(self, method: str, path: str, said: object, headers: Mapping[str, str]) -> Answer:
        token = next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
        body = json.dumps(said, ensure_ascii=False).encode()
        own = {"Content-Type": "application/json", "X-CSRFToken": token, **headers}
        return self._ask(path, body, own, method=method)

    def _ask(
        self, path: str, body: bytes | None, headers: Mapping[str, str], *, method: str | None = None
    ) -> Answer:
        self.seen.append(f"{method or ('GET' if body is None else 'POST')} {path}")
        request = urllib.request.Request(self._address + path, body, dict(headers), method=method)  # noqa: S310
        try:
            answer: Any = self._opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.seen += [f"{name}: {value}" for name, value in answer.headers.items()]
            location = str(answer.headers.get("Location", ""))
            etag = str(answer.headers.get("ETag", ""))
            return Answer(answer.status, location, answer.read().decode(errors="replace"), etag)


def _multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]], boundary: str) -> bytes:
    parts = []
    for name, value in fields.items():
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode())
    for name, (file_name, content) in files.items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"\r\nContent-Type: application/json\r\n\r\n'
        parts.append(head.encode() + content)
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
