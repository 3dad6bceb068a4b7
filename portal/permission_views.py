"""My permissions: what stands, the question before the deed, the deed, and what was said so far with a receipt for each."""

from datetime import datetime
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, portal_page
from consent.choices import SELF_RECIPIENT, ExpressedBy, GivenThrough, Method
from consent.models import Recipient
from consent.notices import ITEMS
from consent.purposes import PurposeRule
from consent.queries import PurposeStanding, check, history_of, states_of
from consent.recipients import recipients_for
from consent.services import current_notice, record_consent, withdraw_consent, would_stop
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from portal.queries import on_screen, permissions_page
from portal.reading import reads_large
from portal.receipts import receipt_of

EXPRESSED_BY = {
    PortalRelation.SELF: ExpressedBy.SELF,
    PortalRelation.PROXY: ExpressedBy.AGENT,
    PortalRelation.GUARDIAN: ExpressedBy.GUARDIAN,
}


@portal_page(Purpose.CARE)
@require_safe
def permissions(request: ClinicRequest) -> HttpResponse:
    """Who may use what of mine, for what, until when."""
    at, screen = timezone.now(), on_screen(request)
    page = permissions_page(states_of(screen.shown.patient, at).values(), at)
    context = {"page": page, "screen": screen, "token": uuid4().hex, "tab": "permissions"}
    elder = reads_large(request.session)
    return render(request, "portal/permissions_elder.html" if elder else "portal/permissions.html", context)


@portal_page(Purpose.CARE)
@require_http_methods(["GET", "HEAD", "POST"])
def permission(request: ClinicRequest, purpose: str) -> HttpResponse:
    """One permission: the question before the deed, then the deed. Withdrawing takes no more taps than agreeing.

    `to` names somebody outside: each is a permission of its own.
    """
    at = timezone.now()
    access = on_screen(request).shown
    patient = access.patient
    standing = next(
        (s for s in states_of(patient, at).values() if s.rule.purpose == purpose and s.offered), None
    )
    if standing is None:
        raise NoSuchPage
    to = _recipient(request, standing.rule, at)
    answer = request.POST.get("answer")
    if answer == "no":
        return _withdraw(request, access, standing.rule, to, at)
    if answer == "yes":
        return _agree(request, access, standing.rule, to, at)
    return _ask(request, patient, standing, to, at)


def _recipient(request: ClinicRequest, rule: PurposeRule, at: datetime) -> Recipient | None:
    """Whom the permission is for; None is the clinic itself. Raises NoSuchPage for who is not on the register for it."""
    code = request.POST.get("to") or request.GET.get("to")
    if not code:
        return None
    found = recipients_for(request.clinic, rule.purpose, at).filter(code=code).first()
    if found is None:
        raise NoSuchPage
    return found


def _stands(patient: Patient, standing: PurposeStanding, to: Recipient | None, at: datetime) -> bool:
    rule = standing.rule
    if to is None:
        return standing.granted
    return all(
        check(patient.pk, rule.purpose, recipient=to.code, op=operation, at=at).allowed
        for operation in rule.operations
    )


def _ask(
    request: ClinicRequest, patient: Patient, standing: PurposeStanding, to: Recipient | None, at: datetime
) -> HttpResponse:
    token = uuid4().hex
    if _stands(patient, standing, to, at):
        will_stop = would_stop(patient, standing.rule.purpose, at)
        context = {"standing": standing, "will_stop": will_stop, "to": to, "token": token}
        return render(request, "portal/withdraw.html", context)
    notice = current_notice(request.clinic, standing.rule.purpose, get_language() or "", at)
    items = [{"title": title, "text": notice.items[code]} for code, title in ITEMS.items()]
    context = {
        "standing": standing,
        "notice": notice,
        "items": items,
        "to": to,
        "token": token,
        "tab": "permissions",
    }
    return render(request, "portal/agree.html", context)


def _withdraw(
    request: ClinicRequest, access: PortalAccess, rule: PurposeRule, to: Recipient | None, at: datetime
) -> HttpResponse:
    """The answer tells what stopped; sent twice, it withdraws once and says so again."""
    withdrawal = withdraw_consent(
        access.patient,
        rule.purpose,
        by=request.actor,
        at=at,
        given_through=GivenThrough.PORTAL,
        expressed_by=EXPRESSED_BY[PortalRelation(access.relation)],
        recipient=to.code if to else None,
        idem_key=_repeat_key(request),
    )
    receipt = next(iter(withdrawal.events), None)
    context = {"withdrawal": withdrawal, "rule": rule, "receipt": receipt, "tab": "permissions"}
    return render(request, "portal/stopped.html", context)


def _agree(
    request: ClinicRequest, access: PortalAccess, rule: PurposeRule, to: Recipient | None, at: datetime
) -> HttpResponse:
    record_consent(
        access.patient,
        rule.purpose,
        granted=True,
        notice=current_notice(request.clinic, rule.purpose, get_language() or "", at),
        method=Method.TAP,
        expressed_by=EXPRESSED_BY[PortalRelation(access.relation)],
        given_through=GivenThrough.PORTAL,
        recipient=to.code if to else SELF_RECIPIENT,
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


@portal_page(Purpose.CARE)
@require_safe
def history(request: ClinicRequest) -> HttpResponse:
    """Everything that was said so far, newest first; each with its receipt."""
    screen = on_screen(request)
    context = {"history": history_of(screen.shown.patient), "screen": screen, "tab": "permissions"}
    return render(request, "portal/history.html", context)


@portal_page(Purpose.CARE)
@require_safe
def receipt(request: ClinicRequest, event_id: UUID) -> HttpResponse:
    """The proof of one thing that was said. Raises NoSuchPage for anybody else's."""
    found = receipt_of(on_screen(request).shown.patient, event_id)
    if found is None:
        raise NoSuchPage
    return render(request, "portal/receipt.html", {"receipt": found, "tab": "permissions"})
