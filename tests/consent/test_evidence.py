"""A yes at the desk has its evidence: a drawn signature or a scan, sealed; an empty box, another file or a bare word has none."""

import base64
import struct
import zlib
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import User
from consent.models import ConsentEvent
from crypto.files import read_chunks
from crypto.models import SealedFile
from patients.models import Patient

PDF = b"%PDF-1.7 invented"


def png(pixel: bytes) -> bytes:
    """A picture of 4 by 4 pixels, all alike."""
    rows = b"".join(b"\x00" + pixel * 4 for _ in range(4))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def drawn(pixel: bytes = b"\x11\x11\x11\xff") -> str:
    return "data:image/png;base64," + base64.b64encode(png(pixel)).decode()


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


def say_yes(desk: Client, patient: Patient, **typed: Any) -> Any:
    told = {"form_token": str(uuid4()), "told": "on", "expressed_by": "self", "yes_care": "on"}
    return desk.post(reverse("consent:record", args=[patient.pk]), {**told, **typed})


def kept(patient: Patient, nurse: Actor) -> list[ConsentEvent]:
    with acting(nurse):
        return list(ConsentEvent.objects.filter(patient=patient, event="granted").defer("evidence"))


def test_a_signature_on_the_screen_is_sealed_and_every_line_names_it(
    desk: Client, patient: Patient, nurse: Actor
) -> None:
    assert say_yes(desk, patient, method="esign", signature=drawn()).status_code == 302

    lines = kept(patient, nurse)
    assert len({line.evidence_file for line in lines}) == 1
    with acting(nurse), access(Purpose.CARE, Kind.VIEWED):
        file = SealedFile.objects.get(pk=str(lines[0].evidence_file))
        assert b"".join(read_chunks(file, "consent.evidence")) == png(b"\x11\x11\x11\xff")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        drawn(b"\x00\x00\x00\x00"),
        "data:image/png;base64,AAAA",
        "data:text/html;base64,PGI+",
        "x" * 300_000,
    ],
    ids=["none", "empty box", "no picture", "another kind", "too large"],
)
def test_what_shows_no_signature_records_nothing(
    desk: Client, patient: Patient, nurse: Actor, signature: str
) -> None:
    assert say_yes(desk, patient, method="esign", signature=signature).status_code == 200
    assert kept(patient, nurse) == []


def test_a_paper_brings_its_scan_and_its_witness(desk: Client, patient: Patient, nurse: Actor) -> None:
    for typed in (
        {"witness": "王敏"},
        {"scan": SimpleUploadedFile("form.pdf", PDF)},
        {"witness": "王敏", "scan": SimpleUploadedFile("form.exe", b"MZ")},
    ):
        assert say_yes(desk, patient, method="paper", **typed).status_code == 200
    assert kept(patient, nurse) == []
    scan = SimpleUploadedFile("form.pdf", PDF)
    assert say_yes(desk, patient, method="paper", witness="王敏", scan=scan).status_code == 302

    assert kept(patient, nurse)[0].evidence_file


def test_who_decides_for_somebody_else_shows_a_paper(desk: Client, patient: Patient, nurse: Actor) -> None:
    said = {"method": "verbal_witnessed", "witness": "王敏", "expressed_by": "agent"}
    assert say_yes(desk, patient, **said).status_code == 200
    assert say_yes(desk, patient, proof="授权委托书 2026-11-20", **said).status_code == 302

    assert {line.expressed_by for line in kept(patient, nurse)} == {"agent"}
