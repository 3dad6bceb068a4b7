"""The evidence pack: asked for by the officer, built with progress that is true, verified by its own verifier, gone after a week."""

import io
import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from audit import configured
from audit.acting import acting
from audit.models import AuditEvent
from audit.services import record
from clinics.models import Clinic, User
from clinics.roles import Role
from exchange.models import EvidencePack
from exchange.services import evidence
from exchange.tasks import build_evidence, keep_evidence
from tests.audit.outside import verify
from tests.audit.sealing import seal
from tests.desk.conftest import Hire, system
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.factories.patients import PatientFactory

PAGE = "/privacy/evidence/"


@pytest.fixture(autouse=True)
def files(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    settings.FILES_DIR.mkdir()
    settings.SEQUENCER_KEY_FILE = str(tmp_path / "sequencer.key")
    settings.WITNESS_URL = ""
    configured.log_signer()
    return tmp_path


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is this test."""
    monkeypatch.setattr(evidence, "_wake", lambda pack: None)


def officer_of(clinic: Clinic) -> tuple[User, Client]:
    officer, browser = StaffFactory(), Client()
    StaffRoleFactory(user=officer, clinic=clinic, role=Role.PRIVACY_OFFICER)
    browser.force_login(officer)
    return officer, browser


def pack_of(clinic: Clinic) -> EvidencePack:
    with acting(system(clinic)):
        return EvidencePack.objects.get()


@pytest.mark.requirement("PIPL-54")
@pytest.mark.django_db(transaction=True)
def test_a_pack_is_built_with_progress_verifies_alone_and_holds_no_patient(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic, sister = ClinicFactory("east"), ClinicFactory("west")
    for one in (clinic, sister):
        with acting(system(one)):
            PatientFactory(clinic=one, name="陈雅琴", phone="+8613900001111")
    seal()
    officer, browser = officer_of(clinic)
    for _press in range(2):
        assert browser.post(PAGE).status_code == 302
    pack = pack_of(clinic)
    assert "hx-trigger" in browser.get(PAGE, headers={"HX-Request": "true"}).content.decode()

    monkeypatch.setattr(evidence, "SECONDS_BETWEEN_SIGNS", 0)
    for _twice in range(2):
        build_evidence(str(clinic.pk), str(pack.pk))
    done = pack_of(clinic)
    assert (done.trouble, done.done) == ("", done.total)
    assert done.total > 2

    answer = browser.post(f"{PAGE}{pack.pk}/")
    archive = ZipFile(io.BytesIO(b"".join(cast("Iterable[bytes]", cast(Any, answer).streaming_content))))
    archive.extractall(files / "auditor")
    verified = subprocess.run(
        [sys.executable, "-I", "verify_audit.py", "log"], cwd=files / "auditor", capture_output=True, text=True, check=False
    )  # fmt: skip
    assert verified.returncode == 0, verified.stdout + verified.stderr
    names = archive.namelist()
    assert {
        "README.txt",
        "alarms.csv",
        "access-matrix.md",
        "data-catalogue.md",
        "manifest.json",
        "seal.txt",
    } <= {*names}
    held = b"".join(archive.read(name) for name in names)
    assert not any(word.encode() in held for word in ("陈雅琴", "13900001111", str(sister.pk)))
    with acting(system(clinic)):
        (event,) = AuditEvent.objects.filter(action="evidence.exported")
    assert (event.kind, event.actor_ref, event.count) == ("exported", f"user:{officer.pk}", done.total)

    _, stranger = officer_of(sister)
    assert stranger.post(f"{PAGE}{pack.pk}/").status_code == 404
    assert stranger.get(PAGE).context["packs"] == []

    with acting(system(clinic)):
        EvidencePack.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser.post(f"{PAGE}{pack.pk}/").status_code == 404
    keep_evidence()
    assert [path for path in (files / "files").rglob("*") if path.is_file()] == []
    assert browser.get(PAGE).context["packs"] == []


@pytest.mark.django_db(transaction=True)
def test_one_entry_leaves_with_its_proof_and_no_byte_of_it_can_be_changed(files: Path) -> None:
    clinic = ClinicFactory("east")
    officer, browser = officer_of(clinic)
    with acting(system(clinic)):
        uid = record("card.opened", object=("patients.card", "17")).uid
    page = f"/privacy/log/{uid}/"
    assert browser.post(f"{page}proof/").status_code == 409
    assert "verify_audit.py" not in browser.get(page).content.decode()
    seal()
    assert f"verify_audit.py {uid}.tlog-proof" in browser.get(page).content.decode()
    answer = browser.post(f"{page}proof/")

    assert answer["Content-Disposition"] == f'attachment; filename="{uid}.tlog-proof"'
    proof = files / f"{uid}.tlog-proof"
    proof.write_bytes(answer.content)
    status, words = verify(proof)
    assert (status, f'"uid":"{uid}"' in words) == (0, True), words
    for place in range(0, len(answer.content) - 1, len(answer.content) // 5):
        changed = bytearray(answer.content)
        changed[place] ^= 1
        proof.write_bytes(changed)
        assert verify(proof)[0] in (1, 2), place
    with acting(system(clinic)):
        (event,) = AuditEvent.objects.filter(action="log.proof_taken")
    assert (event.kind, event.actor_ref, event.object_pk) == ("exported", f"user:{officer.pk}", str(uid))
    _, stranger = officer_of(ClinicFactory("west"))
    assert stranger.post(f"{page}proof/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PRIVACY_OFFICER}))
def test_nobody_else_asks_for_a_pack_or_takes_one(role: Role, hire: Hire, client: Client) -> None:
    client.force_login(hire(role))

    assert client.post(PAGE).status_code == 403
    assert client.post(f"{PAGE}01980000-0000-7000-8000-000000000000/").status_code == 403


@pytest.mark.django_db
def test_a_pack_whose_worker_died_is_built_by_the_next_one_and_what_fails_says_so(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser = officer_of(clinic)
    browser.post(PAGE)
    with acting(system(clinic)):
        EvidencePack.objects.update(moved_at=timezone.now() - evidence.GIVEN_UP_AFTER - timedelta(seconds=1))

    def full(*_args: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evidence, "export", full)
    keep_evidence()
    page = browser.get(PAGE)

    assert pack_of(clinic).trouble == "OSError"
    assert "OSError" in page.content.decode()
    assert not page.context["building"]
    assert browser.post(f"{PAGE}{pack_of(clinic).pk}/").status_code == 404


@pytest.mark.django_db
def test_a_pack_whose_leaving_cannot_be_written_down_stays(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser = officer_of(clinic)
    with acting(system(clinic)):
        pack = EvidencePack.objects.create(
            clinic=clinic, asked_by="system:test", asked_at=timezone.now(), finished_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
    evidence._place(pack.pk).write_bytes(b"archive")

    def broken(*_args: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr("audit.events._insert", broken)
    assert browser.post(f"{PAGE}{pack.pk}/").status_code == 503
