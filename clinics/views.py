"""Choosing where one works."""

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from clinics.accounts.views import go_on
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, staff_page
from clinics.middleware import SESSION_CLINIC


@staff_page(None)
@require_POST
def switch_clinic(request: ClinicRequest) -> HttpResponse:
    """Work in another clinic of one's own; drafts and lists of the old one stay there, and what waited for the new one goes on."""
    chosen = request.POST.get("clinic", "")
    if chosen not in {str(role.clinic_id) for role in request.roles}:
        raise NoSuchPage
    request.session[SESSION_CLINIC] = chosen
    return go_on(request)
