"""Words leave by a real SMTP server on loopback; what the carrier answers becomes one of two domain errors."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.test import override_settings

from clinics.channels import CarrierRefused, CarrierUnavailable, send_mail_text, send_sms
from tests.factories.clinics import an_unsaved_clinic


@dataclass
class Letterbox:
    """Keeps what arrives; refuses addresses of `closed.invalid`."""

    envelopes: list[Any] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.endswith("@closed.invalid"):
            return "550 no such person"
        if address.endswith("@busy.invalid"):
            return "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    # pytest-django swaps the mail backend for a memory of its own: these tests talk to a server
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port
    ):
        yield box
    server.stop()


def test_a_mail_reaches_the_server_with_its_key(letterbox: Letterbox) -> None:
    send_mail_text(
        an_unsaved_clinic(),
        "person@mailbox.invalid",
        "云溪健康",
        "您的报告已有更新。",
        idempotency_key="message:1",
    )

    (envelope,) = letterbox.envelopes
    assert envelope.rcpt_tos == ["person@mailbox.invalid"]
    assert b"X-Idempotency-Key: message:1" in envelope.content


def test_a_text_to_a_phone_arrives_in_the_demo_mailbox(letterbox: Letterbox) -> None:
    send_sms(an_unsaved_clinic(), "+8619900000001", "验证码 123456", idempotency_key="code:1")

    assert letterbox.envelopes[0].rcpt_tos == ["8619900000001@sms.mailbox.invalid"]


def test_a_refused_address_is_final_and_does_not_stand_in_the_error(letterbox: Letterbox) -> None:
    with pytest.raises(CarrierRefused) as refusal:
        send_mail_text(
            an_unsaved_clinic(), "person@closed.invalid", "云溪健康", "…", idempotency_key="message:2"
        )

    assert "person" not in str(refusal.value)


def test_a_server_that_is_busy_is_worth_another_try(letterbox: Letterbox) -> None:
    with pytest.raises(CarrierUnavailable):
        send_mail_text(
            an_unsaved_clinic(), "person@busy.invalid", "云溪健康", "…", idempotency_key="message:4"
        )


def test_a_dead_carrier_is_worth_another_try(letterbox: Letterbox) -> None:
    with override_settings(EMAIL_PORT=1), pytest.raises(CarrierUnavailable):
        send_mail_text(
            an_unsaved_clinic(), "person@mailbox.invalid", "云溪健康", "…", idempotency_key="message:3"
        )
