"""Notices as PDF and the form on paper: our own Chinese font in it, an empty box for each purpose, no name."""

import re
import zlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics import paper
from clinics.models import User
from clinics.paper import pdf_of
from patients.models import Patient
from tests.consent.conftest import Hire

NOTICE = "/p/east/notices/followup/1/{}/"


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


def opened(pdf: bytes) -> bytes:
    """A PDF with the streams that are packed in it."""
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    texts = [zlib.decompressobj().decompress(one) for one in packed if one[:1] == b"\x78"]
    return pdf + b"\n".join(texts)


@pytest.mark.requirement("PIPL-17b")
@pytest.mark.parametrize("locale", ["zh-hans", "en"])
def test_anybody_may_keep_a_notice_as_a_file(client: Client, desk: Client, locale: str) -> None:
    visitor = Client()
    visitor.get("/p/east/notices/")
    answer = visitor.get(f"{NOTICE.format(locale)}pdf/")

    assert answer["Content-Type"] == "application/pdf"
    inside = opened(answer.content)
    assert b"NotoSansSC" in inside
    assert b"pdfuaid" in inside  # tagged for those who hear it
    assert visitor.get("/p/east/notices/followup/9/en/pdf/").status_code == 404


def test_the_form_on_paper_asks_each_purpose_by_itself_and_names_nobody(
    desk: Client, patient: Patient, nurse: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, Any] = {}
    monkeypatch.setattr(
        "consent.paper.pdf_of", lambda template, data: said.update(data) or pdf_of(template, data)
    )
    answer = desk.get(reverse("consent:paper", args=[patient.pk]))

    assert answer.content.startswith(b"%PDF-")
    assert len(said["purposes"]) == 4
    assert patient.service_number in said["number"]
    assert {item["heading"] for item in said["common"]} & {
        item["heading"] for item in said["purposes"][0]["items"]
    } == set()
    assert len(said["common"]) + len(said["purposes"][0]["items"]) == 11
    with acting(nurse), access(Purpose.CARE, Kind.VIEWED):
        assert str(patient.identity.name) not in str(said)


def test_the_form_of_somebody_elses_patient_looks_like_one_that_is_not_there(
    hire: Hire, patient: Patient
) -> None:
    stranger = Client()
    stranger.force_login(hire(patient.clinic))

    assert [
        stranger.get(reverse("consent:paper", args=[pk])).status_code for pk in (patient.pk, uuid4())
    ] == [404, 404]


def test_a_character_without_a_picture_fails_nobodys_document(tmp_path: Path) -> None:
    template = Path(settings.BASE_DIR) / "consent" / "data" / "paper" / "notice.typ"
    said = {"lang": "zh", "region": "cn", "clinic": "云溪", "title": "随访", "facts": "", "fingerprint": "", "address": "x",
            "code": "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"}  # fmt: skip
    pdfs = [
        pdf_of(template, {**said, "items": [{"heading": "甲", "words": words}]})
        for words in ("#let x *粗* {0}", "😀")
    ]

    assert [b"pdfuaid" in opened(pdf) for pdf in pdfs] == [True, False]


def test_without_the_font_nothing_is_printed_instead_of_empty_boxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)

    with pytest.raises(paper.PaperUnavailable):
        pdf_of(tmp_path / "any.typ", {})
