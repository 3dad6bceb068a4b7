"""What shows that somebody agreed: a signature drawn on the screen, or a scan of the signed paper, sealed in a file of its own."""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from audit.services import record
from consent.errors import EvidenceNotFound, EvidenceUnreadable
from consent.models import ConsentEvent
from crypto.fields import Scope
from crypto.files import read_chunks, write_file
from crypto.models import SealedFile
from patients.models import Patient

MOST_OF_A_SIGNATURE: Final = 200_000  # bytes; a drawn line takes a tenth
MOST_OF_A_SCAN: Final = 10_000_000
SCANS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"%PDF-")
_PICTURE: Final = "data:image/png;base64,"
_MOST_OF_A_PICTURE: Final = 20_000_000  # bytes of pixels: a picture that unpacks to more is none of ours


def signature_in(text: str) -> bytes:
    """The picture a browser drew. Raises EvidenceUnreadable for anything that is no PNG, too large, or an empty box."""
    if not text.startswith(_PICTURE) or len(text) > MOST_OF_A_SIGNATURE:
        raise EvidenceUnreadable
    try:
        picture = base64.b64decode(text.removeprefix(_PICTURE), validate=True)
    except binascii.Error:
        raise EvidenceUnreadable from None
    if not picture.startswith(SCANS[0]) or not _has_ink(picture):
        raise EvidenceUnreadable
    return picture


def scan_in(contents: bytes) -> bytes:
    """A photograph or PDF of the paper. Raises EvidenceUnreadable for other files, and for one that is too large."""
    if len(contents) > MOST_OF_A_SCAN or not contents.startswith(SCANS):
        raise EvidenceUnreadable
    return contents


def keep_evidence(patient: Patient, contents: bytes) -> UUID:
    """Seal it with the person's record and answer its id, which each line of the ledger then names."""
    file = write_file(patient.clinic_id, patient.pk, patient.subject_id, Scope.RECORD, [contents])
    record("consent.evidence_kept", object=file, subjects=[patient.subject_id])
    return file.pk


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A signature or scan as it was taken."""

    contents: bytes
    content_type: str


def said_line(patient: Patient, event_id: UUID) -> ConsentEvent:
    """A line of the patient's ledger with its evidence still sealed. Raises EvidenceNotFound."""
    line = ConsentEvent.objects.filter(patient=patient, pk=event_id).select_related("notice").first()
    if line is None:
        raise EvidenceNotFound(str(event_id))
    return line


def open_evidence(line: ConsentEvent) -> KeptFile:
    """The signature or scan that a line names, inside an access scope. Raises EvidenceNotFound, and as `read_chunks` does."""
    files = SealedFile.objects.filter(patient_id=line.patient_id)
    file = files.filter(pk=line.evidence_file).first() if line.evidence_file else None
    if file is None:
        raise EvidenceNotFound(str(line.pk))
    contents = b"".join(read_chunks(file, "consent.evidence", field_set="identity"))
    return KeptFile(contents, next(kind for start, kind in _KINDS.items() if contents.startswith(start)))


_KINDS: Final = dict(zip(SCANS, ("image/png", "image/jpeg", "application/pdf"), strict=True))


def _has_ink(picture: bytes) -> bool:
    """Whether any pixel of a transparent PNG was drawn on."""
    packed = zlib.decompressobj()
    try:
        pixels = packed.decompress(b"".join(_chunks(picture, b"IDAT")), _MOST_OF_A_PICTURE)
    except zlib.error:
        return False
    return any(pixels) and not packed.unconsumed_tail


def _chunks(picture: bytes, kind: bytes) -> list[bytes]:
    """The contents of a PNG's chunks of one kind, in their order."""
    found, at = [], 8
    while at + 8 <= len(picture):
        length = int.from_bytes(picture[at : at + 4], "big")
        if picture[at + 4 : at + 8] == kind:
            found.append(picture[at + 8 : at + 8 + length])
        at += 12 + length
    return found
