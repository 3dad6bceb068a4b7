"""What I want to say to the clinic about itself, and what it answered."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.access import access
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, portal_page
from consent.complaints import complain, complaints_of
from consent.models import Complaint
from crypto.reading import Unreadable, shown
from patients.models import Patient
from portal.forms import ComplaintForm
from portal.queries import own_patient

SHOWN = 20


@portal_page(Purpose.CARE)
@require_http_methods(["GET", "HEAD", "POST"])
def complaint(request: ClinicRequest) -> HttpResponse:
    """Write it; below stands what was written before with its answers. Raises NoSuchPage for who looks after somebody else."""
    patient = own_patient(request)
    form = ComplaintForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        complain(patient, form.cleaned_data["words"], by=request.actor, at=timezone.now())
        messages.success(request, _("Sent. The privacy officer answers within 15 days, here."))
        return redirect("portal:complaint", clinic_code=request.clinic.code)
    context = {"form": form, "found": _opened(patient), "tab": "data"}
    return render(request, "portal/complaint.html", context)


def _opened(patient: Patient) -> list[tuple[Complaint, str | Unreadable, str | Unreadable | None]]:
    """What the person wrote and was answered. Others open it as part of the log; it is the person's own."""
    with access(Purpose.CARE, Kind.VIEWED, field_sets=frozenset({"log"})):
        return [
            (one, shown(lambda one=one: one.words), shown(lambda one=one: one.answer))  # type: ignore[misc]
            for one in complaints_of(patient)[:SHOWN]
        ]
