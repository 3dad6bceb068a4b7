"""What shows that somebody agreed, for whoever has to prove it: opened for a purpose, and told in the log."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.access import access
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.queries import names_by_ref
from clinics.roles import Permission
from consent.choices import Method
from consent.evidence import open_evidence, said_line
from consent.purposes import rule_of
from crypto.reading import shown
from patients.queries import patient_for


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_safe
def evidence(request: ClinicRequest, patient_id: UUID, event_id: UUID) -> HttpResponse:
    """One thing that was said: how, before whom, under which notice, who wrote it down. Raises EvidenceNotFound."""
    patient = patient_for(request.actor, patient_id, Permission.RECORD_CONSENT)
    line = said_line(patient, event_id)
    context = {
        "patient": patient,
        "line": line,
        "rule": rule_of(Purpose(line.purpose)),
        "words": shown(lambda: line.evidence),
        "recorded_by": names_by_ref([line.actor_ref]).get(line.actor_ref, ""),
    }
    return render(request, "consent/evidence.html", context)


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_safe
def evidence_file(request: ClinicRequest, patient_id: UUID, event_id: UUID) -> HttpResponse:
    """The signature, which the page shows, or the scan, which leaves as a file. A PDF is only downloaded: what stands in it is
    somebody else's. Raises EvidenceNotFound, SealBroken."""
    patient = patient_for(request.actor, patient_id, Permission.RECORD_CONSENT)
    line = said_line(patient, event_id)
    with access(Purpose.CARE, Kind.VIEWED if line.method == Method.ESIGN else Kind.EXPORTED):
        file = open_evidence(line)
    answer = HttpResponse(file.contents, content_type=file.content_type)
    answer["Content-Disposition"] = "inline" if file.content_type.startswith("image/") else "attachment"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
