"""What people ask the clinic to do with their data: taken down, the asker checked, decided with a reason, inside the law's clock.

The clock runs from the asking (15 days, 网络数据安全管理条例 and GB/T 35273-2020 8.7: thirty at the most). Nothing is done before
the clinic knows who asks, and nothing beyond that may be demanded. What only higher apps can do (a copy, an erasure) they
do themselves, and answer here.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit.access import access
from audit.actors import Actor, system_actor
from audit.alarms import raise_alarm
from audit.kinds import Kind
from audit.models import Rule
from audit.purposes import Purpose
from audit.services import record
from audit.wrote import wrote_rows
from consent.choices import (
    CorrectionDecision,
    GivenThrough,
    IdentityCheck,
    Method,
    RefusalReason,
    RequestedBy,
    RequestKind,
    RequestState,
)
from consent.errors import (
    IdentityUnknown,
    NotCorrectable,
    NothingAsked,
    ReasonNeeded,
    RequestDecided,
    RequestNotFound,
)
from consent.models import PersonRequest, RequestedCorrection
from consent.purposes import rules
from consent.queries import states_of
from consent.services import withdraw_consent
from patients.models import Patient
from patients.services import correct_identity, restrict_patient

ANSWER_WITHIN: Final = timedelta(days=15)
ALARM_AFTER: Final = timedelta(days=30)
CORRECTABLE: Final = ("name", "birth_date", "id_number", "phone", "email")
OTHER: Final = (
    "other"  # anything that is no part of who somebody is; whoever decides corrects it where it stands
)
OF_THE_DEAD: Final = frozenset({RequestKind.SEE, RequestKind.COPY, RequestKind.CORRECT, RequestKind.DELETE})


@transaction.atomic
def ask(
    patient: Patient,
    kind: RequestKind,
    *,
    asked_by: RequestedBy = RequestedBy.SELF,
    asked_through: GivenThrough,
    words: str = "",
    corrections: Mapping[str, str] | None = None,
    by: Actor,
    at: datetime,
) -> PersonRequest:
    """Take a request down; one of the same kind that waits already is that one.

    Whoever signed in on their own phone is known. `corrections` are the fields of a correction with what should stand there.
    Raises NothingAsked for a correction without a field, NotCorrectable for a field nobody can correct, or for what a
    relative cannot ask for.
    """
    if asked_by is RequestedBy.RELATIVE and kind not in OF_THE_DEAD:
        raise NotCorrectable(kind.value)
    Patient.objects.select_for_update(no_key=True).only("pk").get(pk=patient.pk)
    waiting = PersonRequest.objects.filter(patient=patient, kind=kind, state=RequestState.RECEIVED)
    if (same := waiting.defer("words", "answer").first()) is not None:
        return same
    known = asked_through is GivenThrough.PORTAL and asked_by is RequestedBy.SELF
    request = PersonRequest(
        clinic_id=patient.clinic_id,
        patient=patient,
        subject_id=patient.subject_id,
        kind=kind,
        asked_by=asked_by,
        asked_through=asked_through,
        words=words or None,
        asked_at=at,
        due_at=at + ANSWER_WITHIN,
        verified_how=IdentityCheck.PORTAL if known else "",
        verified_at=at if known else None,
        verified_by=by.ref if known else "",
    )
    request.save(force_insert=True)
    fields = _corrections(request, patient, corrections or {})
    record("request.received", object=request, subjects=[patient.subject_id], wrote=wrote_rows(fields))
    return request


@transaction.atomic
def verify(request_id: UUID, how: IdentityCheck, *, by: Actor, at: datetime) -> PersonRequest:
    """Somebody saw who asks. For anybody but the person it takes the proof of the relation as well: raises IdentityUnknown."""
    request = _locked(request_id)
    enough = {IdentityCheck.PROOF}
    if request.asked_by == RequestedBy.SELF:
        enough = {IdentityCheck.PROOF, IdentityCheck.PAPERS}
    if how not in enough:
        raise IdentityUnknown(str(request_id))
    request.verified_how, request.verified_at, request.verified_by = how, at, by.ref
    request.save(update_fields=["verified_how", "verified_at", "verified_by"])
    record("request.verified", object=request, subjects=[request.subject_id], reason=how.value)
    return request


@transaction.atomic
def decide_correction(
    correction_id: UUID, *, refusal: RefusalReason | None = None, by: Actor, at: datetime
) -> RequestedCorrection:
    """One field: what should stand there stands there now, or it stays, for a reason. Raises IdentityUnknown, RequestDecided."""
    correction = RequestedCorrection.objects.filter(pk=correction_id).first()
    if correction is None:
        raise RequestNotFound(str(correction_id))
    request = _known(_locked(correction.request_id))
    if correction.decision:
        raise RequestDecided(str(correction_id))
    accepted = refusal is None
    correction.decision = CorrectionDecision.ACCEPTED if accepted else CorrectionDecision.REFUSED
    correction.refusal = refusal or ""
    correction.save(update_fields=["decision", "refusal"])
    record(
        "correction.decided",
        object=correction,
        subjects=[request.subject_id],
        reason=f"{correction.decision}.{correction.field}",
    )
    if accepted and correction.field in CORRECTABLE:
        patient = Patient.objects.select_for_update().get(pk=request.patient_id)
        correct_identity(patient, {correction.field: correction.new}, by=by, at=at)
    return correction


@transaction.atomic
def grant_request(request_id: UUID, answer: str, *, by: Actor, at: datetime) -> PersonRequest:
    """It was done as asked; `answer` tells how, in words. To restrict and to move do it here.

    Raises IdentityUnknown, RequestDecided, and ReasonNeeded while a field of a correction waits for its decision.
    """
    request = _known(_locked(request_id))
    if request.corrections.filter(decision="").exists():
        raise ReasonNeeded(str(request_id))
    request.state, request.answer = RequestState.DONE, answer or None
    _settle(request, "request.done", by, at)
    if request.kind == RequestKind.RESTRICT:
        _restrict(request, by, at)
    return request


@transaction.atomic
def refuse_request(
    request_id: UUID, reason: RefusalReason, answer: str, *, by: Actor, at: datetime
) -> PersonRequest:
    """It is not done, or not wholly, and the person reads why (PIPL art. 50). Raises ReasonNeeded without words, RequestDecided."""
    request = _locked(request_id)
    if not answer.strip():
        raise ReasonNeeded(str(request_id))
    request.state, request.refusal, request.answer = RequestState.REFUSED, reason, answer
    return _settle(request, "request.refused", by, at)


def known_request(request_id: UUID, kind: RequestKind) -> PersonRequest:
    """A request of that kind that waits and whose asker is known. Raises RequestNotFound, RequestDecided, IdentityUnknown."""
    request = _known(_locked(request_id))
    if request.kind != kind:
        raise RequestNotFound(str(request_id))
    return request


@transaction.atomic
def note_deletion(request_id: UUID, *, kept_by_law: bool, by: Actor, at: datetime) -> PersonRequest:
    """After the erasure: done, or only stored while a law asks for it. The keys of the words are gone, so none are written."""
    request = _locked(request_id)
    request.state = RequestState.REFUSED if kept_by_law else RequestState.DONE
    request.refusal = RefusalReason.RETENTION if kept_by_law else ""
    return _settle(request, "request.refused" if kept_by_law else "request.done", by, at)


@transaction.atomic
def take_back(request_id: UUID, patient: Patient, *, by: Actor, at: datetime) -> PersonRequest:
    """The person wants it no longer. Raises RequestNotFound for somebody else's, RequestDecided."""
    request = _locked(request_id)
    if request.patient_id != patient.pk:
        raise RequestNotFound(str(request_id))
    request.state = RequestState.TAKEN_BACK
    return _settle(request, "request.taken_back", by, at)


def requests_of(patient: Patient) -> QuerySet[PersonRequest]:
    """What this person asked, newest first, with the fields of corrections."""
    return (
        PersonRequest.objects.filter(patient=patient)
        .prefetch_related("corrections")
        .order_by("-asked_at", "-pk")
    )


def open_requests(clinic_id: UUID) -> QuerySet[PersonRequest]:
    """What waits for an answer, the most urgent first; the words stay sealed."""
    waiting = PersonRequest.objects.filter(clinic_id=clinic_id, state=RequestState.RECEIVED)
    return waiting.select_related("patient").defer("words", "answer").order_by("due_at", "pk")


def raise_overdue(clinic_id: UUID, at: datetime) -> int:
    """An alarm for everybody who has waited for thirty days; answers how many. Inside `acting`."""
    late = PersonRequest.objects.filter(
        clinic_id=clinic_id, state=RequestState.RECEIVED, asked_at__lte=at - ALARM_AFTER
    )
    waiting = list(late.defer("words", "answer").order_by("pk"))
    for request in waiting:
        raise_alarm(
            Rule.REQUEST_OVERDUE,
            clinic_id=clinic_id,
            subject_id=request.subject_id,
            object=("consent.personrequest", str(request.pk)),
        )
    return len(waiting)


def _corrections(
    request: PersonRequest, patient: Patient, wanted: Mapping[str, str]
) -> list[RequestedCorrection]:
    """The fields with what stands there now. The house reads it: whoever takes a request down need not see it."""
    if bool(wanted) != (request.kind == RequestKind.CORRECT):
        raise NothingAsked(request.kind)
    if strange := wanted.keys() - {*CORRECTABLE, OTHER}:
        raise NotCorrectable(", ".join(sorted(strange)))
    with access(Purpose.CARE, Kind.COMPUTED, field_sets=frozenset({"identity", "contact"})):
        rows = [
            RequestedCorrection(
                clinic_id=patient.clinic_id,
                patient=patient,
                subject_id=patient.subject_id,
                request=request,
                field=field,
                old=getattr(patient.identity, field) if field in CORRECTABLE else None,
                new=new,
            )
            for field, new in wanted.items()
        ]
    RequestedCorrection.objects.sealed_bulk_create(rows)
    return rows


def _restrict(request: PersonRequest, by: Actor, at: datetime) -> None:
    """Every permission ends, and the record is only stored until the person says otherwise."""
    patient = Patient.objects.get(pk=request.patient_id)
    standing = states_of(patient, at)
    for rule in rules().values():
        if rule.withdrawable and standing[rule.purpose].granted:
            withdraw_consent(
                patient,
                rule.purpose,
                by=by,
                at=at,
                given_through=GivenThrough(request.asked_through),
                method=Method.PAPER,
                idem_key=f"request:{request.pk}:{rule.purpose}",
            )
    restrict_patient(patient, by=system_actor("requests", patient.clinic_id), at=at)


def _locked(request_id: UUID) -> PersonRequest:
    request = (
        PersonRequest.objects.select_for_update(of=("self",))
        .select_related("patient")
        .filter(pk=request_id)
        .first()
    )
    if request is None:
        raise RequestNotFound(str(request_id))
    if request.state != RequestState.RECEIVED:
        raise RequestDecided(str(request_id))
    return request


def _known(request: PersonRequest) -> PersonRequest:
    if request.verified_at is None:
        raise IdentityUnknown(str(request.pk))
    return request


def _settle(request: PersonRequest, action: str, by: Actor, at: datetime) -> PersonRequest:
    request.decided_at, request.decided_by = at, by.ref
    request.save(update_fields=["state", "refusal", "answer", "decided_at", "decided_by"])
    record(action, object=request, subjects=[request.subject_id], reason=request.refusal or "")
    return request
