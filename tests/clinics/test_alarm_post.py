"""Letters about alarms leave by a real SMTP server, to privacy officers who have an address, and name nobody."""

import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.alarms import Rule, raise_alarm
from audit.letters import post_letters
from audit.models import SYSTEM_LOG, AlarmLetter
from clinics.accounts.notices import set_email
from clinics.models import Clinic, User
from clinics.roles import Role
from tests.clinics.test_channels import Letterbox
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def letterbox(settings: Any) -> Iterator[Letterbox]:
    box = Letterbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield box
    server.stop()


def hire(clinic: Clinic, role: Role, address: str = "") -> User:
    user: User = StaffFactory()
    with acting(system_actor("test", clinic.pk)):
        StaffRoleFactory(user=user, clinic=clinic, role=role)
        if address:
            set_email(user, address)
    return user


def ring(log_id: UUID, rule: Rule = Rule.MANY_OPENED, about: str = "user:1") -> None:
    with acting(system_actor("alarms", None), log_id):
        raise_alarm(rule, clinic_id=log_id, object=("hour", about))


def arrived(box: Letterbox) -> list[EmailMessage]:
    return [
        message_from_bytes(envelope.original_content, policy=policy.default) for envelope in box.envelopes
    ]


def test_a_privacy_officer_gets_one_letter_in_both_languages_that_names_nobody(letterbox: Letterbox) -> None:
    east, west = ClinicFactory("east"), ClinicFactory("west")
    officer = hire(east, Role.PRIVACY_OFFICER, "officer@mailbox.invalid")
    hire(east, Role.MANAGER, "manager@mailbox.invalid")
    hire(east, Role.PRIVACY_OFFICER)
    hire(west, Role.PRIVACY_OFFICER, "west@mailbox.invalid")
    curious = hire(east, Role.NURSE)
    ring(east.pk, about=f"user:{curious.pk}")
    ring(east.pk, Rule.WITNESS_SILENT)

    assert post_letters(east.pk, timezone.now()) == 1
    (letter,) = arrived(letterbox)
    body = letter.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert (letter["To"], letter["Subject"].strip()) == (
        "officer@mailbox.invalid",
        "2 条警报待处理 / 2 alarms wait for a decision",
    )
    assert east.name in text
    assert "/alarms/" in text
    for words in ("短时间内打开了大量患者 × 1", "Many patients opened in a short time × 1"):
        assert words in text
    assert curious.get_full_name() not in text
    assert str(curious.pk) not in text
    with acting(system_actor("test", east.pk)):
        assert AlarmLetter.objects.get().told == [str(officer.pk)]


def test_what_concerns_the_installation_goes_to_the_privacy_officers_of_every_clinic(
    letterbox: Letterbox,
) -> None:
    for code in ("east", "west"):
        hire(ClinicFactory(code), Role.PRIVACY_OFFICER, f"{code}@mailbox.invalid")
    ring(SYSTEM_LOG, Rule.WITNESS_SILENT)

    assert post_letters(SYSTEM_LOG, timezone.now()) == 2
    assert {letter["To"] for letter in arrived(letterbox)} == {"east@mailbox.invalid", "west@mailbox.invalid"}


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(letterbox: Letterbox) -> None:
    east = ClinicFactory("east")
    hire(east, Role.PRIVACY_OFFICER, "officer@busy.invalid")
    hire(east, Role.PRIVACY_OFFICER, "officer@closed.invalid")
    ring(east.pk)
    post_letters(east.pk, timezone.now())

    with acting(system_actor("test", east.pk)):
        letter = AlarmLetter.objects.get()
    assert (len(letter.told), letter.ended_at) == (1, None)
    assert letter.not_before > timezone.now()
