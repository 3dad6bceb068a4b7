"""My data: what a person may ask of the clinic about them, who sees their pages, how they sign in."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audit.purposes import Purpose
from clinics.guards import ClinicRequest, portal_page
from portal.queries import on_screen


@portal_page(Purpose.CARE)
@require_safe
def data(request: ClinicRequest) -> HttpResponse:
    """What I may ask for, and what I may look into."""
    return render(request, "portal/data.html", {"screen": on_screen(request), "tab": "data"})
