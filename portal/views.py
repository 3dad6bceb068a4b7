"""The patient's phone: one job per page, every form works without a script. Addresses carry the clinic's code."""

from datetime import date, datetime
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth import login, logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.purposes import Purpose
from audit.services import record
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_entry, portal_page
from clinics.models import UserKind
from consent.choices import ExpressedBy, GivenThrough, Method
from consent.notices import ITEMS
from consent.purposes import PurposeRule
from consent.queries import PurposeStanding, states_of
from consent.services import current_notice, record_consent, withdraw_consent, would_stop
from crypto.reading import Unreadable, shown
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from portal.forms import CodeForm, PhoneForm
from portal.looks import ask_name, looks_page
from portal.queries import SESSION_PERSON, OnScreen, helpers_of, on_screen, permissions_page, plan_page
from portal.services import Answer, redeem_code, send_code
from portal.summaries import summary_of
from records.queries import results_table

SESSION_CODE = "portal_code"
EXPRESSED_BY = {
    PortalRelation.SELF: ExpressedBy.SELF,
    PortalRelation.PROXY: ExpressedBy.AGENT,
    PortalRelation.GUARDIAN: ExpressedBy.GUARDIAN,
}
SESSION_LASTS = 2 * 60 * 60  # seconds: a phone may be lent to somebody


@portal_entry(Purpose.SECURITY)
@require_http_methods(["GET", "POST"])
def sign_in(request: ClinicRequest) -> HttpResponse:
    """Ask for a code. Every phone gets the same answer."""
    if request.user.is_authenticated and request.user.kind == UserKind.PATIENT:
        return redirect("portal:home", clinic_code=request.clinic.code)
    form = PhoneForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        sent = send_code(
            request.clinic, form.cleaned_data["phone"], address=_address(request), at=timezone.now()
        )
        request.session[SESSION_CODE] = str(sent.pk)
        return redirect("portal:code", clinic_code=request.clinic.code)
    return render(request, "portal/sign_in.html", {"form": form})


@portal_entry(Purpose.SECURITY)
@require_http_methods(["GET", "POST"])
def enter_code(request: ClinicRequest) -> HttpResponse:
    """Type the code. A wrong one is counted; the third ends it."""
    asked = request.session.get(SESSION_CODE)
    if asked is None:
        return redirect("portal:sign_in", clinic_code=request.clinic.code)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        redeemed = redeem_code(UUID(asked), request.clinic, form.cleaned_data["code"], at=timezone.now())
        if redeemed.answer is Answer.OPENED and redeemed.user:
            login(request, redeemed.user)
            request.session.set_expiry(SESSION_LASTS)
            request.session.pop(SESSION_CODE, None)
            return redirect("portal:home", clinic_code=request.clinic.code)
        if redeemed.answer is Answer.ENDED:
            request.session.pop(SESSION_CODE, None)
            return render(request, "portal/code_ended.html")
        form.add_error("code", _tries_left(redeemed.tries_left))
    return render(request, "portal/code.html", {"form": form})


@portal_entry()
@require_POST
def sign_out(request: ClinicRequest) -> HttpResponse:
    logout(request)
    return redirect("portal:sign_in", clinic_code=request.clinic.code)


@portal_page(Purpose.CARE)
@require_safe
def home(request: ClinicRequest) -> HttpResponse:
    """What comes up, my last results in words, my permissions, my people."""
    at, screen = timezone.now(), on_screen(request)
    patient = screen.shown.patient
    context = {
        "at": at,
        "screen": screen,
        "greeting": _greeting(screen, at),
        "plan": plan_page(patient, at),
        "summary": summary_of(results_table(request.actor, patient)),
        "permissions": permissions_page(states_of(patient, at).values(), at),
        "helpers": helpers_of(patient, at),
        "tab": "home",
    }
    return render(request, "portal/home.html", context)


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
    if chosen not in {str(access.patient_id) for access in on_screen(request).others}:
        raise NoSuchPage
    request.session[SESSION_PERSON] = chosen
    return redirect("portal:home", clinic_code=request.clinic.code)


@portal_page(Purpose.CARE)
@require_safe
def results(request: ClinicRequest) -> HttpResponse:
    """My last results in words, then each with its range."""
    summary = summary_of(results_table(request.actor, on_screen(request).shown.patient))
    return render(request, "portal/results.html", {"summary": summary, "tab": "results"})


@portal_page(Purpose.CARE)
@require_safe
def looked(request: ClinicRequest) -> HttpResponse:
    """Who looked at my record. Whoever looks after somebody else's pages does not see who looked at them."""
    patient = _own(request)
    page = looks_page(request.actor, patient, _day(request.GET.get("before", "")), timezone.localdate())
    record("log.viewed", object=("portal:looked", ""), subjects=[patient.subject_id], purpose=Purpose.CARE)
    return render(request, "portal/looked.html", {"page": page, "tab": "permissions"})


@portal_page(Purpose.CARE)
@require_POST
def ask_who(request: ClinicRequest, uid: UUID) -> HttpResponse:
    """Ask for the name of who looked; it is said at once. Raises NoSuchPage for a look at anybody else."""
    ask_name(request.actor, _own(request), uid)
    before = _day(request.POST.get("before", ""))
    here = reverse("portal:looked", args=[request.clinic.code])
    return redirect(f"{here}{f'?before={before}' if before else ''}#look-{uid}")


def _own(request: ClinicRequest) -> Patient:
    screen = on_screen(request)
    if not screen.is_own:
        raise NoSuchPage
    return screen.shown.patient


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@portal_page(Purpose.CARE)
@require_safe
def permissions(request: ClinicRequest) -> HttpResponse:
    """Who may use what of mine, for what, until when."""
    at, screen = timezone.now(), on_screen(request)
    page = permissions_page(states_of(screen.shown.patient, at).values(), at)
    return render(request, "portal/permissions.html", {"page": page, "screen": screen, "tab": "permissions"})


@portal_page(Purpose.CARE)
@require_http_methods(["GET", "HEAD", "POST"])
def permission(request: ClinicRequest, purpose: str) -> HttpResponse:
    """One permission: the question before the deed, then the deed. Withdrawing takes no more taps than agreeing."""
    at = timezone.now()
    access = on_screen(request).shown
    patient = access.patient
    standing = next(
        (s for s in states_of(patient, at).values() if s.rule.purpose == purpose and s.offered), None
    )
    if standing is None:
        raise NoSuchPage
    answer = request.POST.get("answer")
    if answer == "no":
        return _withdraw(request, patient, standing.rule, at)
    if answer == "yes":
        return _agree(request, access, standing.rule, at)
    return _ask(request, patient, standing, at)


def _ask(request: ClinicRequest, patient: Patient, standing: PurposeStanding, at: datetime) -> HttpResponse:
    token = uuid4().hex
    if standing.granted:
        will_stop = would_stop(patient, standing.rule.purpose, at)
        return render(
            request, "portal/withdraw.html", {"standing": standing, "will_stop": will_stop, "token": token}
        )
    notice = current_notice(request.clinic, standing.rule.purpose, get_language() or "", at)
    items = [{"title": title, "text": notice.items[code]} for code, title in ITEMS.items()]
    context = {"standing": standing, "notice": notice, "items": items, "token": token, "tab": "permissions"}
    return render(request, "portal/agree.html", context)


def _withdraw(request: ClinicRequest, patient: Patient, rule: PurposeRule, at: datetime) -> HttpResponse:
    """The answer tells what stopped; sent twice, it withdraws once and says so again."""
    withdrawal = withdraw_consent(
        patient,
        rule.purpose,
        by=request.actor,
        at=at,
        given_through=GivenThrough.PORTAL,
        idem_key=_repeat_key(request),
    )
    receipt = next(iter(withdrawal.events), None)
    context = {"withdrawal": withdrawal, "rule": rule, "receipt": receipt, "tab": "permissions"}
    return render(request, "portal/stopped.html", context)


def _agree(request: ClinicRequest, access: PortalAccess, rule: PurposeRule, at: datetime) -> HttpResponse:
    record_consent(
        access.patient,
        rule.purpose,
        granted=True,
        notice=current_notice(request.clinic, rule.purpose, get_language() or "", at),
        method=Method.TAP,
        expressed_by=EXPRESSED_BY[PortalRelation(access.relation)],
        given_through=GivenThrough.PORTAL,
        by=request.actor,
        at=at,
        idem_key=_repeat_key(request),
    )
    messages.success(
        request, _("You agreed to “%(name)s”. You can withdraw it here at any time.") % {"name": rule.name}
    )
    return redirect("portal:permissions", clinic_code=request.clinic.code)


def _repeat_key(request: ClinicRequest) -> str:
    """The form's own token, so that a form sent twice says something once; a form without one is refused."""
    try:
        return f"portal:{UUID(request.POST.get('token', ''))}"
    except ValueError:
        raise NoSuchPage from None


def _tries_left(tries: int) -> str:
    return ngettext(
        "That is not the code. You have one try left.",
        "That is not the code. You have %(tries)s tries left.",
        tries,
    ) % {"tries": tries}


def _address(request: ClinicRequest) -> str:
    """The network address of the caller, as the server in front of us saw it."""
    return str(request.META.get("REMOTE_ADDR", ""))
