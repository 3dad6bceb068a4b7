"""The desk's pages of what people asked for: which waits longest, who asks, what was done about it and why not."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.choices import IdentityCheck, RefusalReason, RequestKind
from consent.complaints import answer_complaint, open_complaints
from consent.errors import IdentityUnknown, ReasonNeeded, RequestNotFound
from consent.forms import AnswerForm, ComplaintAnswerForm
from consent.models import PersonRequest
from consent.requests import decide_correction, grant_request, open_requests, refuse_request, verify
from crypto.reading import shown
from patients.queries import patient_for, visible_patients


@staff_page(Purpose.CARE, Kind.LISTED, permission=Permission.ANSWER_REQUESTS)
@require_safe
def requests(request: ClinicRequest) -> HttpResponse:
    """What waits for an answer among the patients in the reader's care, the most urgent first."""
    at = timezone.now()
    mine = visible_patients(request.actor, request.clinic.pk, Permission.ANSWER_REQUESTS)
    waiting = open_requests(request.clinic.pk).filter(patient__in=mine.values("pk"))
    rows = [(one, (one.due_at - at).days) for one in waiting[:200]]
    return render(request, "consent/requests.html", {"rows": rows})


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.ANSWER_REQUESTS)
@require_http_methods(["GET", "HEAD", "POST"])
def request_of(request: ClinicRequest, request_id: UUID) -> HttpResponse:
    """One request: see who asks, decide field by field, answer. Raises RequestNotFound, the same for missing and not theirs."""
    asked = _asked(request, request_id)
    form = AnswerForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            _do(request, asked, form.cleaned_data)
        except (IdentityUnknown, ReasonNeeded) as error:
            form.add_error(None, str(error.message))
        else:
            messages.success(request, _("Written down."))
            if form.cleaned_data["deed"] in ("done", "refuse"):
                return redirect("consent:requests")
            return redirect("consent:request", request_id=asked.pk)
    context = {
        "asked": asked,
        "patient": asked.patient,
        "corrections": asked.corrections.order_by("field"),
        "reasons": RefusalReason.choices,
        "is_erasure": asked.kind == RequestKind.DELETE,
        "form": form,
        "days_left": (asked.due_at - timezone.now()).days,
    }
    return render(request, "consent/request.html", context)


@staff_page(Purpose.SECURITY, Kind.LISTED, permission=Permission.ANSWER_COMPLAINTS)
@require_http_methods(["GET", "HEAD", "POST"])
def complaints(request: ClinicRequest) -> HttpResponse:
    """What people complain about, by service number: the privacy officer reads and answers it."""
    form = ComplaintAnswerForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        answer_complaint(said["complaint"], said["answer"], by=request.actor, at=timezone.now())
        messages.success(request, _("Answered. It stands on the person's page."))
        return redirect("consent:complaints")
    at, waiting = timezone.now(), open_complaints(request.clinic.pk)
    rows = [(one, shown(partial(getattr, one, "words")), (one.due_at - at).days) for one in waiting[:50]]
    return render(request, "consent/complaints.html", {"rows": rows, "count": waiting.count(), "form": form})


def _asked(request: ClinicRequest, request_id: UUID) -> PersonRequest:
    mine = visible_patients(request.actor, request.clinic.pk, Permission.ANSWER_REQUESTS)
    asked = PersonRequest.objects.filter(pk=request_id, clinic=request.clinic, patient__in=mine).first()
    if (
        asked is None
    ):  # asked in one statement: a second one would tell what is not theirs from what is not there
        raise RequestNotFound(str(request_id))
    patient_for(request.actor, asked.patient_id, Permission.ANSWER_REQUESTS)
    return asked


def _do(request: ClinicRequest, asked: PersonRequest, said: dict[str, Any]) -> None:
    """One deed of the form. Raises IdentityUnknown, ReasonNeeded, RequestDecided, RequestNotFound."""
    by, at, reason = request.actor, timezone.now(), RefusalReason(said["reason"]) if said["reason"] else None
    match said["deed"]:
        case "papers":
            verify(asked.pk, IdentityCheck.PAPERS, by=by, at=at)
        case "proof":
            verify(asked.pk, IdentityCheck.PROOF, by=by, at=at)
        case "accept" | "leave":
            if not asked.corrections.filter(pk=said["correction"]).exists():
                raise RequestNotFound(str(asked.pk))
            refusal = (reason or RefusalReason.NOT_WRONG) if said["deed"] == "leave" else None
            decide_correction(said["correction"], refusal=refusal, by=by, at=at)
        case "done":
            grant_request(asked.pk, said["answer"], by=by, at=at)
        case _:
            if reason is None:
                raise ReasonNeeded(str(asked.pk))
            refuse_request(asked.pk, reason, said["answer"], by=by, at=at)
