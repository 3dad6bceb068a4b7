"""What shows that somebody agreed is opened by those who care for them, each time with an event, and by nobody else."""

from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.acting import acting
from audit.actors import Actor
from audit.models import Alarm, AuditEvent, Rule
from clinics.models import User
from patients.models import Patient
from tests.consent.conftest import Hire
from tests.consent.test_evidence import PDF, drawn, kept, png, say_yes
from tests.factories.patients import PatientFactory


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


def addresses(patient: Patient, nurse: Actor) -> tuple[str, str]:
    line = kept(patient, nurse)[0]
    return tuple(
        reverse(f"consent:{name}", args=[patient.pk, line.pk]) for name in ("evidence_of", "evidence_file")
    )  # type: ignore[return-value]


def test_a_signature_is_seen_as_it_was_drawn_and_the_log_says_who_looked(
    desk: Client, patient: Patient, nurse: Actor
) -> None:
    say_yes(desk, patient, method="esign", signature=drawn())
    page, file = addresses(patient, nurse)
    assert "/consent/evidence/" in desk.get(reverse("consent:panel", args=[patient.pk])).content.decode()
    assert file in desk.get(page).content.decode()
    answer = desk.get(file)

    assert (answer["Content-Type"], answer.content) == ("image/png", png(b"\x11\x11\x11\xff"))
    with acting(nurse):
        looked = AuditEvent.objects.filter(action="access").order_by("-uid")[0]
        assert (looked.kind, looked.purpose) == ("viewed", "care")
        assert b"consent.evidence" in bytes(looked.canon)


def test_a_scan_names_its_witness_and_is_only_downloaded(
    desk: Client, patient: Patient, nurse: Actor
) -> None:
    scan = SimpleUploadedFile("form.pdf", PDF)
    say_yes(desk, patient, method="paper", witness="王敏", scan=scan)
    page, file = addresses(patient, nurse)

    assert "王敏" in desk.get(page).content.decode()
    answer = desk.get(file)
    assert (answer.content, answer["Content-Disposition"]) == (PDF, "attachment")
    with acting(nurse):
        looks = AuditEvent.objects.filter(action="access", kind__in=["viewed", "exported"])
        assert list(looks.order_by("-uid").values_list("kind", flat=True)[:2]) == ["exported", "viewed"]
        assert not Alarm.objects.filter(rule=Rule.LARGE_EXPORT).exists()


def test_evidence_of_nobody_of_theirs_looks_like_none(
    desk: Client, patient: Patient, nurse: Actor, hire: Hire
) -> None:
    say_yes(desk, patient, method="esign", signature=drawn())
    line = kept(patient, nurse)[0]
    with acting(nurse):
        other = PatientFactory(clinic=patient.clinic, by=nurse)
    stranger = Client()
    stranger.force_login(hire(patient.clinic))
    for visitor, of, which in (
        (desk, other.pk, line.pk),
        (desk, patient.pk, uuid4()),
        (stranger, patient.pk, line.pk),
    ):
        for name in ("evidence_of", "evidence_file"):
            assert visitor.get(reverse(f"consent:{name}", args=[of, which])).status_code == 404
