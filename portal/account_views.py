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
from clinics.accounts.views import where_asked
from clinics.guards import ClinicRequest, portal_entry, portal_page
from clinics.models import UserKind
from portal.passkeys import add_passkey, offer_passkey, passkeys_of, remove_passkey
from portal.people import end_proxy, who_acts_for
from portal.queries import on_screen, own_patient
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
    on_screen(request, by_law_too=True)  # nobody else's clinic has pages for them
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
    on_screen(request, by_law_too=True)
    user: Any = request.user
    remove_passkey(request, user, key_id)
    messages.success(request, _("The passkey is gone. You sign in with a code again."))
    return redirect("portal:passkeys", clinic_code=request.clinic.code)


@portal_entry()
@require_POST
def reading(request: ClinicRequest) -> HttpResponse:
    """Larger type and fewer things on a page, or back; comes back to the page it was asked on."""
    user: Any = request.user
    known = user if user.is_authenticated and user.kind == UserKind.PATIENT else None
    choose_reading(request.session, known, elder=request.POST.get("elder") == "yes")
    return redirect(where_asked(request))
