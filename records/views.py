"""The patient's results: as a part of the chart, as a page of its own, and one item over the years."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from patients.queries import patient_for
from records.catalogue import catalogue
from records.queries import history_of, results_table, timeline

DAYS_IN_PANEL = 4
REPORTS_IN_PANEL = 3


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.SEE_RESULTS)
@require_safe
def results(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """What is known: by panel and day on a page; what is out of range and the newest reports as part of the chart."""
    patient = patient_for(request.actor, patient_id)
    if request.headers.get("HX-Request"):
        context = {
            "patient": patient,
            "table": results_table(request.actor, patient, days=DAYS_IN_PANEL),
            "reports": timeline(request.actor, patient, limit=REPORTS_IN_PANEL),
        }
        return render(request, "records/_panel.html", context)
    table = results_table(request.actor, patient)
    return render(request, "records/results.html", {"patient": patient, "table": table})


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.SEE_RESULTS)
@require_safe
def history(request: ClinicRequest, patient_id: UUID, indicator: str) -> HttpResponse:
    """One item over the years: every value with its unit, the range then in force, and what was printed."""
    patient = patient_for(request.actor, patient_id)
    item = catalogue().indicators.get(indicator)
    if item is None or item.sealed:  # the address of an item sealed whole would tell that there is one
        raise Http404
    found = history_of(request.actor, patient, indicator)
    if not found:
        raise Http404
    return render(request, "records/history.html", {"patient": patient, "item": item, "results": found})
