"""The desk's page of permissions: what the person is told, what they decide, and how they take it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib import messages
from django.forms import BoundField
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from consent.choices import SELF_RECIPIENT, GivenThrough, Method
from consent.codes import send_code
from consent.errors import CodeTooSoon, CodeWrong, GuardianNeeded, NoPhone, NothingToAsk
from consent.forms import DeskForm
from consent.models import ConsentNotice
from consent.notices import ITEMS
from consent.paper import form_pdf
from consent.purposes import PurposeRule, rule_of
from consent.queries import PurposeStanding, history_of, states_of, was_recorded
from consent.said import record_said
from consent.services import current_notices, withdraw_consent, would_stop
from consent.sharing import sharing_of
from crypto.errors import SealBroken
from patients.models import Patient
from patients.queries import patient_for
from patients.services import waiting_invitation

RENEW_FROM = timedelta(days=30)  # a permission is offered for renewal in its last days


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One purpose as the page asks it."""

    standing: PurposeStanding
    notice: ConsentNotice
    yes: BoundField
    own: BoundField | None

    def items(self) -> list[tuple[str, str]]:
        """The notice, item by item, under its headings."""
        return [(str(heading), self.notice.items[code]) for code, heading in ITEMS.items()]


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_http_methods(["GET", "HEAD", "POST"])
def record(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """Tell, ask, and write down what the person decides: each purpose by itself."""
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    states = states_of(patient, at)
    asked = [standing for standing in states.values() if _to_ask(standing, at)]
    notices = current_notices(
        request.clinic, [s.rule.purpose for s in asked], get_language() or "zh-hans", at
    )
    asked = [standing for standing in asked if standing.rule.purpose in notices]
    form = (
        DeskForm(request.POST, request.FILES, asked=asked)
        if request.method == "POST"
        else DeskForm(asked=asked)
    )
    if "send_code" in request.POST:
        form = DeskForm(initial=request.POST.dict(), asked=asked)
        send_code_to(request, patient, at)
    elif request.method == "POST" and was_recorded(patient, request.POST.get("form_token", "")):
        return redirect("consent:record", patient_id=patient.pk)  # the form was sent twice
    elif request.method == "POST" and form.is_valid() and save(request, patient, form, notices, at):
        messages.success(request, _("Recorded. What was agreed takes effect at once."))
        return redirect("consent:record", patient_id=patient.pk)
    return render(
        request,
        "consent/record.html",
        {
            "patient": patient,
            "form": form,
            "questions": [question_of(form, standing, notices) for standing in asked],
            "standing": [s for s in states.values() if s.granted],
            "declined": [
                s for s in states.values() if s.rule.needs_consent and not s.granted and s not in asked
            ],
            "history": history_of(patient, limit=12),
            "waiting": waiting_invitation(patient, at=at),
            "sharing": sharing_of(patient, request.clinic, at),
        },
    )


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: ClinicRequest, patient_id: UUID, purpose: str) -> HttpResponse:
    """The person takes a permission back at the desk: what would stop, then what stopped."""
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    rule = _withdrawable(purpose)
    if request.method == "POST":
        withdrawal = withdraw_consent(
            patient,
            rule.purpose,
            by=request.actor,
            at=at,
            given_through=GivenThrough.DESK,
            method=Method.VERBAL_WITNESSED,
        )
        return render(
            request, "consent/withdrawn.html", {"patient": patient, "rule": rule, "withdrawal": withdrawal}
        )
    return render(
        request,
        "consent/withdraw.html",
        {
            "patient": patient,
            "rule": rule,
            "standing": states_of(patient, at)[rule.purpose],
            "stops": would_stop(patient, rule.purpose, at),
        },
    )


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.RECORD_CONSENT)
@require_safe
def paper(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """The form to be signed by hand, for what would be asked now. Raises NothingToAsk, PaperUnavailable."""
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    locale = get_language() or "zh-hans"
    asked = [s.rule.purpose for s in states_of(patient, at).values() if _to_ask(s, at)]
    notices = current_notices(request.clinic, asked, locale, at)
    if not notices:
        raise NothingToAsk(str(patient.pk))
    address = request.build_absolute_uri(reverse("consent:record", args=[patient.pk]))
    in_order = {purpose: notices[purpose] for purpose in asked if purpose in notices}
    form = form_pdf(patient, request.clinic, in_order, address=address, locale=locale, at=at)
    name = f"{patient.service_number}-{localdate(at):%Y%m%d}.pdf"
    return HttpResponse(
        form, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.SEE_PATIENTS)
@require_safe
def panel(request: ClinicRequest, patient_id: UUID) -> HttpResponse:
    """What is allowed for this patient, as part of the chart."""
    patient, at = patient_for(request.actor, patient_id), timezone.now()
    states = [
        s for s in states_of(patient, at).values() if s.rule.needs_consent and (s.offered or s.decided_at)
    ]
    context = {
        "patient": patient,
        "allowed": [s for s in states if s.granted],
        "not_allowed": [s for s in states if not s.granted],
        "history": history_of(patient, limit=20),
        "may_record": Permission.RECORD_CONSENT in request.permissions,
    }
    fragment = request.headers.get("HX-Request")
    return render(request, "consent/_panel.html" if fragment else "consent/panel.html", context)


def _withdrawable(code: str) -> PurposeRule:
    try:
        rule = rule_of(Purpose(code))
    except ValueError:
        raise Http404 from None
    if not rule.withdrawable:
        raise Http404
    return rule


def _to_ask(standing: PurposeStanding, at: datetime) -> bool:
    """Whether the page asks about this purpose: what opening a card needs, unless it stands agreed for a while yet."""
    if not standing.offered or not standing.rule.asked_at_opening:
        return False
    return not standing.granted or (
        standing.valid_until is not None and standing.valid_until <= at + RENEW_FROM
    )


def question_of(
    form: DeskForm, standing: PurposeStanding, notices: Mapping[Purpose, ConsentNotice]
) -> Question:
    name = standing.rule.purpose.value
    return Question(
        standing=standing,
        notice=notices[standing.rule.purpose],
        yes=form[f"yes_{name}"],
        own=form[f"own_{name}"] if f"own_{name}" in form.fields else None,
    )


def send_code_to(request: ClinicRequest, patient: Patient, at: datetime) -> None:
    try:
        send_code(patient, request.clinic, at)
    except (NoPhone, CodeTooSoon, SealBroken) as error:
        messages.warning(request, str(error.message))
    else:
        messages.info(request, _("A code is on its way to the person's own phone. Type it below."))


def save(
    request: ClinicRequest,
    patient: Patient,
    form: DeskForm,
    notices: Mapping[Purpose, ConsentNotice],
    at: datetime,
    *,
    recipient: str = SELF_RECIPIENT,
) -> bool:
    """Records the answers. False when the form has to say something first."""
    try:
        record_said(patient, form, notices=notices, by=request.actor, at=at, recipient=recipient)
    except CodeWrong as error:
        form.add_error("code", str(error.message))
    except GuardianNeeded as error:
        form.add_error("expressed_by", str(error.message))
    except SealBroken as error:
        form.add_error(None, str(error.message))
    return not form.errors
