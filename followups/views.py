"""Pages of to-dos: what came of one, taking one from the pool, and the panel of the chart."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from crypto.reading import opens
from followups.choices import FollowUpState, Outcome
from followups.forms import OutcomeForm
from followups.models import PENDING
from followups.queries import board_of, follow_up_for, row_of
from followups.services import claim_follow_up, complete_follow_up
from patients.choices import RevealReason
from patients.queries import patient_for


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.WORK_FOLLOWUPS)
@require_http_methods(["GET", "HEAD", "POST"])
def done(request: ClinicRequest, follow_up_id: UUID) -> HttpResponse:
    """Write down what came of a to-do."""
    follow_up, at = follow_up_for(request.actor, follow_up_id), timezone.now()
    row = row_of(request.actor, follow_up, at)
    form = OutcomeForm(request.POST if request.method == "POST" else None, critical=row.is_critical)
    if request.method == "POST" and form.is_valid():
        closed = complete_follow_up(
            follow_up_id,
            outcome=Outcome(form.cleaned_data["outcome"]),
            by=request.actor,
            at=at,
            note=form.cleaned_data["note"],
            read_back=form.cleaned_data.get("read_back"),
            again_on=form.cleaned_data["again_on"],
        )
        messages.success(
            request,
            _("Done.") if closed.state == FollowUpState.DONE else _("Written down. It stays on the list."),
        )
        return redirect("desk:workbench")
    return render(
        request,
        "followups/done.html",
        {
            "row": row,
            "patient": row.patient,
            "form": form,
            "pending": follow_up.state in PENDING,
            "note_broken": not opens(follow_up, "note"),
            "reasons": RevealReason,
        },
    )


@staff_page(Purpose.CARE, Kind.LISTED, permission=Permission.WORK_FOLLOWUPS)
@require_POST
def claim(request: ClinicRequest, follow_up_id: UUID) -> HttpResponse:
    """Take a to-do from the pool, then go and do it."""
    claim_follow_up(follow_up_id, by=request.actor, at=timezone.now())
    return redirect("followups:done", follow_up_id=follow_up_id)


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.WORK_FOLLOWUPS)
@require_safe
def panel(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """What happens next for this patient, as part of the chart."""
    patient = patient_for(request.actor, patient_id)
    context = {"patient": patient, "board": board_of(request.actor, patient, timezone.now())}
    fragment = request.headers.get("HX-Request")
    return render(request, "followups/_panel.html" if fragment else "followups/panel.html", context)
