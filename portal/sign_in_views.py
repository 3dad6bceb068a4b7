"""Signing in to the patient's pages, and out. Every phone gets the same answer in the same time."""

from uuid import UUID

from django.contrib.auth import login, logout
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from audit.purposes import Purpose
from clinics.guards import ClinicRequest, portal_entry
from clinics.models import UserKind
from portal.forms import CodeForm, PhoneForm
from portal.services import Answer, redeem_code, send_code

SESSION_CODE = "portal_code"
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


def _tries_left(tries: int) -> str:
    return ngettext(
        "That is not the code. You have one try left.",
        "That is not the code. You have %(tries)s tries left.",
        tries,
    ) % {"tries": tries}


def _address(request: ClinicRequest) -> str:
    """The network address of the caller, as the server in front of us saw it."""
    return str(request.META.get("REMOTE_ADDR", ""))
