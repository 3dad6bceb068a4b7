"""Signing in to the patient's pages, and out: by a code to the phone (where it is shared with name and PIN too), by a passkey, the first
time by the clinic's link.

Every phone gets the same answer in the same time, every link and passkey that opens nothing the same words.
"""

from typing import Any
from uuid import UUID

from django.contrib.auth import login, logout
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.purposes import Purpose
from clinics.accounts.models import SignInMethod
from clinics.guards import ClinicRequest, portal_entry
from clinics.models import User, UserKind
from patients.queries import has_phone
from patients.services import invitation_of, redeem_invitation
from portal.doors import asker_of
from portal.forms import BirthForm, CodeForm, PhoneForm, SharedPhoneForm
from portal.passkeys import ask_for_passkey, who_has_passkey
from portal.pins import redeem_pin
from portal.reading import begin_reading
from portal.services import Answer, redeem_code, send_code, sign_out_everywhere

SESSION_CODE = "portal_code"
SESSION_TYPED = "portal_code_typed"  # the code that was typed right in this browser
SESSION_LASTS = 2 * 60 * 60  # seconds: a phone may be lent to somebody


@portal_entry(Purpose.SECURITY)
@require_http_methods(["GET", "POST"])
def sign_in(request: ClinicRequest) -> HttpResponse:
    """Ask for a code. Every phone gets the same answer."""
    if request.user.is_authenticated and request.user.kind == UserKind.PATIENT:
        return redirect("portal:home", clinic_code=request.clinic.code)
    form = PhoneForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        asker = asker_of(request, _asked_here(request))
        sent = send_code(request.clinic, form.cleaned_data["phone"], asker=asker, at=timezone.now())
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
            _enter(request, redeemed.user)
            _forget_code(request)
            return redirect("portal:home", clinic_code=request.clinic.code)
        if redeemed.answer is Answer.SHARED:
            request.session[SESSION_TYPED] = asked
            return redirect("portal:who_are_you", clinic_code=request.clinic.code)
        if redeemed.answer is Answer.ENDED:
            _forget_code(request)
            return render(request, "portal/code_ended.html")
        form.add_error("code", _tries_left(redeemed.tries_left))
    return render(request, "portal/code.html", {"form": form})


@portal_entry(Purpose.SECURITY)
@require_http_methods(["GET", "POST"])
def who_are_you(request: ClinicRequest) -> HttpResponse:
    """After the code to a phone that several share: whose name and PIN these are is in. It names nobody."""
    asked = request.session.get(SESSION_CODE)
    if asked is None:
        return redirect("portal:sign_in", clinic_code=request.clinic.code)
    if request.session.get(SESSION_TYPED) != asked:
        return redirect("portal:code", clinic_code=request.clinic.code)
    form = SharedPhoneForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        redeemed = redeem_pin(UUID(asked), request.clinic, said["name"], said["pin"], at=timezone.now())
        if redeemed.answer is not Answer.WRONG:
            _forget_code(request)
        if redeemed.user:
            _enter(request, redeemed.user)
            return redirect("portal:home", clinic_code=request.clinic.code)
        if redeemed.answer is Answer.ENDED:
            return render(request, "portal/code_ended.html")
        form.add_error("pin", _tries_left_of_pin(redeemed.tries_left))
    return render(request, "portal/who_are_you.html", {"form": form})


@portal_entry(Purpose.SECURITY)
@require_http_methods(["GET", "POST"])
def join(request: ClinicRequest, token: str) -> HttpResponse:
    """The clinic's link, the first time: who knows the birth date is in; who has a phone shares it, and sets a PIN. Raises InvitationEnded.

    Looking at it uses nothing up, so that a program that only follows links ends none. Until a colleague of who made it has
    confirmed that the person is there, it opens nothing.
    """
    at = timezone.now()
    if not invitation_of(request.clinic, token, at=at).confirmed_by:
        return render(request, "portal/join_waits.html", {"token": token})
    form = BirthForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        access = redeem_invitation(request.clinic, token, form.cleaned_data["born"], at=at)
        if access is not None:
            _enter(request, access.user)
            return redirect(
                "portal:pin" if has_phone(access.patient) else "portal:permissions",
                clinic_code=request.clinic.code,
            )
        form.add_error(
            "born", _("That is not the birth date on the card. After three wrong ones the link ends.")
        )
    return render(request, "portal/join.html", {"form": form, "token": token})


@portal_entry(Purpose.SECURITY)
@require_safe
def passkey_options(request: ClinicRequest) -> HttpResponse:
    """What a browser needs to ask for a passkey. It names nobody."""
    return JsonResponse({"request_options": ask_for_passkey()})


@portal_entry(Purpose.SECURITY)
@require_POST
def passkey_sign_in(request: ClinicRequest) -> HttpResponse:
    """Sign in with a passkey of an account that may see somebody's pages in this clinic."""
    user = who_has_passkey(request.clinic, request.POST.get("credential", ""), at=timezone.now())
    if user is None:
        refused = _("That passkey opens nothing here. Sign in with your phone instead.")
        return render(request, "portal/sign_in.html", {"form": PhoneForm(), "refused": refused})
    request.sign_in_method = SignInMethod.PASSKEY  # type: ignore[attr-defined]  # read as the session begins
    _enter(request, user)
    return redirect("portal:home", clinic_code=request.clinic.code)


@portal_entry()
@require_POST
def sign_out(request: ClinicRequest) -> HttpResponse:
    """Here, or on every phone and computer: for whoever lost one, or forgot it somewhere."""
    user: Any = request.user
    if request.POST.get("everywhere") == "yes" and user.is_authenticated and user.kind == UserKind.PATIENT:
        sign_out_everywhere(user)
    logout(request)
    return redirect("portal:sign_in", clinic_code=request.clinic.code)


def _forget_code(request: ClinicRequest) -> None:
    for kept in (SESSION_CODE, SESSION_TYPED):
        request.session.pop(kept, None)


def _enter(request: ClinicRequest, user: User) -> None:
    login(request, user)
    request.session.set_expiry(SESSION_LASTS)
    begin_reading(request.session, user)


def _tries_left(tries: int) -> str:
    return ngettext(
        "That is not the code. You have one try left.",
        "That is not the code. You have %(tries)s tries left.",
        tries,
    ) % {"tries": tries}


def _tries_left_of_pin(tries: int) -> str:
    return ngettext(
        "Name and PIN do not go together. You have one try left.",
        "Name and PIN do not go together. You have %(tries)s tries left.",
        tries,
    ) % {"tries": tries}


def _asked_here(request: ClinicRequest) -> UUID | None:
    """The code that this browser asked for last."""
    asked = request.session.get(SESSION_CODE)
    return UUID(asked) if asked else None
