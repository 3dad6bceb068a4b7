"""The desk's page for a person who moves to another provider: the bundle, once they agreed to whom it goes."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.choices import RequestKind, RequestState
from consent.errors import ConsentMissing, IdentityUnknown, NotARecipient, OutsideAgreement, RequestNotFound
from consent.models import PersonRequest
from consent.recipients import recipients_for
from exchange.services.copies import hand_over as write_bundle
from patients.queries import patient_for, visible_patients


@staff_page(Purpose.REFERRAL, Kind.EXPORTED, permission=Permission.EXPORT_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def hand_over(request: ClinicRequest, request_id: UUID) -> HttpResponse:
    """Choose the recipient, take the file. Raises RequestNotFound, the same for missing and not theirs."""
    mine = visible_patients(request.actor, request.clinic.pk, Permission.EXPORT_PATIENTS)
    found = PersonRequest.objects.filter(pk=request_id, clinic=request.clinic, patient__in=mine)
    asked = found.defer("words", "answer").first()
    if asked is None:
        raise RequestNotFound(str(request_id))
    patient_for(request.actor, asked.patient_id, Permission.EXPORT_PATIENTS)
    at, refused = timezone.now(), ""
    code = request.POST.get("to", "")
    if request.method == "POST" and code:
        try:
            text = write_bundle(asked.pk, code, by=request.actor, at=at)
        except (ConsentMissing, IdentityUnknown, NotARecipient, OutsideAgreement) as error:
            refused = str(error.message)
        else:
            headers = {"Content-Disposition": 'attachment; filename="record.json"'}
            return HttpResponse(text, content_type="application/fhir+json", headers=headers)
    context = {
        "asked": asked,
        "recipients": recipients_for(request.clinic, Purpose.REFERRAL, at),
        "is_move": asked.kind == RequestKind.MOVE and asked.state == RequestState.RECEIVED,
        "refused": refused,
    }
    return render(request, "exchange/hand_over.html", context)
