"""The notices, for anybody: what a clinic does with people's data, before they are asked and without signing in."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_entry
from consent.paper import notice_pdf
from portal.notices import NoticePage, notice_page, shelves


@portal_entry()
@require_safe
def notices(request: ClinicRequest) -> HttpResponse:
    """Every purpose with its notice in force, and the versions before it."""
    found = shelves(request.clinic, get_language() or "zh-hans", timezone.now())
    return render(request, "portal/notices.html", {"shelves": found})


@portal_entry()
@require_safe
def notice(request: ClinicRequest, purpose: str, version: int, locale: str) -> HttpResponse:
    """One version in one language; its address stays."""
    return render(request, "portal/notice.html", {"page": _page(request, purpose, version, locale)})


@portal_entry()
@require_safe
def notice_file(request: ClinicRequest, purpose: str, version: int, locale: str) -> HttpResponse:
    """The same as a PDF to keep or print."""
    found = _page(request, purpose, version, locale).notice
    code = request.clinic.code
    address = request.build_absolute_uri(reverse("portal:notice", args=[code, purpose, version, locale]))
    return HttpResponse(
        notice_pdf(request.clinic, found, address),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{purpose}-{version}-{locale}.pdf"'},
    )


def _page(request: ClinicRequest, purpose: str, version: int, locale: str) -> NoticePage:
    page = notice_page(request.clinic, purpose, version, locale, timezone.now())
    if page is None:
        raise NoSuchPage
    return page
