"""Pages at the desk: the list, the search, and opening a card."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

import segno
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from patients.choices import PhoneOwner, PortalRelation, TwinReason
from patients.errors import NotTheirPhone, SearchTooShort
from patients.forms import OpenCardForm, SearchForm, TypedForm, carried_over
from patients.queries import (
    Place,
    Twin,
    count_of_visible,
    page_of_visible,
    patient_for,
    patient_of_form,
    possible_twins,
    search_patients,
    teams_seen_through,
)
from patients.queries.access import COUNT_BOUND, PAGE_SIZE
from patients.services import (
    confirm_invitation,
    count_search,
    end_portal_sessions,
    give_portal_access,
    has_phone_alone,
    invite_to_portal,
    open_card,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@staff_page(Purpose.CARE, Kind.LISTED, permission=Permission.SEE_PATIENTS)
@require_safe
def patient_list(request: ClinicRequest) -> HttpResponse:
    """The patients in the reader's care, newest first, a page at a time."""
    after = place_in_address(request.GET.get("after", ""))
    chips, through = _chips(request)
    page = page_of_visible(
        request.actor, request.clinic.pk, after=after, size=PAGE_SIZE, through=through, counted=not after
    )
    count = page.count
    if count is None:  # a later page knows of those after it alone
        count = count_of_visible(request.actor, request.clinic.pk, through=through)
    here = _list_url() + (f"?through={through}&" if through else "?")
    return render(
        request,
        "patients/list.html",
        {
            "patients": page.patients,
            "next_url": f"{here}after={address_of_place(page.next)}" if page.next else "",
            "first_url": here[:-1] if after else "",
            "chips": chips,
            "count": min(count, COUNT_BOUND),
            "counted_all": count <= COUNT_BOUND,
            "may_open_card": Permission.OPEN_CARD in request.permissions,
        },
    )


@cache
def _list_url() -> str:
    return reverse("patients:list")


@dataclass(frozen=True, slots=True)
class Chip:
    """One way to narrow the list; its address holds an id of the house."""

    words: str
    url: str
    current: bool


def _chips(request: ClinicRequest) -> tuple[tuple[Chip, ...], UUID | None]:
    """All, one's own, and each care team one is in; and the one that is chosen. What is none of these shows all."""
    here = _list_url()
    teams = teams_seen_through(request.actor, request.clinic.pk)
    ways = {str(request.actor.user_id): _("Mine"), **{str(team_id): name for team_id, name in teams.items()}}
    chosen = request.GET.get("through", "")
    chosen = chosen if chosen in ways else ""
    narrower = (Chip(words, f"{here}?through={key}", key == chosen) for key, words in ways.items())
    return (Chip(_("All"), here, not chosen), *narrower), UUID(chosen) if chosen else None


@staff_page(Purpose.CARE, Kind.LISTED, permission=Permission.SEE_PATIENTS)
@require_POST
def search(request: ClinicRequest) -> HttpResponse:
    """Who is meant by what was typed: a fragment under the search box, or a page."""
    form = SearchForm(request.POST)
    found: dict[str, object] = {"matches": None, "too_short": None}
    if form.is_valid():
        count_search(request.actor, at=timezone.now())
        try:
            found["matches"] = search_patients(request.actor, request.clinic.pk, form.cleaned_data["q"])
        except SearchTooShort as error:
            found["too_short"] = error.message
    context = {
        "form": form,
        "typed": form.cleaned_data.get("q", "").strip(),
        "opening": form.cleaned_data.get("opening", False),
        "may_open_card": Permission.OPEN_CARD in request.permissions,
        **found,
    }
    template = "patients/_found.html" if request.headers.get("HX-Request") else "patients/search.html"
    return render(request, template, context)


@staff_page(Purpose.CARE, Kind.LISTED, permission=Permission.OPEN_CARD)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: ClinicRequest) -> HttpResponse:
    """Open a card: look first, then register; consent is the next page."""
    if request.method != "POST":
        return render(request, "patients/look_first.html", {"form": SearchForm(initial={"opening": True})})
    if "form_token" not in request.POST:
        return _register(request, OpenCardForm(initial=_typed(request)))
    form = OpenCardForm(request.POST)
    if not form.is_valid():
        return _register(request, form)
    opened = patient_of_form(request.clinic.pk, form.cleaned_data["form_token"])
    if opened is not None:
        return redirect("consent:record", patient_id=opened.pk)
    twins = possible_twins(request.actor, request.clinic.pk, form.identity())
    if twins and not form.cleaned_data["twin_reason"]:
        form.ask_about_twins()
        return _register(request, form, twins)
    patient = open_card(
        clinic=request.clinic,
        identity=form.identity(),
        by=request.actor,
        at=timezone.now(),
        form_token=form.cleaned_data["form_token"],
        twin_reason=TwinReason(form.cleaned_data["twin_reason"] or TwinReason.CHECK_LATER),
    )
    return redirect("consent:record", patient_id=patient.pk)


@staff_page(Purpose.CARE, Kind.LISTED, permission=Permission.OPEN_CARD)
@require_POST
def check(request: ClinicRequest) -> HttpResponse:
    """While the form is filled in: who is similar, and what the ID number says. Opens no card and blocks nothing."""
    form = OpenCardForm(request.POST)
    form.is_valid()
    count_search(request.actor, at=timezone.now())
    twins = possible_twins(request.actor, request.clinic.pk, form.known_so_far())
    if twins:
        form.needs_twin_reason()
    form.errors.clear()
    return render(request, "patients/_beside.html", {"form": form, "twins": twins})


@staff_page(Purpose.CARE, permission=Permission.RECORD_CONSENT)
@require_POST
def open_portal(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Let the person see their own chart on their own phone. Raises NotTheirPhone where the number is somebody else's."""
    patient = patient_for(request.actor, patient_id)
    if not patient.identity.phone or patient.phone_owner != PhoneOwner.SELF:
        raise NotTheirPhone
    give_portal_access(patient, PortalRelation.SELF, request.actor, at=timezone.now())
    messages.success(
        request, _("The portal is open for this person: they sign in with this phone and a code.")
    )
    return redirect("desk:chart", patient_id=patient.pk)


@staff_page(Purpose.CARE, permission=Permission.RECORD_CONSENT)
@require_POST
def sign_out_of_portal(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """For a phone that was lost: nobody goes on with the person's own pages. Raises NoOwnPages for somebody who has none."""
    patient = patient_for(request.actor, patient_id)
    end_portal_sessions(patient)
    messages.success(
        request,
        _(
            "Signed out on every phone and computer. Codes still go to the number on the card: if that phone is lost, have the number blocked."
        ),
    )
    return redirect("desk:chart", patient_id=patient.pk)


@staff_page(Purpose.CARE, permission=Permission.RECORD_CONSENT)
@require_POST
def invite(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """A QR code that leads the person to their own pages.

    Whoever has a phone of their own signs in with it, and the code leads there. For whoever has none it holds a link that is shown
    this once, and that a colleague has to confirm. Raises BirthDateMissing.
    """
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    code = request.clinic.code
    if has_phone_alone(patient, request.clinic, at=at):
        give_portal_access(patient, PortalRelation.SELF, request.actor, at=at)
        invitation, address = None, reverse("portal:sign_in", args=[code])
    else:
        invited = invite_to_portal(patient, by=request.actor, at=at)
        invitation, address = invited.invitation, reverse("portal:join", args=[code, invited.token])
    link = request.build_absolute_uri(address)
    context = {
        "patient": patient,
        "invitation": invitation,
        "link": link,
        "picture": segno.make(link, error="m").svg_data_uri(scale=8, border=2),
    }
    return render(request, "patients/invitation.html", context)


@staff_page(Purpose.CARE, permission=Permission.RECORD_CONSENT)
@require_POST
def confirm_invited(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """A colleague of who made the link saw the person. Raises NoInvitation, OwnInvitation."""
    patient = patient_for(request.actor, patient_id)
    confirm_invitation(patient, by=request.actor, at=timezone.now())
    messages.success(request, _("Confirmed. The link opens for this person now."))
    return redirect("consent:record", patient_id=patient.pk)


def _typed(request: ClinicRequest) -> dict[str, str]:
    typed = TypedForm(request.POST)
    return carried_over(typed.cleaned_data["typed"]) if typed.is_valid() else {}


def _register(request: ClinicRequest, form: OpenCardForm, twins: list[Twin] | None = None) -> HttpResponse:
    return render(request, "patients/register.html", {"form": form, "twins": twins})


def address_of_place(place: Place) -> str:
    """A place in a list as part of an address: a moment and an id, nothing of the person."""
    return f"{(place.created_at - EPOCH) // timedelta(microseconds=1):x}-{place.patient_id.hex}"


def place_in_address(text: str) -> Place | None:
    """The place an address names, or None: an address that was cut short shows the first page."""
    microseconds, _dash, patient_id = text.partition("-")
    try:
        return Place(EPOCH + timedelta(microseconds=int(microseconds, 16)), UUID(patient_id))
    except (ValueError, OverflowError):
        return None
