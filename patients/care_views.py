"""Pages of care: emergencies and their review, who is responsible, whole panels, watched charts, calls."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.addresses import where_asked
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from clinics.staffing import staff_of, teams_of_clinic
from crypto.reading import shown
from patients.care_forms import (
    EndLookForm,
    GlassForm,
    GlassReviewForm,
    GlassToldForm,
    LookForm,
    PanelForm,
    ResponsibleForm,
    WatchForm,
    role_in,
)
from patients.choices import CareRole, GlassFinding, GlassReason, Telling
from patients.queries import patient_for
from patients.queries.assigning import candidates, givers_of, plan_transfer, responsible_for
from patients.queries.glass import MOST_SHOWN, glass_reviewed, glass_to_review, glass_to_tell
from patients.queries.rights import rights_on
from patients.services.access import end_look, let_look
from patients.services.assigning import assign, move_panel
from patients.services.calling import call_patient
from patients.services.glass import LASTS, break_glass, note_told, review_glass
from patients.services.watching import watch as watch_chart


@staff_page(None, permission=Permission.BREAK_GLASS)
@require_http_methods(["GET", "HEAD", "POST"])
def emergency(request: ClinicRequest) -> HttpResponse:
    """Open a chart outside one's care. Who is meant is posted, never in an address; whoever is not there is told after the reason."""
    form = GlassForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        opened = break_glass(
            form.who,
            reason=GlassReason(form.cleaned_data["reason"]),
            note=form.cleaned_data["note"],
            by=request.actor,
            at=timezone.now(),
        )
        if opened.glass:
            messages.warning(request, _("Open for four hours. The privacy officer and the person are told."))
        else:
            messages.info(request, _("This chart was open to you already: no emergency was written down."))
        return redirect("desk:chart", patient_id=opened.patient.pk)
    return render(request, "patients/emergency.html", {"form": form, "hours": LASTS.seconds // 3600})


@staff_page(Purpose.SECURITY, Kind.LISTED, permission=Permission.REVIEW_GLASS)
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: ClinicRequest) -> HttpResponse:
    """Emergencies that wait for a finding or of which the person does not know, by service number, and the newest findings."""
    posted = request.POST if request.method == "POST" else None
    form = GlassToldForm(posted) if posted and "told" in posted else GlassReviewForm(posted)
    if posted and form.is_valid():
        _note_of_glass(request, form.cleaned_data)
        messages.success(request, _("Written down. It stands on the log with your name."))
        return redirect("patients:review_glass")
    clinic_id = request.clinic.pk
    waiting = glass_to_review(clinic_id)
    context = {
        "form": form,
        "waiting": [(glass, shown(partial(getattr, glass, "note"))) for glass in waiting[:MOST_SHOWN]],
        "count": waiting.count(),
        "to_tell": glass_to_tell(clinic_id)[:MOST_SHOWN],
        "tellings": GlassToldForm.base_fields["told"],
        "reviewed": glass_reviewed(clinic_id)[:MOST_SHOWN],
        "findings": GlassFinding,
        "today": timezone.localdate(),
        "me": request.actor.user_id,
    }
    return render(request, "patients/review_glass.html", context)


def _note_of_glass(request: ClinicRequest, said: dict[str, Any]) -> None:
    """What was found, or that the person was told. Raises GlassNotFound, OwnGlass."""
    by, at = request.actor, timezone.now()
    if "told" in said:
        note_told(said["glass"], Telling(said["told"]), by=by, at=at)
    else:
        review_glass(said["glass"], GlassFinding(said["finding"]), by=by, at=at)


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.ASSIGN_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def responsible(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Who is responsible for a patient, and who could be: the one with the fewest patients is suggested."""
    patient = patient_for(request.actor, patient_id, Permission.ASSIGN_PATIENTS)
    role, today = role_in(request.POST.get("role", "") or request.GET.get("role", "")), timezone.localdate()
    found = candidates(request.clinic.pk, role, today=today)
    form = ResponsibleForm(
        request.POST if request.method == "POST" else None, found=found, initial={"role": role}
    )
    if request.method == "POST" and form.is_valid():
        assign(
            patient.pk,
            role,
            UUID(form.cleaned_data["staff"]),
            by=request.actor,
            at=timezone.now(),
            today=today,
        )
        messages.success(request, _("Written down. It takes effect at once."))
        return redirect(f"{reverse('patients:responsible', args=[patient.pk])}?role={role}")
    context = {
        "patient": patient,
        "form": form,
        "found": found,
        "role": role,
        "now": responsible_for(patient),
        "parts": [CareRole.DOCTOR, CareRole.MANAGER],
    }
    return render(request, "patients/responsible.html", context)


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.ASSIGN_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def who_sees(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Through what anybody sees this chart; one more team or colleague is let in, or a right is ended."""
    patient, at = patient_for(request.actor, patient_id, Permission.ASSIGN_PATIENTS), timezone.now()
    ending = EndLookForm(request.POST)
    if ending.is_valid():
        end_look(patient.pk, ending.cleaned_data["end"], by=request.actor, at=at)
        messages.success(request, _("Ended. It takes effect at once."))
        return redirect("patients:who_sees", patient_id=patient.pk)
    form = LookForm(
        request.POST if request.method == "POST" else None,
        teams=list(teams_of_clinic(request.clinic.pk, at)),
        staff=list(staff_of(request.clinic.pk)),
        today=timezone.localdate(),
    )
    if form.is_bound and form.is_valid():
        let_look(patient.pk, **form.said(), by=request.actor, at=at)
        messages.success(request, _("Written down. It takes effect at once."))
        return redirect("patients:who_sees", patient_id=patient.pk)
    context = {"patient": patient, "form": form, "rights": rights_on(patient, at)}
    return render(request, "patients/who_sees.html", context)


@staff_page(None, permission=Permission.ASSIGN_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def panels(request: ClinicRequest) -> HttpResponse:
    """Move everybody somebody is responsible for: first who moves and who is left out, then page by page."""
    at, today, clinic_id = timezone.now(), timezone.localdate(), request.clinic.pk
    asked = request.POST if request.method == "POST" else request.GET
    role = role_in(asked.get("role", ""))
    form = PanelForm(
        asked if {"giver", "taker"} <= asked.keys() else None,
        givers=givers_of(clinic_id, role),
        takers=candidates(clinic_id, role, today=today),
        initial={"role": role, "giver": asked.get("giver", "")},
    )
    plan, moved = None, None
    if form.is_bound and form.is_valid():
        giver_id, taker_id = UUID(form.cleaned_data["giver"]), UUID(form.cleaned_data["taker"])
        if request.method == "POST":
            moved = move_panel(
                clinic_id, role, giver_id=giver_id, taker_id=taker_id, by=request.actor, at=at, today=today
            )
        plan = plan_transfer(request.actor, clinic_id, giver_id, role, at=at)
        if moved and not plan.moves:
            messages.success(request, _words_of_moved(moved))
            return redirect(f"{reverse('patients:panels')}?role={role}")
    context = {
        "form": form,
        "plan": plan,
        "moved": moved,
        "role": role,
        "parts": [CareRole.DOCTOR, CareRole.MANAGER],
    }
    return render(request, "patients/panels.html", context)


def _words_of_moved(moved: int) -> str:
    return ngettext("The last patient was moved.", "The last %(number)s patients were moved.", moved) % {
        "number": moved
    }


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.MARK_PATIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def watch(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Say that a person is well known or a colleague: whoever opens the chart is then told to the privacy officer."""
    patient = patient_for(request.actor, patient_id, Permission.MARK_PATIENTS)
    staff = list(staff_of(request.clinic.pk))
    why = patient.watched_for
    initial = {"well_known": bool(why and why.well_known), "colleague": (why and why.colleague) or ""}
    form = WatchForm(request.POST if request.method == "POST" else None, staff=staff, initial=initial)
    if request.method == "POST" and form.is_valid():
        colleague = form.cleaned_data["colleague"]
        watch_chart(
            patient.pk,
            well_known=form.cleaned_data["well_known"],
            colleague_id=UUID(colleague) if colleague else None,
            by=request.actor,
            at=timezone.now(),
        )
        messages.success(request, _("Written down."))
        return redirect("desk:chart", patient_id=patient.pk)
    return render(request, "patients/watch.html", {"patient": patient, "form": form})


@staff_page(None, permission=Permission.CALL_PATIENTS)
@require_POST
def call(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Have the telephone system put a call through. The number is not shown."""
    call_patient(patient_id, by=request.actor, at=timezone.now())
    messages.success(request, _("Your telephone rings; then the person is called."))
    page = where_asked(request)
    return redirect(page) if page != "/" else redirect("desk:chart", patient_id=patient_id)
