"""The copy of a record for the person themselves: one archive, a page to read and a FHIR bundle for programs."""

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from django.template.loader import render_to_string

from audit.actors import Actor
from clinics.models import Clinic
from consent.queries import history_of
from exchange.fhir.record import as_json, record_of
from patients.models import Patient
from records.models import Observation
from records.queries import opened_results
from records.shown import Result

PAGE, BUNDLE = "record.html", "record.json"


def copy_of_record(clinic: Clinic, patient: Patient, *, by: Actor, at: datetime) -> bytes:
    """A ZIP archive of what `by` may have of this patient. Inside an access scope of kind EXPORTED, which tells the log."""
    results = opened_results(by, patient, Observation.objects.of(patient.pk))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(PAGE, _page(clinic, patient, results, at))
        files.writestr(BUNDLE, as_json(record_of(clinic, patient, results, at)))
    return archive.getvalue()


def _page(clinic: Clinic, patient: Patient, results: Sequence[Result], at: datetime) -> str:
    days = [(day, list(found)) for day, found in groupby(results, lambda result: result.day)]
    context = {"clinic": clinic, "patient": patient, "days": days, "said": history_of(patient), "at": at}
    return render_to_string("exchange/copy.html", context)
