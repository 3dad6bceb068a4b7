"""The evidence pack of a clinic: its log as files that verify without us, and what else somebody needs who checks it.

Asked for by the privacy officer, built by a worker in the background, kept for a week below FILES_DIR. It holds ids and codes as
the log does, and no value of a patient.
"""

import csv
import hashlib
import io
import json
import logging
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.export import export
from audit.kinds import Kind
from audit.models import Alarm
from audit.purposes import Purpose
from audit.queries import seal_state
from audit.services import record
from clinics import matrix
from consent import catalogue_page
from exchange.errors import EvidenceNotFound
from exchange.models import EvidencePack

logger = logging.getLogger(__name__)
KEPT: Final = timedelta(days=7)
GIVEN_UP_AFTER: Final = timedelta(minutes=2)  # without a sign of life another worker begins anew
SECONDS_BETWEEN_SIGNS: Final = 0.5
DOCUMENTS: Final = ("audit-for-auditors.md", "threat-model.md", "architecture.md")
VERIFIER: Final = Path("tools") / "verify_audit.py"
ALARM_COLUMNS: Final = (
    "id", "rule", "raised_at", "last_at", "count", "actor_ref", "object_type", "object_id", "event_uid",
    "decided_at", "decided_by", "decision",
)  # fmt: skip
README: Final = """\
The evidence pack of one clinic. It holds ids and codes, and no value of a patient.

log/                    the clinic's log as static files; log/README.txt says what each is
verify_audit.py         verifies log/ by itself:  python3 verify_audit.py log
seal.txt                the last checkpoint, with the witness's line where it has cosigned
alarms.csv              every alarm, and what a person decided about it
access-matrix.md        which role may do what
data-catalogue.md       what every column holds, how it is protected, and for which purposes
documents/              how the log is verified, against whom the house is built, and its shape
manifest.json           SHA-256 of every file here

Take the verifier, the log's public key and an earlier checkpoint from somewhere else than this archive: whoever made it could have
changed them together.

本包只含编号和代码，不含任何患者数据。校验程序、公钥和较早的检查点，请从本包以外的途径取得。
"""


def ask_evidence(*, clinic_id: UUID, by: Actor, at: datetime) -> EvidencePack:
    """Have a pack built, in the transaction in hand; one that is being built already is answered as it is."""
    under_way = EvidencePack.objects.filter(clinic_id=clinic_id, finished_at=None)
    if pack := under_way.first():
        return pack
    try:
        with transaction.atomic():
            pack = EvidencePack.objects.create(clinic_id=clinic_id, asked_by=by.ref, asked_at=at)
    except IntegrityError:  # somebody else asked at the same moment
        return under_way.get()
    record("evidence.asked", object=pack, purpose=Purpose.SECURITY)
    transaction.on_commit(partial(_wake, pack))
    return pack


def evidence_of(clinic_id: UUID) -> QuerySet[EvidencePack]:
    """The newest first."""
    return EvidencePack.objects.filter(clinic_id=clinic_id).order_by("-asked_at", "-pk")


def take_evidence(pack_id: UUID, *, by: Actor, at: datetime) -> BinaryIO:
    """The archive, open for reading; that it leaves is on the log first. Raises EvidenceNotFound: another clinic's, over, gone."""
    own = EvidencePack.objects.filter(clinic_id=by.clinic_id) if by.clinic_id else EvidencePack.objects.none()
    pack = own.filter(pk=pack_id, expires_at__gt=at).first()
    if pack is None:
        raise EvidenceNotFound(str(pack_id))
    record("evidence.exported", object=pack, kind=Kind.EXPORTED, purpose=Purpose.SECURITY, count=pack.total)
    try:
        return _place(pack.pk).open("rb")
    except OSError as error:
        raise EvidenceNotFound(str(pack_id)) from error


def _wake(pack: EvidencePack) -> None:
    """The worker is told. Were it never to hear, the next look for unfinished packs finds it."""
    from exchange.tasks import build_evidence

    try:
        build_evidence.delay(str(pack.clinic_id), str(pack.pk))
    except Exception as error:  # the broker is away, whatever it raises
        logger.warning("an evidence pack waits for the next look (%s)", type(error).__name__)


# --- building -------------------------------------------------------------------------------------------------------------


def unfinished_evidence(clinic_id: UUID, *, at: datetime) -> list[UUID]:
    """Packs of a clinic that nobody is at work on."""
    with _keeping(clinic_id):
        return list(_idle(clinic_id, at).values_list("pk", flat=True))


def build(clinic_id: UUID, pack_id: UUID) -> None:
    """Write the archive. Several workers may be told of one pack: one takes it. Whatever goes wrong is said on the page."""
    with _keeping(clinic_id):
        if not _idle(clinic_id, now()).filter(pk=pack_id).update(moved_at=now(), done=0, total=0):
            return
    work = _folder() / f"{pack_id}.d"
    shutil.rmtree(work, ignore_errors=True)
    try:
        _gather(clinic_id, pack_id, work)
        size, checksum = _pack(work, _place(pack_id))
    except (OSError, DatabaseError, LookupError, ValueError) as error:
        logger.exception("an evidence pack could not be built")
        _finish(clinic_id, pack_id, trouble=type(error).__name__)
    else:
        _finish(clinic_id, pack_id, size=size, sha256=checksum, expires_at=now() + KEPT)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def forget_evidence(clinic_id: UUID, *, at: datetime) -> None:
    """Archives whose week is over leave the disk, then the list."""
    with _keeping(clinic_id):
        over = list(EvidencePack.objects.filter(clinic_id=clinic_id, expires_at__lte=at))
        for pack in over:
            _place(pack.pk).unlink(missing_ok=True)
        EvidencePack.objects.filter(pk__in=[pack.pk for pack in over]).delete()


def _keeping(clinic_id: UUID) -> AbstractContextManager[Actor]:
    return acting(system_actor("evidence", clinic_id))


def _idle(clinic_id: UUID, at: datetime) -> QuerySet[EvidencePack]:
    dead = Q(moved_at=None) | Q(moved_at__lt=at - GIVEN_UP_AFTER)
    return EvidencePack.objects.filter(dead, clinic_id=clinic_id, finished_at=None)


def _gather(clinic_id: UUID, pack_id: UUID, work: Path) -> None:
    work.mkdir(mode=0o700, parents=True)
    export(work / "log", [clinic_id], told=_progress(clinic_id, pack_id))
    with _keeping(clinic_id):
        state = seal_state(clinic_id)
        _write(work / "alarms.csv", _alarms(clinic_id))
    _write(
        work / "seal.txt",
        (state.signed.text if state.signed else "") + (state.cosigned.text if state.cosigned else ""),
    )
    _write(work / "access-matrix.md", matrix.page())
    _write(work / "data-catalogue.md", catalogue_page.page())
    _write(work / "README.txt", README)
    shutil.copy(Path(settings.BASE_DIR) / VERIFIER, work / VERIFIER.name)
    (work / "documents").mkdir()
    for name in DOCUMENTS:
        shutil.copy(Path(settings.BASE_DIR) / "docs" / name, work / "documents" / name)


def _progress(clinic_id: UUID, pack_id: UUID) -> Callable[[int, int], None]:
    told_at = 0.0

    def told(done: int, total: int) -> None:
        nonlocal told_at
        if done < total and time.monotonic() - told_at < SECONDS_BETWEEN_SIGNS:
            return
        told_at = time.monotonic()
        with _keeping(clinic_id):
            EvidencePack.objects.filter(pk=pack_id).update(moved_at=now(), done=done, total=total)

    return told


def _alarms(clinic_id: UUID) -> str:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(ALARM_COLUMNS)
    for row in (
        Alarm.objects.filter(clinic_id=clinic_id).order_by("raised_at", "pk").values_list(*ALARM_COLUMNS)
    ):
        table.writerow(["" if cell is None else str(cell) for cell in row])
    return out.getvalue()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _pack(work: Path, place: Path) -> tuple[int, str]:
    """One archive of all that was gathered; its size and checksum. Whole or not there at all."""
    files = sorted(path for path in work.rglob("*") if path.is_file())
    sums = {str(path.relative_to(work)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    half = place.with_suffix(".half")
    with ZipFile(half, "w", ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(work))
        archive.writestr("manifest.json", json.dumps(sums, indent=1))
    half.chmod(0o600)
    half.replace(place)
    with place.open("rb") as whole:
        return place.stat().st_size, hashlib.file_digest(whole, "sha256").hexdigest()


def _finish(clinic_id: UUID, pack_id: UUID, **found: object) -> None:
    with _keeping(clinic_id):
        EvidencePack.objects.filter(pk=pack_id, finished_at=None).update(
            finished_at=now(), moved_at=now(), **found
        )


def _folder() -> Path:
    folder = Path(settings.FILES_DIR) / "evidence"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _place(pack_id: UUID) -> Path:
    return _folder() / f"{pack_id}.zip"
