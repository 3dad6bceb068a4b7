"""No table of a patient is forgotten when they are erased: each has a fate, and the erasure does what it says."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from audit.acting import acting
from exchange.services import Reason, erase_patient
from patients.models import Patient
from tests.factories.erasure import ERASED_AT, House

# What becomes of the rows of a person about whom no law makes the clinic keep anything.
GONE = {
    "consent_code",
    "consent_opt_out",
    "followups_attempt",
    "followups_enrolment",
    "followups_followup",
    "followups_message",
    "followups_outbox",
    "patient_access",
    "patient_search",
    "patient_search_person",
    "patients_patientgroupobjectpermission",
    "patients_patienttag",
    "patients_patientuserobjectpermission",
    "patients_portalinvitation",
    "patients_twinoverride",
    "records_change",
    "records_examreport",
    "records_observation",
}
# Rows that stay, and why nothing in them is the person any more.
KEPT = {
    "audit_alarm": "the log's alarm about a row; ids alone",
    "audit_alarm_note": "a subject of its own; the key of a note about the person is destroyed",
    "audit_decoy": "a card that was nobody's; marks die with the index secret",
    "audit_event_subject": "the log: that somebody looked stays true; ids alone",
    "consent_complaint": "when somebody complained and was answered; both texts do not open",
    "consent_correction": "which field was asked about and what was decided; both values are sealed and do not open",
    "consent_disclosure": "to whom what kind of data was given; ids and codes",
    "consent_event": "proof of what was allowed, under ids; the sealed evidence does not open",
    "consent_request": "what was asked for, when and how it was decided; the words do not open",
    "consent_state": "where each permission ended; ids and codes of purposes",
    "exchange_preservation": "who had the record preserved, why and until when; ids and codes",
    "exchange_importbatch": "a subject of its own; its content is emptied and its key destroyed",
    "patients_breakglass": "who opened the chart in an emergency and what was found; the note does not open",
    "patients_card": "a random number, closed",
    "patients_carerelationship": "who cared from when until when; the person is an id",
    "patients_patient": "service number and dates; year of birth, sex and whose phone are set back",
    "patients_portalaccess": "ended; the account is closed and has no name",
    "sealed_file": "when it was there and how large; its key is gone and its bytes are removed",
    "subject_key": "that there was a key, and when it was destroyed; no key bytes",
}
NAMES = {"patient", "patient_id", "subject_id", "subject_pk", "twin", "subject"}


def of_a_person(model: type[models.Model]) -> bool:
    """Whether a row says whose it is: by a column, or by what it points at."""
    fields = model._meta.concrete_fields
    return any(field.name in NAMES or field.related_model is Patient for field in fields)


def tables() -> set[str]:
    ours = [
        model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.app_label.endswith("tests")
    ]
    direct = {model for model in ours if of_a_person(model)}
    pointing = {
        model
        for model in ours
        if any(field.related_model in direct - {Patient} for field in model._meta.concrete_fields)
    }
    return {model._meta.db_table for model in direct | pointing}


def test_every_table_that_says_whose_its_rows_are_has_a_fate() -> None:
    assert tables() - GONE - set(KEPT) == set()


def test_no_fate_is_of_a_table_that_is_not_there() -> None:
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert (GONE | {"patients_patient", "consent_event", "subject_key"}) - known == set()


def rows_of(patient: Patient) -> dict[str, int]:
    """Rows that name the patient, in every table with a column for it."""
    counted = {}
    for model in apps.get_models(include_auto_created=True):
        columns = {field.column for field in model._meta.concrete_fields}
        where = [
            f"{column} = '{patient.pk}'"
            for column in ("patient_id", "subject_id", "content_object_id", "twin_id")
            if column in columns
        ]
        if where and model._meta.managed:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {model._meta.db_table} WHERE {' OR '.join(where)}")
                counted[model._meta.db_table] = cursor.fetchone()[0]
    return counted


@pytest.mark.django_db(transaction=True)
def test_a_person_nothing_must_be_kept_of_leaves_rows_only_where_the_fate_says_so(
    house: House, in_care: Patient, monkeypatch: Any
) -> None:
    long_after = ERASED_AT + timedelta(days=16 * 366)
    with acting(house.system):
        before = rows_of(in_care)
    assert {table for table in GONE if before.get(table)} >= {"records_observation", "followups_message"}
    erase_patient(in_care, reason=Reason.RETENTION_OVER, by=house.officer, at=long_after)
    with acting(house.system):
        after = rows_of(in_care)
    assert {table for table, count in after.items() if count and table in GONE} == set()
    assert {table for table, count in before.items() if count} - {
        t for t, count in after.items() if count
    } <= GONE
