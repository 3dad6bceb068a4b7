"""The patient's phone: one job per page, every form works without a script. Addresses carry the clinic's code."""

from datetime import date, datetime
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.purposes import Purpose
from audit.services import record
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_page
from consent.queries import states_of
from crypto.reading import Unreadable, shown
from patients.queries.glass import glass_of, untold_glass
from patients.services.glass import read_emergencies
from portal.looks import ask_name, looks_page
from portal.queries import (
    SESSION_PERSON,
    OnScreen,
    helpers_of,
    on_screen,
    own_patient,
    permissions_page,
    plan_page,
    turned_to,
)
from portal.reading import is_offered, reads_large
from portal.summaries import results_of


@portal_page(Purpose.CARE)
@require_safe
def home(request: ClinicRequest) -> HttpResponse:
    """What comes up, my last results in words, my permissions, my people; to a young person's guardian what the law tells."""
    at, screen = timezone.now(), on_screen(request, by_law_too=True)
    patient = screen.shown.patient
    if screen.by_law_alone:
        context = {"screen": screen, "emergencies": glass_of(patient), "tab": "home"}
        return render(request, "portal/young.html", context)
    standings = states_of(patient, at)
    context = {
        "at": at,
        "screen": screen,
        "greeting": _greeting(screen, at),
        "untold": list(untold_glass(patient)) if screen.reads_for_them else [],
        "plan": plan_page(patient, at),
        "summary": results_of(request.actor, patient, standings[Purpose.REPORT]),
        "permissions": permissions_page(standings.values(), at),
        "helpers": helpers_of(patient, at),
        "offers_elder": is_offered(request.session, patient),
        "tab": "home",
    }
    template = "portal/home_elder.html" if reads_large(request.session) else "portal/home.html"
    return render(request, template, context)


def _greeting(screen: OnScreen, at: datetime) -> str:
    """By name on one's own pages; without one where it cannot be read, and for somebody else's proxy."""
    if not screen.is_own:
        return _("Hello")
    identity, hour = screen.shown.patient.identity, timezone.localtime(at).hour
    name = shown(lambda: identity.name)
    if isinstance(name, Unreadable):
        return _("Hello")
    if hour < 12:
        return _("Good morning, %(name)s") % {"name": name}
    return (_("Good afternoon, %(name)s") if hour < 18 else _("Good evening, %(name)s")) % {"name": name}


@portal_page(Purpose.CARE)
@require_POST
def choose_person(request: ClinicRequest) -> HttpResponse:
    """Turn to the pages of somebody else one may look after. Raises NoSuchPage for anybody else."""
    chosen = request.POST.get("patient", "")
    others = turned_to(request).others
    if chosen not in {str(access.patient_id) for access in others}:
        raise NoSuchPage
    request.session[SESSION_PERSON] = chosen
    return redirect("portal:home", clinic_code=request.clinic.code)


@portal_page(Purpose.CARE)
@require_http_methods(["GET", "HEAD", "POST"])
def emergencies(request: ClinicRequest) -> HttpResponse:
    """When my record was opened in an emergency, and that I have read it.

    Raises NoSuchPage for a proxy, and for a guardian who says that a young person has read it.
    """
    screen = on_screen(request, by_law_too=True)
    if not screen.is_told_of_emergencies:
        raise NoSuchPage
    patient = screen.shown.patient
    if request.method == "POST":
        if not screen.reads_for_them:
            raise NoSuchPage
        read_emergencies(patient, by=request.actor, at=timezone.now())
        return redirect("portal:home", clinic_code=request.clinic.code)
    found = list(glass_of(patient))
    unread = screen.reads_for_them and any(not one.told_how for one in found)
    context = {"found": found, "unread": unread, "tab": "permissions"}
    return render(request, "portal/emergencies.html", context)


@portal_page(Purpose.CARE)
@require_safe
def results(request: ClinicRequest) -> HttpResponse:
    """My last results in words, then each with its range."""
    patient = on_screen(request).shown.patient
    summary = results_of(request.actor, patient, states_of(patient, timezone.now())[Purpose.REPORT])
    return render(request, "portal/results.html", {"summary": summary, "tab": "results"})


@portal_page(Purpose.CARE)
@require_safe
def looked(request: ClinicRequest) -> HttpResponse:
    """Who looked at my record. Whoever looks after somebody else's pages does not see who looked at them."""
    patient = own_patient(request)
    page = looks_page(request.actor, patient, _day(request.GET.get("before", "")), timezone.localdate())
    record("log.viewed", object=("portal:looked", ""), subjects=[patient.subject_id], purpose=Purpose.CARE)
    return render(request, "portal/looked.html", {"page": page, "tab": "permissions"})


@portal_page(Purpose.CARE)
@require_POST
def ask_who(request: ClinicRequest, uid: UUID) -> HttpResponse:
    """Ask for the name of who looked; it is said at once. Raises NoSuchPage for a look at anybody else."""
    ask_name(request.actor, own_patient(request), uid)
    before = _day(request.POST.get("before", ""))
    here = reverse("portal:looked", args=[request.clinic.code])
    return redirect(f"{here}{f'?before={before}' if before else ''}#look-{uid}")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
