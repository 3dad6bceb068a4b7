"""Importing a report: upload it, see what would happen, write it or put it aside."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.accounts.attempts import Limit, too_often
from clinics.guards import ClinicRequest, staff_page
from clinics.roles import Permission
from crypto.errors import ClinicError
from exchange.choices import BatchState
from exchange.errors import FilesTooOften, ReportUnreadable
from exchange.forms import UploadForm
from exchange.queries import recent_imports, undecided_of
from exchange.services import ImportResult, batch_of, discard_batch, try_file, weigh_batch, write_batch
from patients.models import Patient
from patients.queries import visible_patients

FILES = Limit("files", 60, 60 * 60)  # of one account: a trial says whether the person in a file has a card


@staff_page(Purpose.CARE, Kind.COMPUTED, permission=Permission.IMPORT_REPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: ClinicRequest) -> HttpResponse:
    """Choose a file; what is wrong with it is said here, and nothing of it is kept."""
    if request.method != "POST":
        return _upload_page(request, UploadForm())
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _upload_page(request, form)
    if too_often(FILES, request.actor.ref):
        raise FilesTooOften
    try:
        batch = try_file(
            form.cleaned_data["file"].read(), clinic=request.clinic, by=request.actor, at=timezone.now()
        )
    except ReportUnreadable as unreadable:
        return _upload_page(request, UploadForm(), unreadable)
    return redirect("exchange:trial", batch_id=batch.pk)


@staff_page(Purpose.CARE, Kind.VIEWED, permission=Permission.IMPORT_REPORTS)
@require_safe
def trial(request: ClinicRequest, batch_id: UUID) -> HttpResponse:
    """What writing the file would do, report by report; once decided, back to the uploads."""
    batch = batch_of(request.actor, batch_id)
    if batch.state != BatchState.TRIED:
        return redirect("exchange:import")
    context: dict[str, object] = {
        "batch": batch,
        "may_open_card": Permission.OPEN_CARD in request.permissions,
    }
    try:
        tried = weigh_batch(batch, by=request.actor, at=timezone.now())
    except ClinicError as refusal:
        return render(request, "exchange/trial.html", {**context, "refusal": refusal.message})
    context |= {
        "person": tried.person,
        "result": tried.result,
        "card": _visible(request, tried.result.patient),
    }
    return render(request, "exchange/trial.html", context)


@staff_page(Purpose.CARE, Kind.COMPUTED, permission=Permission.IMPORT_REPORTS)
@require_POST
def write(request: ClinicRequest, batch_id: UUID) -> HttpResponse:
    """Write the file; on to the results where the reader may see them. A second click changes nothing."""
    may_open_card = Permission.OPEN_CARD in request.permissions
    result = write_batch(batch_id, open_card=may_open_card, by=request.actor, at=timezone.now())
    if result is None:
        return redirect("exchange:import")
    messages.success(request, _in_words(result))
    card = _visible(request, result.patient)
    return redirect("records:results", patient_id=card.pk) if card else redirect("exchange:import")


@staff_page(Purpose.CARE, Kind.COMPUTED, permission=Permission.IMPORT_REPORTS)
@require_POST
def discard(request: ClinicRequest, batch_id: UUID) -> HttpResponse:
    """Put the file aside: it is forgotten."""
    discard_batch(batch_id, by=request.actor, at=timezone.now())
    messages.info(request, _("The file was put aside. Nothing was written."))
    return redirect("exchange:import")


def _upload_page(
    request: ClinicRequest, form: UploadForm, unreadable: ReportUnreadable | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "unreadable": unreadable,
        "recent": recent_imports(request.clinic.pk),
        "undecided": undecided_of(request.actor),
    }
    return render(request, "exchange/upload.html", context)


def _visible(request: ClinicRequest, patient: Patient | None) -> Patient | None:
    """The patient where the reader may open the chart; whoever imports need not be in the care team."""
    if patient is None:
        return None
    return visible_patients(request.actor, request.clinic.pk).filter(pk=patient.pk).first()


def _in_words(result: ImportResult) -> str:
    stored = result.counts.stored
    if not stored:
        return _("Nothing new: all results were there already.")
    return ngettext("One result was written.", "%(number)s results were written.", stored) % {
        "number": stored
    }
