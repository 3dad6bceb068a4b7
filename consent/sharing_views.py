"""Giving a person's data to somebody outside, asked at the desk: one recipient at a time, with the evidence that any yes takes."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.choices import GivenThrough, Method
from consent.forms import DeskForm
from consent.notices import LOCALES
from consent.queries import was_recorded
from consent.services import current_notices, withdraw_consent
from consent.sharing import Sharing, sharing_with
from consent.views import question_of, save, send_code_to
from patients.models import Patient
from patients.queries import patient_for


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_http_methods(["GET", "HEAD", "POST"])
def share(request: ClinicRequest, patient_id: UUID, recipient_id: UUID) -> HttpResponse:
    """Tell, ask and write down, or take back, towards one recipient of the register. Raises NoSuchPage."""
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    sharing = sharing_with(patient, request.clinic, recipient_id, at)
    here = redirect("consent:share", patient_id=patient.pk, recipient_id=recipient_id)
    if "withdraw" in request.POST:
        _withdraw(request, patient, sharing, at)
        return here
    asked = [one for one in sharing.standings if not one.granted]
    notices = current_notices(
        request.clinic, [one.rule.purpose for one in asked], get_language() or LOCALES[0], at
    )
    form = DeskForm(request.POST or None, request.FILES or None, asked=asked)
    to = sharing.recipient
    if "send_code" in request.POST:
        form = DeskForm(initial=request.POST.dict(), asked=asked)
        send_code_to(request, patient, at)
    elif request.method == "POST" and was_recorded(patient, request.POST.get("form_token", "")):
        return here  # the form was sent twice
    elif form.is_valid() and save(request, patient, form, notices, at, recipient=to.code):
        messages.success(request, _("Recorded. What was agreed takes effect at once."))
        return here
    context = {
        "patient": patient,
        "to": to,
        "agreed": [one for one in sharing.standings if one.granted],
        "form": form,
        "questions": [question_of(form, one, notices) for one in asked],
    }
    return render(request, "consent/share.html", context)


def _withdraw(request: ClinicRequest, patient: Patient, sharing: Sharing, at: datetime) -> None:
    purposes = {one.rule.purpose.value: one.rule.purpose for one in sharing.standings}
    purpose = purposes.get(request.POST["withdraw"])
    if purpose is None:
        raise NoSuchPage
    withdraw_consent(
        patient,
        purpose,
        by=request.actor,
        at=at,
        given_through=GivenThrough.DESK,
        method=Method.VERBAL_WITNESSED,
        recipient=sharing.recipient.code,
    )
    messages.success(request, _("Taken back. Nothing is given to them for this any more."))
