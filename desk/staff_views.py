"""The clinic manager's pages about staff: who is away, who leaves, and whom others must take over."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from clinics.staffing import colleagues, end_work, member_of_staff, note_absence, staff_of
from desk.forms import AbsenceForm
from patients.queries.assigning import panels_of


@staff_page(None, permission=Permission.MANAGE_STAFF)
@require_http_methods(["GET", "HEAD", "POST"])
def staff(request: ClinicRequest) -> HttpResponse:
    """Everybody at work in the clinic; write down who is away, so that nobody is given patients meanwhile."""
    clinic_id, today = request.clinic.pk, timezone.localdate()
    form = AbsenceForm(request.POST if request.method == "POST" else None, staff=staff_of(clinic_id))
    if request.method == "POST" and form.is_valid():
        user = member_of_staff(clinic_id, UUID(form.cleaned_data["user"]))
        note_absence(clinic_id, user, form.cleaned_data["first_on"], form.cleaned_data["last_on"])
        messages.success(request, _("Written down. Meanwhile nobody is suggested to them."))
        return redirect("desk:staff")
    people = colleagues(clinic_id, at=timezone.now(), today=today)
    return render(request, "desk/staff.html", {"people": people, "form": form, "me": request.actor.user_id})


@staff_page(None, permission=Permission.MANAGE_STAFF)
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: ClinicRequest, user_id: UUID) -> HttpResponse:
    """Somebody leaves: what ends, whom others must take over; then it ends, all at once."""
    user = member_of_staff(request.clinic.pk, user_id)
    to_give = panels_of(request.clinic.pk, user.pk)
    rows = [(role.value, role.label, number) for role, number in to_give.items()]
    if request.method == "POST":
        end_work(user, request.clinic.pk, by=request.actor, at=timezone.now())
    template = "desk/left.html" if request.method == "POST" else "desk/leave.html"
    return render(request, template, {"person": user, "to_give": rows})
