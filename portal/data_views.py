"""My data: what a person may ask of the clinic about them, who sees their pages, how they sign in."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_page
from consent.choices import GivenThrough, RequestKind
from consent.models import Recipient
from consent.queries import states_of
from consent.recipients import recipients_for
from consent.requests import ask, take_back
from patients.choices import PortalRelation
from patients.models import Patient
from portal.asks import ASKED_BY, ASKS, shown_requests
from portal.forms import AskForm, CorrectionForm
from portal.queries import on_screen


@portal_page(Purpose.CARE)
@require_safe
def data(request: ClinicRequest) -> HttpResponse:
    """What I may ask for, how what I asked for stands, and what I may look into."""
    screen = on_screen(request)
    found = shown_requests(screen.shown.patient, timezone.now())
    context = {
        "screen": screen,
        "asks": ASKS.values(),
        "waiting": [one for one in found if one.is_open],
        "answered": [one for one in found if not one.is_open],
        "tab": "data",
    }
    return render(request, "portal/data.html", context)


@portal_page(Purpose.CARE)
@require_http_methods(["GET", "HEAD", "POST"])
def ask_for(request: ClinicRequest, kind: str) -> HttpResponse:
    """Ask for one thing. Asked twice while it waits it is one request."""
    if kind not in RequestKind.values:
        raise NoSuchPage
    screen, asked = on_screen(request), ASKS[RequestKind(kind)]
    form_class = CorrectionForm if asked.kind is RequestKind.CORRECT else AskForm
    form = form_class(request.POST or None)
    if request.method == "POST" and form.is_valid():
        ask(
            screen.shown.patient,
            asked.kind,
            asked_by=ASKED_BY[PortalRelation(screen.shown.relation)],
            asked_through=GivenThrough.PORTAL,
            words=form.cleaned_data["words"],
            corrections=form.corrections(),
            by=request.actor,
            at=timezone.now(),
        )
        messages.success(request, _("Sent. You get an answer within 15 days, and it stands here."))
        return redirect("portal:data", clinic_code=request.clinic.code)
    leaves = asked.kind in (RequestKind.COPY, RequestKind.MOVE)
    context = {
        "ask": asked,
        "form": form,
        "recipients": _recipients(request, screen.shown.patient) if asked.kind is RequestKind.MOVE else [],
        "can_download": leaves and screen.shown.relation != PortalRelation.PROXY,
        "tab": "data",
    }
    return render(request, "portal/ask.html", context)


def _recipients(request: ClinicRequest, patient: Patient) -> list[Recipient]:
    """Where a record can be taken to: providers of the register, once the clinic asks for this at all."""
    at = timezone.now()
    offered = states_of(patient, at)[Purpose.REFERRAL].offered
    return list(recipients_for(request.clinic, Purpose.REFERRAL, at)) if offered else []


@portal_page(Purpose.CARE)
@require_POST
def ask_back(request: ClinicRequest, request_id: UUID) -> HttpResponse:
    """I want it no longer. Raises RequestNotFound for anybody else's, RequestDecided."""
    take_back(request_id, on_screen(request).shown.patient, by=request.actor, at=timezone.now())
    messages.success(request, _("Taken back."))
    return redirect("portal:data", clinic_code=request.clinic.code)
