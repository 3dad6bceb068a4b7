"""A real SMTP server on loopback and a page that shows what arrived: mails, and texts that the demo turns into mails."""

import email
import html
import os
import signal
import threading
from email.message import EmailMessage, Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

SHOWN = 50
PAGE = """<!doctype html><html lang="zh-Hans"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>演示信箱 · 知止</title>
<style>body{{font:16px/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans SC",sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;
color:#1d2b2a;background:#f5f2ec}}article{{background:#fffefb;border:1px solid #ddd6c8;border-radius:10px;padding:1rem 1.25rem;margin:1rem 0}}
pre{{white-space:pre-wrap;font:inherit;margin:.5rem 0 0}}small{{color:#5c6664}}h1{{font-size:1.4rem}}</style>
<h1>演示信箱</h1><p>这台机器上的真实 SMTP 服务收到的信。发往手机的短信在演示里也变成信，出现在这里。</p>{letters}"""
LETTER = "<article><small>{date} · 给 {to}</small><br><strong>{subject}</strong><pre>{body}</pre></article>"


def letters(folder: Path) -> list[EmailMessage]:
    """What arrived, newest first."""
    paths = sorted((folder / "new").glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)[:SHOWN]
    found = [email.message_from_bytes(path.read_bytes(), policy=default) for path in paths]
    return [letter for letter in found if isinstance(letter, EmailMessage)]


def page(folder: Path) -> bytes:
    shown = []
    for letter in letters(folder):
        body = letter.get_body(("plain",))
        parts = {
            "date": letter["date"] or "",
            "to": letter["to"] or "",
            "subject": letter["subject"] or "",
            "body": body.get_content() if body else "",
        }
        shown.append(LETTER.format(**{key: html.escape(str(value)) for key, value in parts.items()}))
    return PAGE.format(letters="".join(shown) or "<p>还没有信。</p>").encode()


class OnceMailbox(Mailbox):
    """Keeps each message once: a sender that died after handing it over sends it again under the same key."""

    def handle_message(self, message: Message) -> None:
        key = message["X-Idempotency-Key"]
        if key is None or key not in self._keys():
            super().handle_message(message)

    def _keys(self) -> set[str]:
        return {str(letter["X-Idempotency-Key"]) for letter in self.mailbox}


def serve(folder: Path, smtp_port: int, page_port: int) -> None:
    """Both servers until SIGTERM."""
    smtp = Controller(OnceMailbox(folder), hostname="127.0.0.1", port=smtp_port)
    smtp.start()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(folder)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent: the demo's terminal is for people."""

    web = ThreadingHTTPServer(("127.0.0.1", page_port), Page)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=web.shutdown).start())
    web.serve_forever()
    smtp.stop()


if __name__ == "__main__":
    serve(Path(os.environ["MAILBOX_DIR"]), int(os.environ["SMTP_PORT"]), int(os.environ["MAILBOX_PORT"]))
