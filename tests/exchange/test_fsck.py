"""`manage.py fsck`: silent where everything agrees; where it does not, it names the row and its exit status is 1."""

import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit import configured
from audit.acting import acting
from audit.actors import system_actor
from audit.purposes import Purpose
from config.dbroles.owner import as_owner
from consent.models import ConsentState
from crypto.core.scopes import Scope
from patients.models import Patient
from records.choices import Cause
from records.models import Observation
from tests.audit.sealing import seal
from tests.factories.clinics import CareTeamFactory, ClinicFactory
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import PatientFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def patient(settings: Any, tmp_path: Path) -> Patient:
    """In a care team, with permissions, results and a sealed log; nothing waits."""
    settings.SEQUENCER_KEY_FILE, settings.WITNESS_URL = str(tmp_path / "sequencer.key"), ""
    settings.FILES_DIR = str(tmp_path / "files")
    (tmp_path / "files" / "ab").mkdir(parents=True)
    configured.log_signer()
    clinic = ClinicFactory("east")
    by = system_actor("test", clinic.pk)
    with acting(by):
        patient: Patient = PatientFactory(clinic=clinic, team=CareTeamFactory(clinic=clinic))
        for purpose in (Purpose.CARE, Purpose.REPORT, Purpose.FOLLOWUP, Purpose.RISK):
            ConsentFactory(patient, purpose, by=by, at=MONDAY)
        file_results(patient, by=by, ldl=HIGH_LDL)
    take(clinic)
    seal()
    return patient


def fsck() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("fsck", stdout=out, stderr=out)
    except CommandError as error:
        return 1, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def past_the_application(table: str, sql: str) -> None:
    """What somebody does who owns the tables."""
    with as_owner() as owner, owner.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER USER; {sql};"
            f" SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} ENABLE TRIGGER USER"
        )


def test_it_is_silent_where_everything_agrees_and_names_each_row_that_does_not(
    patient: Patient, tmp_path: Path
) -> None:
    status, words = fsck()
    assert (status, "east: " in words, "0 findings" in words) == (0, True, True), words

    with acting(system_actor("test", patient.clinic_id)):
        state = ConsentState.objects.exclude(version=0).order_by("pk")[0]
        value = Observation.objects.order_by("pk").defer("detail")[0]
    for table, sql in {
        "consent_state": f"UPDATE consent_state SET state = 'withdrawn' WHERE id = '{state.pk}'",
        "patient_access": f"DELETE FROM patient_access WHERE patient_id = '{patient.pk}'",
        "records_observation": f"UPDATE records_observation SET detail = set_byte(detail, 10, 255) WHERE id = '{value.pk}'",
        "patient_search": "DELETE FROM patient_search",
        "patient_search_person": f"DELETE FROM patient_search_person WHERE patient_id = '{patient.pk}'",
        "records_change": "INSERT INTO records_change (id, clinic_id, patient_id, cause, at) SELECT gen_random_uuid(), clinic_id, id,"
        f" '{Cause.REPORT_FILED}', now() - interval '2 minutes' FROM patients_patient",
        "followups_message": "UPDATE followups_message SET state = 'queued' WHERE state = 'planned'",
        "subject_key": "UPDATE subject_key SET wrapped = NULL, destroyed_at = now(), destroy_ref = gen_random_uuid()"
        f" WHERE subject_id = '{patient.subject_id}' AND scope = {Scope.CONSENTED}",
        "index_key": "UPDATE index_key SET wrapped = NULL, destroyed_at = now()",
        "crypto_kek": "UPDATE crypto_kek SET state = 'destroyed'",
        "audit_event": "UPDATE audit_event SET actor_ref = 'nobody' WHERE action = 'consent.granted'",
    }.items():
        past_the_application(table, sql)

    left = tmp_path / "files" / "ab" / str(patient.pk)  # a crash came between the bytes and their record
    left.touch()
    os.utime(left, (0, 0))

    status, words = fsck()
    assert status == 1
    for named in (
        f"consent_state {state.pk}: is not what its lines",
        f"patient_access {patient.pk}",
        "this access is missing",
        f"records_observation {value.pk}: detail is sealed under a key that is not there",
        f"patients_patient {patient.pk}: no search finds this person",
        "records_change",
        "is about to be sent and stands in no outbox",
        "subject_key",
        "is destroyed, and no erasure, no upload and no newer key says why",
        "is destroyed, and no newer one is there",
        "is destroyed in its record, and there all the same",
        "column actor_ref is not what the entry says",
        f"sealed_file {patient.pk}: its bytes are left",
    ):
        assert named in words, (named, words)
