"""The staff's pages that show several apps at once. Panels come from the apps' own addresses."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.access import access
from audit.alarms import AlarmDecision, Rule, decide
from audit.kinds import Kind
from audit.letters import undelivered_since
from audit.limits import limits_of, set_limits
from audit.purposes import Purpose
from audit.services import record
from clinics.guards import ClinicRequest, staff_page
from clinics.models import User
from clinics.roles import Permission
from crypto.reading import Unreadable, shown
from desk.alarms import AlarmQuestion, alarm_board
from desk.errors import NotRevealed
from desk.forms import DecisionForm, LimitsForm, RevealForm, RevealPart
from desk.limits import changes_of
from desk.queries import chart_head, duties_of, ending_permissions, week_of
from followups.queries import workbench as workbench_of
from patients.choices import RevealReason
from patients.identity import MAINLAND_MOBILE
from patients.models import Patient
from patients.queries import patient_for
from patients.templatetags.masks import masked_id_number, masked_name, masked_phone

REVEALED_FOR = 60  # seconds
MASKS = {
    RevealPart.NAME: masked_name,
    RevealPart.PHONE: masked_phone,
    RevealPart.ID_NUMBER: masked_id_number,
}


@staff_page(Purpose.CARE, Kind.LISTED)
@require_safe
def workbench(request: ClinicRequest) -> HttpResponse:
    """My day: what to do next, for whom, and why."""
    at = timezone.now()
    context: dict[str, object] = {"at": at, "greeting": _greeting(request, at)}
    if Permission.WORK_FOLLOWUPS in request.permissions:
        context |= {
            "board": workbench_of(request.actor, request.clinic.pk, at),
            "ending": ending_permissions(request.actor, request.clinic.pk, at),
            "week": week_of(request.actor, request.clinic.pk, at),
        }
    elif Permission.SEE_PATIENTS not in request.permissions:
        context["duties"] = duties_of(request)
    return render(request, "desk/workbench.html", context)


@staff_page(Purpose.SECURITY, Kind.LISTED, permission=Permission.DECIDE_ALARMS)
@require_http_methods(["GET", "HEAD", "POST"])
def alarms(request: ClinicRequest) -> HttpResponse:
    """What waits for a decision, in words, and what was decided; filters stand in the address. Looking at it is on the log.

    Raises AlarmNotFound, OwnAlarm.
    """
    question, form = AlarmQuestion.of(request.GET.dict()), DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        decide(given["alarm"], AlarmDecision(given["decision"]), given["note"], request.actor, timezone.now())
        messages.success(request, _("Decided. It stands on the log with your name."))
        return redirect(question.address())
    limits = limits_of(request.clinic.pk)
    board = alarm_board(request.actor, request.clinic.pk, question, limits)
    record("alarms.listed", object=("desk:alarms", ""), purpose=Purpose.SECURITY, count=board.total)
    context = {"board": board, "decisions": AlarmDecision, "rules": Rule, "limits": limits, "form": form}
    context["undelivered_since"] = undelivered_since(request.clinic.pk)
    return render(request, "desk/alarms.html", context)


@staff_page(None, permission=Permission.SET_ALARM_LIMITS)
@require_http_methods(["GET", "HEAD", "POST"])
def alarm_limits(request: ClinicRequest) -> HttpResponse:
    """What the alarms measure by in this clinic. A change is an event; a laxer one an alarm."""
    limits = limits_of(request.clinic.pk)
    form = LimitsForm(request.POST) if request.method == "POST" else LimitsForm.showing(limits)
    if request.method == "POST" and form.is_valid():
        set_limits(form.limits, request.actor, timezone.now())
        messages.success(request, _("Set. It stands on the log with your name."))
        return redirect("desk:alarm_limits")
    return render(request, "desk/alarm_limits.html", {"form": form, "changes": changes_of(request.clinic)})


def _greeting(request: ClinicRequest, at: datetime) -> str:
    hour = timezone.localtime(at).hour
    if hour < 12:
        words = _("Good morning, %(name)s")
    elif hour < 18:
        words = _("Good afternoon, %(name)s")
    else:
        words = _("Good evening, %(name)s")
    name = request.user.get_full_name() if isinstance(request.user, User) else ""
    return words % {"name": name}


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.SEE_PATIENTS)
@require_safe
def chart(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """One patient at a glance; what a role may not see is not asked for."""
    return _chart(request, patient_for(request.actor, patient_id))


@staff_page(None, permission=Permission.REVEAL_IDENTITY)
@require_POST
def reveal(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """One masked value in clear for 60 s, for a reason that goes to the log. Raises NotRevealed without one.

    A value that cannot be read says so in its place.
    """
    form = RevealForm(request.POST)
    if not form.is_valid():
        raise NotRevealed
    patient = patient_for(request.actor, patient_id, Permission.REVEAL_IDENTITY)
    part = RevealPart(form.cleaned_data["part"])
    with access(Purpose.CARE, Kind.REVEALED, reason=form.cleaned_data["reason"]):
        value = shown(lambda: patient.identity.read(part.value) or "")
    revealed: dict[str, object] | None = None
    if not isinstance(value, Unreadable):
        revealed = {"part": part.value, "value": _as_dialled(part, value), "seconds": REVEALED_FOR}
    if request.headers.get("HX-Request"):
        context = {"patient": patient, "part": part.value, "revealed": revealed, "reasons": RevealReason}
        return render(
            request,
            "desk/_masked.html",
            {**context, "masked": MASKS[part](value), "broken": revealed is None},
        )
    with access(Purpose.CARE, Kind.VIEWED):
        response = _chart(request, patient, revealed)
    response["Refresh"] = f"{REVEALED_FOR};url={reverse('desk:chart', args=[patient.pk])}"
    return response


def _as_dialled(part: RevealPart, value: str) -> str:
    """A mobile of this country as it is dialled here, without its +86; anything else as it is."""
    national = value.removeprefix("+86")
    return national if part is RevealPart.PHONE and MAINLAND_MOBILE.fullmatch(national) else value


def _chart(
    request: ClinicRequest, patient: Patient, revealed: dict[str, object] | None = None
) -> HttpResponse:
    head = chart_head(request.actor, patient, timezone.now())
    context = {"head": head, "patient": patient, "revealed": revealed, "reasons": RevealReason}
    return render(request, "desk/chart.html", context)
