"""The page behind the link in a message: one tap, and no more of them. No sign-in: who has the message may end it."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from audit.purposes import Purpose
from clinics.guards import ClinicRequest, portal_entry
from consent.opt_out import link_of, opt_out
from consent.purposes import rule_of


@csrf_exempt  # a mail program posts without ever having seen the page (RFC 8058); the link itself is the authority
@portal_entry()
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: ClinicRequest, token: str) -> HttpResponse:
    """Looking changes nothing, because programs that read mail follow links. Raises LinkUnknown."""
    if request.method == "POST":
        link = opt_out(request.clinic, token, by=request.actor, at=timezone.now())
    else:
        link = link_of(request.clinic, token)
    rule = rule_of(Purpose(link.purpose))
    return render(request, "portal/stop.html", {"link": link, "rule": rule})
