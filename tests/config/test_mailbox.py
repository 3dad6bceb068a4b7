"""The demo's receiver honours the idempotency key: what is sent twice under one key arrives once."""

import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from config.demo.mailbox import OnceMailbox, letters, page


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = Controller(OnceMailbox(tmp_path / "mailbox"), hostname="127.0.0.1", port=port)
    server.start()
    yield port
    server.stop()


def send(port: int, key: str, words: str) -> None:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = (
        "clinic@zhizhi.invalid",
        "person@mailbox.invalid",
        "云溪健康",
    )
    letter["X-Idempotency-Key"] = key
    letter.set_content(words)
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as server:
        server.send_message(letter)


def test_what_is_sent_twice_under_one_key_arrives_once(port: int, tmp_path: Path) -> None:
    send(port, "message:1", "您的健康档案有更新")
    send(port, "message:1", "您的健康档案有更新")
    send(port, "message:2", "明天请来")

    assert len(letters(tmp_path / "mailbox")) == 2


def test_the_page_shows_what_arrived_as_text(port: int, tmp_path: Path) -> None:
    send(port, "message:3", "<script>alert(1)</script>")

    shown = page(tmp_path / "mailbox").decode()

    assert "云溪健康" in shown
    assert "<script>" not in shown
