"""What a person takes away as files: a receipt with its proof, all permissions as FHIR, and a copy of the whole record."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_page
from consent.receipts import lines_of_deed, receipt_of
from exchange.fhir.consents import consents_of
from exchange.services.copies import copy_of_record
from patients.choices import PortalRelation
from portal.queries import on_screen


@portal_page(Purpose.CARE, Kind.EXPORTED)
@require_safe
def receipt_file(request: ClinicRequest, event_id: UUID) -> HttpResponse:
    """A record of ISO/IEC TS 27560 with the proof that it stands in the log. Raises NoSuchPage for anybody else's."""
    lines = lines_of_deed(on_screen(request).shown.patient, event_id)
    if not lines:
        raise NoSuchPage
    return _file(f"receipt-{event_id}.json", receipt_of(request.clinic, lines))


@portal_page(Purpose.CARE, Kind.EXPORTED)
@require_safe
def consents_file(request: ClinicRequest) -> HttpResponse:
    """Everything that was said, as FHIR R4 Consent resources."""
    bundle = consents_of(request.clinic, on_screen(request).shown.patient, timezone.now())
    return _file("consents.json", bundle)


@portal_page(Purpose.CARE, Kind.EXPORTED)
@require_POST
def copy(request: ClinicRequest) -> HttpResponse:
    """Everything the clinic holds that is the reader's to have, as one archive. Raises NoSuchPage for a proxy."""
    screen = on_screen(request)
    if screen.shown.relation == PortalRelation.PROXY:
        raise NoSuchPage
    archive = copy_of_record(request.clinic, screen.shown.patient, by=request.actor, at=timezone.now())
    headers = {"Content-Disposition": 'attachment; filename="record.zip"'}
    return HttpResponse(archive, content_type="application/zip", headers=headers)


def _file(name: str, content: dict[str, Any]) -> HttpResponse:
    answer = JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 2})
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
