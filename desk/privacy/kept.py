"""Records that may not be destroyed for now, and records that are only stored: who said so, why, until when, and ending it."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.choices import IdentityCheck
from desk.forms import EndPreservationForm, LiftForm, PreserveForm
from exchange.choices import PreservationReason
from exchange.queries import running_preservations, stored_records
from exchange.services.preserving import end_preservation, lift_restriction, preserve
from patients.errors import PatientNotFound

SHOWN: Final = 50


@staff_page(None, permission=Permission.PRESERVE_RECORDS)
@require_http_methods(["GET", "HEAD", "POST"])
def kept(request: ClinicRequest) -> HttpResponse:
    """By service number alone: have a record preserved, end that, or let a restricted record be used again."""
    form = PreserveForm(request.POST if "number" in request.POST else None)
    if request.method == "POST" and _did(request, form):
        messages.success(request, _("Written down. It stands on the log with your name."))
        return redirect("desk:kept")
    at, clinic_id = timezone.now(), request.clinic.pk
    context = {
        "form": form,
        "preserved": running_preservations(clinic_id, at)[:SHOWN],
        "stored": stored_records(clinic_id, limit=SHOWN),
    }
    return render(request, "desk/privacy/kept.html", context)


def _did(request: ClinicRequest, form: PreserveForm) -> bool:
    """Whether the deed of the form that was sent is done. Raises PreservationNotFound, PatientNotFound, NotLiftable."""
    by, at = request.actor, timezone.now()
    if form.is_bound:
        return form.is_valid() and _preserve(request, form)
    ending, lifting = EndPreservationForm(request.POST), LiftForm(request.POST)
    if ending.is_valid():
        end_preservation(ending.cleaned_data["preservation"], by=by, at=at)
        return True
    if lifting.is_valid():
        said: dict[str, Any] = lifting.cleaned_data
        lift_restriction(said["patient"], IdentityCheck(said["how"]), by=by, at=at)
        return True
    return False


def _preserve(request: ClinicRequest, form: PreserveForm) -> bool:
    said = form.cleaned_data
    try:
        preserve(
            said["number"],
            PreservationReason(said["reason"]),
            until=said["until"],
            by=request.actor,
            at=timezone.now(),
        )
    except PatientNotFound as error:
        form.add_error("number", str(error.message))
        return False
    return True
