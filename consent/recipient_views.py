"""The register of recipients: who outside gets data, under which agreement, what was given to each, and how it ends at once."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.purposes import Purpose
from clinics.guards import ClinicRequest, staff_page
from clinics.queries import names_by_ref
from clinics.roles import Permission
from consent.choices import RecipientRole
from consent.errors import AssessmentMissing, NumberTaken, OutsideAgreement, RecipientNotFound
from consent.models import Disclosure, Recipient
from consent.notice_forms import RecipientForm, ReviewForm
from consent.purposes import data_categories, recipient_kinds, rule_of
from consent.recipients import (
    NewRecipient,
    add_recipient,
    confirm_recalled,
    cut_off,
    recipient_of,
    review_recipient,
)
from consent.shelf import COUNTED_TO, who_permits_recipient

GIVEN_SHOWN = 200
WHAT_WAS_GIVEN = {
    "record": gettext_lazy("The whole record")
}  # the codes that the house writes into the sharing log


@staff_page(None, permission=Permission.MANAGE_RECIPIENTS)
@require_safe
def recipients(request: ClinicRequest) -> HttpResponse:
    """Everybody on the register: who gets something now, and who no longer does."""
    today = timezone.localdate()
    register = list(Recipient.objects.filter(clinic=request.clinic).order_by("name", "code"))
    current = [one for one in register if one.cut_off_at is None and one.ends_on > today]
    context = {
        "current": [_in_words(one) for one in current],
        "ended": [_in_words(one) for one in register if one not in current],
        "today": today,
    }
    return render(request, "consent/recipients.html", context)


@staff_page(None, permission=Permission.MANAGE_RECIPIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def new_recipient(request: ClinicRequest) -> HttpResponse:
    """Put somebody on the register; what does not fit the purposes is said beside the form."""
    form = RecipientForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            added = add_recipient(request.clinic, _agreed(form), by=request.actor, at=timezone.now())
        except AssessmentMissing as error:
            form.add_error("assessment", str(error.message))
        except NumberTaken as error:
            form.add_error("code", str(error.message))
        except OutsideAgreement:
            form.add_error(
                None,
                _(
                    "What they are, the purposes and the data do not fit together. The page of purposes says who may get what."
                ),
            )
        else:
            messages.success(request, _("On the register. Each person is asked about them by name."))
            return redirect("consent:recipient", recipient_id=added.pk)
    return render(request, "consent/new_recipient.html", {"form": form})


@staff_page(None, permission=Permission.MANAGE_RECIPIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def recipient(request: ClinicRequest, recipient_id: UUID) -> HttpResponse:
    """One recipient: what is agreed, what was given, and the review. Raises RecipientNotFound, AlreadyCutOff."""
    found = recipient_of(request.clinic, recipient_id)
    form = ReviewForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        review_recipient(found.pk, form.cleaned_data["review_on"], by=request.actor, at=timezone.now())
        messages.success(request, _("Written down. It takes effect at once."))
        return redirect("consent:recipient", recipient_id=found.pk)
    given = list(
        found.disclosures.annotate(number=F("patient__service_number")).order_by("-given_at")[:GIVEN_SHOWN]
    )
    names = names_by_ref(one.given_by for one in given)
    context = {
        **_in_words(found),
        "form": form,
        "given": [
            (
                one,
                WHAT_WAS_GIVEN.get(one.what, one.what),
                rule_of(Purpose(one.purpose)),
                names.get(one.given_by, ""),
            )
            for one in given
        ],
        "shown": GIVEN_SHOWN,
        "today": timezone.localdate(),
    }
    return render(request, "consent/recipient.html", context)


@staff_page(None, permission=Permission.MANAGE_RECIPIENTS)
@require_http_methods(["GET", "HEAD", "POST"])
def cut_off_recipient(request: ClinicRequest, recipient_id: UUID) -> HttpResponse:
    """First what stops, then it stops. Raises RecipientNotFound."""
    found = recipient_of(request.clinic, recipient_id)
    if request.method == "POST":
        cut_off(found.pk, by=request.actor, at=timezone.now())
        messages.success(request, _("Cut off. Nothing is given to them from this moment on."))
        return redirect("consent:recipient", recipient_id=found.pk)
    context = {
        **_in_words(found),
        "permits": who_permits_recipient(found),
        "bound": COUNTED_TO,
        "given": found.disclosures.count(),
    }
    return render(request, "consent/cut_off.html", context)


@staff_page(None, permission=Permission.MANAGE_RECIPIENTS)
@require_POST
def recalled(request: ClinicRequest, recipient_id: UUID, disclosure_id: UUID) -> HttpResponse:
    """What was asked back is gone from there: somebody looked. Raises RecipientNotFound for anything else."""
    found = recipient_of(request.clinic, recipient_id)
    asked = Disclosure.objects.filter(recipient=found, pk=disclosure_id, recall_asked_at__isnull=False)
    if not asked.exists():
        raise RecipientNotFound(str(disclosure_id))
    confirm_recalled(disclosure_id, by=request.actor, at=timezone.now())
    messages.success(request, _("Written down."))
    return redirect("consent:recipient", recipient_id=found.pk)


def _agreed(form: RecipientForm) -> NewRecipient:
    said = form.cleaned_data
    return NewRecipient(
        code=said["code"],
        name=said["name"],
        kind=said["kind"],
        role=RecipientRole(said["role"]),
        contact=said["contact"],
        agreement=said["agreement"],
        assessment=said["assessment"],
        purposes=form.purposes_named(),
        data=frozenset(said["categories"]),
        begins_on=said["begins_on"],
        ends_on=said["ends_on"],
        review_on=said["review_on"],
        country=said["country"],
        route=said["route"],
    )


def _in_words(one: Recipient) -> dict[str, Any]:
    """A recipient with the words for its codes."""
    return {
        "recipient": one,
        "kind": recipient_kinds()[one.kind].name,
        "purposes": [rule_of(Purpose(code)).name for code in one.purposes],
        "data": [data_categories()[code].name for code in one.data_categories],
    }
