"""My own account: how I sign in and read, and who else sees my pages."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.purposes import Purpose
from clinics.accounts import idle
from clinics.accounts.notices import UNSEEN, see_notices
from clinics.accounts.services import end_own_session
from clinics.addresses import where_asked
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_entry, portal_page
from clinics.models import UserKind
from patients.models import PortalAccess
from patients.queries import own_access_of
from portal.errors import PinTooEasy
from portal.forms import PinForm
from portal.own_account import changes_of, signed_in_on
from portal.passkeys import add_passkey, offer_passkey, passkeys_of, remove_passkey
from portal.people import end_proxy, who_acts_for
from portal.pins import pin_of, remove_pin, set_pin
from portal.queries import own_patient, turned_to
from portal.reading import choose_reading


@portal_page(Purpose.CARE)
@require_safe
def proxies(request: ClinicRequest) -> HttpResponse:
    """Who acts for me, and until when."""
    found = who_acts_for(own_patient(request), timezone.now())
    return render(request, "portal/proxies.html", {"proxies": found, "tab": "data"})


@portal_page(Purpose.CARE)
@require_POST
def end_access(request: ClinicRequest, access_id: UUID) -> HttpResponse:
    """Close my pages to somebody, now. Raises NoSuchPage for what is not mine to end."""
    end_proxy(own_patient(request), access_id, at=timezone.now())
    messages.success(request, _("Ended. They see nothing of yours any more."))
    return redirect("portal:proxies", clinic_code=request.clinic.code)


@portal_page(Purpose.SECURITY)
@require_http_methods(["GET", "HEAD", "POST"])
def passkeys(request: ClinicRequest) -> HttpResponse:
    """The passkeys of this account, and one more."""
    turned_to(request)  # nobody else's clinic has pages for them
    user: Any = request.user
    if request.method == "POST":
        if add_passkey(user, request.POST.get("credential", "")):
            messages.success(
                request, _("The passkey is set up. Next time a finger, a face or the phone's PIN is enough.")
            )
        else:
            messages.error(request, _("That did not work; nothing was changed. Please try once more."))
        return redirect("portal:passkeys", clinic_code=request.clinic.code)
    context = {
        "passkeys": passkeys_of(user),
        "js_data": {"creation_options": offer_passkey(user)},
        "tab": "data",
    }
    return render(request, "portal/passkeys.html", context)


@portal_page(Purpose.SECURITY)
@require_POST
def end_passkey(request: ClinicRequest, key_id: int) -> HttpResponse:
    """Take a passkey away. Raises NoSuchPage for anybody else's."""
    turned_to(request)
    user: Any = request.user
    remove_passkey(request, user, key_id)
    messages.success(request, _("The passkey is gone. You sign in with a code again."))
    return redirect("portal:passkeys", clinic_code=request.clinic.code)


@portal_page(Purpose.SECURITY)
@require_safe
def devices(request: ClinicRequest) -> HttpResponse:
    """What happened lately to this account, and where it is signed in. Having looked is noted."""
    turned_to(request)
    user: Any = request.user
    context = {
        "changes": changes_of(user),
        "sessions": list(signed_in_on(user, at=timezone.now())),
        "this_session": UUID(request.session[idle.ID]),
        "tab": "data",
    }
    if request.method == "GET":
        see_notices(user.pk)
        request.session.pop(UNSEEN, None)
    return render(request, "portal/devices.html", context)


@portal_page(Purpose.SECURITY)
@require_POST
def end_device(request: ClinicRequest, session_id: UUID) -> HttpResponse:
    """Sign this account out on one phone or computer. Raises NoSuchPage for anybody else's session."""
    turned_to(request)
    user: Any = request.user
    end_own_session(user, session_id)
    messages.success(request, _("Signed out there."))
    return redirect("portal:devices", clinic_code=request.clinic.code)


@portal_page(Purpose.SECURITY)
@require_http_methods(["GET", "HEAD", "POST"])
def pin(request: ClinicRequest) -> HttpResponse:
    """The PIN of whoever shares a phone: set it, or set another. Raises NoSuchPage for an account without a card here."""
    access, form = _own_account(request), PinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_pin(access, form.cleaned_data["pin"], at=timezone.now())
        except PinTooEasy as error:
            form.add_error("pin", str(error.message))
        else:
            messages.success(request, _("The PIN is set. It is asked for after the code to a shared phone."))
            return redirect("portal:pin", clinic_code=request.clinic.code)
    return render(request, "portal/pin.html", {"form": form, "pin": pin_of(access), "tab": "data"})


@portal_page(Purpose.SECURITY)
@require_POST
def end_pin(request: ClinicRequest) -> HttpResponse:
    """Take the PIN away."""
    remove_pin(_own_account(request))
    messages.success(request, _("The PIN is gone."))
    return redirect("portal:pin", clinic_code=request.clinic.code)


def _own_account(request: ClinicRequest) -> PortalAccess:
    """What this account has of its own here. Raises NoSuchPage for one that only looks after others: no code goes to its phone."""
    turned_to(request)
    user: Any = request.user
    access = own_access_of(request.clinic.pk, [user.pk]).first()
    if access is None:
        raise NoSuchPage
    return access


@portal_entry()
@require_POST
def reading(request: ClinicRequest) -> HttpResponse:
    """Larger type and fewer things on a page, or back; comes back to the page it was asked on."""
    user: Any = request.user
    known = user if user.is_authenticated and user.kind == UserKind.PATIENT else None
    choose_reading(request.session, known, elder=request.POST.get("elder") == "yes")
    return redirect(where_asked(request))
