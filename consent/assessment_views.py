"""Impact assessments: what was weighed, written by one and approved by another."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.queries import names_by_ref
from clinics.roles import Permission
from consent.assessments import approve_assessment, write_assessment
from consent.errors import AssessmentNotFound, NumberTaken
from consent.models import ImpactAssessment
from consent.notice_forms import AssessmentForm, ReviewForm
from consent.purposes import rule_of


@staff_page(None, permission=Permission.MANAGE_NOTICES)
@require_http_methods(["GET", "HEAD", "POST"])
def assessments(request: ClinicRequest) -> HttpResponse:
    """Every assessment of the clinic, and writing another one."""
    form = AssessmentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            written = write_assessment(
                request.clinic,
                number=said["number"],
                purposes=list(map(Purpose, said["purposes"])),
                necessity=said["necessity"],
                impact=said["impact"],
                measures=said["measures"],
                by=request.actor,
                at=timezone.now(),
            )
        except NumberTaken as error:
            form.add_error("number", str(error.message))
        else:
            messages.success(request, _("Written. A colleague has to approve it before anybody is asked."))
            return redirect("consent:assessment", assessment_id=written.pk)
    found = ImpactAssessment.objects.filter(clinic=request.clinic).select_related("approval")
    context = {
        "form": form,
        "assessments": [(one, _names(one.purposes)) for one in found.order_by("-written_at")],
        "today": timezone.localdate(),
    }
    return render(request, "consent/assessments.html", context)


@staff_page(None, permission=Permission.MANAGE_NOTICES)
@require_http_methods(["GET", "HEAD", "POST"])
def assessment(request: ClinicRequest, assessment_id: UUID) -> HttpResponse:
    """One assessment; approving it, by somebody who did not write it. Raises AssessmentNotFound, OwnAssessment."""
    found = (
        ImpactAssessment.objects.filter(clinic=request.clinic, pk=assessment_id)
        .select_related("approval")
        .first()
    )
    if found is None:
        raise AssessmentNotFound(str(assessment_id))
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        approve_assessment(
            found, review_on=form.cleaned_data["review_on"], by=request.actor, at=timezone.now()
        )
        messages.success(request, _("Approved. Notices may rest on it until it is looked at again."))
        return redirect("consent:assessment", assessment_id=found.pk)
    approval = getattr(found, "approval", None)
    names = names_by_ref([found.written_by, approval.approved_by if approval else ""])
    context = {
        "assessment": found,
        "approval": approval,
        "purposes": _names(found.purposes),
        "written_by": names.get(found.written_by, ""),
        "approved_by": names.get(approval.approved_by, "") if approval else "",
        "is_own": found.written_by == request.actor.ref,
        "today": timezone.localdate(),
        "form": form,
    }
    return render(request, "consent/assessment.html", context)


def _names(codes: list[str]) -> list[str]:
    return [str(rule_of(Purpose(code)).name) for code in codes]
