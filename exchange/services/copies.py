"""Copies of a record: for the person themselves, to read and for programs; and for the provider they move to, with their own yes."""

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import TypedDict
from uuid import UUID

from django.db import transaction
from django.template.loader import render_to_string

from audit.actors import Actor
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import Operation, RequestKind
from consent.models import PersonRequest
from consent.purposes import rule_of
from consent.queries import history_of
from consent.recipients import give
from consent.requests import grant_request, known_request, requests_of
from exchange.fhir.care import care_of
from exchange.fhir.record import as_json, record_of
from followups.queries import PlanItem, plan_of
from patients.models import Patient
from patients.queries import ShownTag, tags_to_show
from records.models import Observation
from records.queries import opened_results
from records.shown import Result

PAGE, BUNDLE = "record.html", "record.json"


def copy_of_record(clinic: Clinic, patient: Patient, *, by: Actor, at: datetime) -> bytes:
    """A ZIP archive of what `by` may have of this patient. Inside an access scope of kind EXPORTED, which tells the log."""
    results = opened_results(by, patient, Observation.objects.of(patient.pk))
    beside: Beside = {
        "plan": plan_of(patient),
        "tags": tags_to_show(by, patient),
        "requests": list(requests_of(patient)),
    }
    bundle = record_of(clinic, patient, results, at)
    bundle["entry"] += care_of(patient, **beside)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(PAGE, _page(clinic, patient, results, beside, at))
        files.writestr(BUNDLE, as_json(bundle))
    return archive.getvalue()


class Beside(TypedDict):
    """What stands in a record beside results and permissions."""

    plan: list[PlanItem]
    tags: list[ShownTag]
    requests: list[PersonRequest]


def _page(clinic: Clinic, patient: Patient, results: Sequence[Result], beside: Beside, at: datetime) -> str:
    days = [(day, list(found)) for day, found in groupby(results, lambda result: result.day)]
    context = {"clinic": clinic, "patient": patient, "days": days, "said": history_of(patient), "at": at}
    return render_to_string("exchange/copy.html", {**context, **beside})


@transaction.atomic
def hand_over(request_id: UUID, code: str, *, by: Actor, at: datetime) -> str:
    """The FHIR bundle for the recipient somebody moves to; the request is answered. Inside an access scope of kind EXPORTED.

    Raises RequestNotFound, RequestDecided, IdentityUnknown; ConsentMissing without the person's own yes to this recipient, NotARecipient,
    OutsideAgreement. What stays here keeps its own rules.
    """
    patient = known_request(request_id, RequestKind.MOVE).patient
    codes = rule_of(Purpose.REFERRAL).codes
    given = give(patient, code, Purpose.REFERRAL, op=Operation.SHARE, data=codes, what="record", by=by, at=at)
    results = opened_results(by, patient, Observation.objects.of(patient.pk))
    text = as_json(record_of(patient.clinic, patient, results, at))
    grant_request(request_id, given.recipient.name, by=by, at=at)
    return text
