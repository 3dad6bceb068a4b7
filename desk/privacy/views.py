"""The privacy desk. Whoever reads the log here is on it as well."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.forms import ChoiceField
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.acting import acting
from audit.alarms import alarm_count
from audit.checks import ask_check
from audit.explorer import (
    COUNT_BOUND,
    LogQuestion,
    Told,
    changes_in,
    count_of_log,
    event_of,
    place_of,
)
from audit.kinds import Kind
from audit.models import SYSTEM_LOG
from audit.names import names_told_history, names_told_in, set_names_told
from audit.proofs import proof_of
from audit.purposes import Purpose
from audit.services import record
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest, staff_page
from clinics.queries import answers_for_installation
from clinics.roles import Permission
from desk.errors import NotAQuestion, TooManyEntries
from desk.forms import NamesForm
from desk.privacy.exports import MOST, Format, written
from desk.privacy.forms import FindForm, LogForm
from desk.privacy.queries import (
    log_board,
    names_of,
    record_changes,
    row_keys,
    rows_of,
    who_in_words,
)
from desk.privacy.seals import shown_seal
from exchange.services.evidence import ask_evidence, evidence_of, take_evidence
from patients.errors import SearchTooShort
from patients.models import Patient
from patients.queries import Match, patient_of_log, search_for_log
from patients.services import count_search

PACKS_SHOWN = 10


@staff_page(None, permission=Permission.SEE_LOG)
@require_safe
def home(request: ClinicRequest) -> HttpResponse:
    """The ways from the privacy desk, and whether the log is whole. It shows no entry."""
    decides = Permission.DECIDE_ALARMS in request.permissions
    context = {
        "alarms": alarm_count(request.actor, request.clinic.pk) if decides else None,
        "seal": shown_seal(request.clinic.pk),
    }
    return render(request, "desk/privacy/home.html", context)


@staff_page(None, permission=Permission.SEE_LOG)
@require_safe
def seals(request: ClinicRequest) -> HttpResponse:
    """How far the log is sealed and who vouches for it; a checkpoint to keep elsewhere. Of htmx, the check in hand alone."""
    own = shown_seal(request.clinic.pk)
    if request.headers.get("HX-Request"):
        return render(request, "desk/privacy/_check.html", {"seal": own})
    shown = [own]
    if answers_for_installation(request.roles):
        with _reading(request, SYSTEM_LOG):
            shown.append(shown_seal(SYSTEM_LOG))
    return render(request, "desk/privacy/seals.html", {"seals": shown})


@staff_page(None, permission=Permission.SEE_LOG)
@require_POST
def verify(request: ClinicRequest) -> HttpResponse:
    """Have the whole log of the clinic read again; pressed twice, it is one check."""
    ask_check(request.clinic.pk, by=request.actor, at=timezone.now())
    return redirect("desk:seals")


@staff_page(None, permission=Permission.SEE_LOG)
@require_http_methods(["GET", "HEAD", "POST"])
def names(request: ClinicRequest) -> HttpResponse:
    """Whether people here are told the name of who looked at their record. A change is an event."""
    form = NamesForm(request.POST or None, initial={"names": names_told_in(request.clinic.pk)})
    if request.method == "POST" and form.is_valid():
        set_names_told(form.cleaned_data["names"], request.actor, timezone.now())
        messages.success(request, _("Set. It stands on the log with your name."))
        return redirect("desk:names_told")
    versions = names_told_history(request.clinic.pk)
    people = names_of(version.changed_by for version in versions)
    changes = [(version, who_in_words(version.changed_by, people)) for version in versions]
    return render(request, "desk/privacy/names.html", {"form": form, "changes": changes})


@staff_page(None, permission=Permission.SEE_LOG)
@require_http_methods(["GET", "HEAD", "POST"])
def evidence(request: ClinicRequest) -> HttpResponse:
    """The packs of this week, and asking for one. Of htmx, the one in hand alone."""
    if request.method == "POST":
        ask_evidence(clinic_id=request.clinic.pk, by=request.actor, at=timezone.now())
        return redirect("desk:evidence")
    packs = list(evidence_of(request.clinic.pk)[:PACKS_SHOWN])
    fragment = bool(request.headers.get("HX-Request"))
    page = "desk/privacy/_packs.html" if fragment else "desk/privacy/evidence.html"
    names = names_of(pack.asked_by for pack in packs)
    shown = [(pack, who_in_words(pack.asked_by, names)) for pack in packs]
    return render(request, page, {"packs": shown, "building": any(not pack.finished_at for pack in packs)})


@staff_page(None, permission=Permission.SEE_LOG)
@require_POST
def take(request: ClinicRequest, pack_id: UUID) -> HttpResponseBase:
    """The archive. That it leaves the house is on the log first. Raises EvidenceNotFound."""
    archive = take_evidence(pack_id, by=request.actor, at=timezone.now())
    name = f"zhizhi-evidence-{request.clinic.code}.zip"
    return FileResponse(archive, as_attachment=True, filename=name, content_type="application/zip")


@staff_page(None, permission=Permission.SEE_LOG)
@require_safe
def log(request: ClinicRequest) -> HttpResponse:
    """Who saw this patient, what did this account do, what happened to this record: the answer, newest first."""
    form = _form(request)
    context: dict[str, object] = {"form": form, "find": FindForm(), "bound": COUNT_BOUND, "formats": Format}
    if form.is_valid():
        patient = _patient(request, form)
        context |= {"patient": patient, "chips": _chips(request, form, patient)}
        context |= _answer(request, form.question(patient))
    return render(request, "desk/privacy/log.html", context)


@staff_page(None, permission=Permission.SEE_LOG)
@require_POST
def export(request: ClinicRequest) -> HttpResponseBase:
    """What the explorer shows, as a file. Raises NotAQuestion for a question or a form it does not know, TooManyEntries."""
    form, wanted = _form(request), request.POST.get("format")
    if not form.is_valid() or wanted not in Format.values:
        raise NotAQuestion
    question = form.question(_patient(request, form))
    question = replace(question, until=min(question.until or timezone.now(), timezone.now()))
    with _reading(request, question.log_id):
        count = count_of_log(question, bound=MOST).entries
    if count > MOST:
        raise TooManyEntries
    record(
        "log.exported",
        object=("desk:log", ""),
        kind=Kind.EXPORTED,
        purpose=Purpose.SECURITY,
        subjects=[question.subject_id] if question.subject_id else [],
        count=count,
        reason=wanted,
    )
    chosen = Format(wanted)
    return StreamingHttpResponse(
        written(request.actor, request.clinic.pk, question, chosen),
        content_type=chosen.media_type,
        headers={"Content-Disposition": f'attachment; filename="{chosen.file_name}"'},
    )


@staff_page(None, permission=Permission.SEE_LOG)
@require_POST
def find(request: ClinicRequest) -> HttpResponse:
    """Whom the question is about: found by what was typed, told by service number. The other filters stay in the address."""
    form = FindForm(request.POST)
    found, too_short = list[Match](), None
    if form.is_valid():
        count_search(request.actor, at=timezone.now())
        try:
            found = search_for_log(request.actor, request.clinic.pk, form.cleaned_data["q"])
        except SearchTooShort as error:
            too_short = error.message
    if len(found) == 1:
        return redirect(_address(request, patient=found[0].patient.pk))
    context = {
        "find": form,
        "too_short": too_short,
        "found": [(match, _address(request, patient=match.patient.pk)) for match in found],
        "back_url": _address(request),
    }
    return render(request, "desk/privacy/found.html", context)


@staff_page(None, permission=Permission.SEE_LOG)
@require_safe
def entry(request: ClinicRequest, uid: UUID) -> HttpResponse:
    """One entry as it was written, with what it is sealed by. Raises NoSuchPage for one of another clinic's log."""
    with _reading_entry(request, uid) as told:
        (row,) = rows_of([told], request.clinic.pk)
        context = {
            "row": row,
            "entry": told.entry,
            "canon": json.dumps(told.entry, ensure_ascii=False, indent=2),
            "changes": [(change, row_keys(change)) for change in changes_in(told)],
            "place": place_of(uid),
            "file_name": _proof_name(told),
        }
    record(
        "log.viewed", object=("audit.auditevent", str(uid)), kind=Kind.VIEWED, purpose=Purpose.SECURITY,
        subjects=told.subjects,
    )  # fmt: skip
    return render(request, "desk/privacy/entry.html", context)


@staff_page(None, permission=Permission.SEE_LOG)
@require_POST
def proof(request: ClinicRequest, uid: UUID) -> HttpResponse:
    """One entry with the way to a signed root: a file that proves it to anybody. Raises NoSuchPage, NotSealedYet."""
    with _reading_entry(request, uid) as told:
        text = proof_of(uid)
    record(
        "log.proof_taken", object=("audit.auditevent", str(uid)), kind=Kind.EXPORTED, purpose=Purpose.SECURITY,
        subjects=told.subjects, count=1,
    )  # fmt: skip
    return HttpResponse(
        text,
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_proof_name(told)}"'},
    )


def _proof_name(told: Told) -> str:
    return f"{told.event.uid}.tlog-proof"


@contextmanager
def _reading_entry(request: ClinicRequest, uid: UUID) -> Iterator[Told]:
    """An entry with its log in hand: the clinic's, or the installation's for who answers for every clinic. Raises NoSuchPage."""
    logs = [request.clinic.pk, *([SYSTEM_LOG] if answers_for_installation(request.roles) else [])]
    for log_id in logs:
        with _reading(request, log_id):
            if told := event_of(log_id, uid):
                yield told
                return
    raise NoSuchPage


def _form(request: ClinicRequest) -> LogForm:
    sees_system = answers_for_installation(request.roles)
    return LogForm(request.GET, clinic_id=request.clinic.pk, sees_system=sees_system)


def _patient(request: ClinicRequest, form: LogForm) -> Patient | None:
    asked = form.cleaned_data["patient"]
    return patient_of_log(request.actor, request.clinic.pk, asked) if asked else None


def _answer(request: ClinicRequest, question: LogQuestion) -> dict[str, object]:
    before = _place(request.GET.get("before", ""))
    with _reading(request, question.log_id):
        board = log_board(request.clinic.pk, question, before)
        changes = record_changes(question)
    record(
        "log.viewed",
        object=("desk:log", ""),
        kind=Kind.VIEWED,
        purpose=Purpose.SECURITY,
        subjects=[question.subject_id] if question.subject_id else [],
        reason="system" if question.log_id == SYSTEM_LOG else "",
    )
    return {
        "board": board,
        "changes": changes,
        "next_url": _address(request, before=board.next.hex) if board.next else "",
        "first_url": _address(request) if before else "",
        "export_url": f"{reverse('desk:log_export')}?{request.GET.urlencode()}",
    }


def _reading(request: ClinicRequest, log_id: UUID) -> AbstractContextManager[object]:
    """The log of the installation stands outside every clinic: it is read in a scope that shows nothing else."""
    return acting(request.actor, SYSTEM_LOG) if log_id == SYSTEM_LOG else nullcontext()


def _place(text: str) -> UUID | None:
    """Where a page begins; an address that was cut short shows the first one."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _address(request: ClinicRequest, **change: object) -> str:
    """The explorer's address with its filters; what is None falls away, and the page begins anew unless `before` says where."""
    kept = {key: value for key, value in request.GET.items() if value and key in LogForm.base_fields}
    wanted = {key: value for key, value in {**kept, **change}.items() if value is not None}
    return f"{reverse('desk:log')}?{urlencode(wanted)}" if wanted else reverse("desk:log")


def _chips(request: ClinicRequest, form: LogForm, patient: Patient | None) -> list[tuple[str, str]]:
    """What is asked beside the usual, each with the address without it."""
    chips = [(patient.service_number, _address(request, patient=None))] if patient else []
    for name, field in form.fields.items():
        value = form.data.get(name)
        if not value or name in ("patient", "type"):
            continue
        words = dict(field.widget.choices).get(value, value) if isinstance(field, ChoiceField) else value
        without = {name: None, "type": None} if name == "id" else {name: None}
        chips.append((f"{field.label}{_(': ')}{words}", _address(request, **without)))
    return chips
