"""The second lock: a query that forgot the gate shows one clinic at most, and without a unit of work nothing at all."""

from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection
from django.http import StreamingHttpResponse
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic, StaffRole, User
from clinics.roles import Role
from patients.choices import CareRole
from patients.models import CareRelationship, Patient, PatientAccess
from patients.queries import visible_patients
from tests.factories.clinics import ClinicFactory, StaffFactory
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for

pytestmark = pytest.mark.django_db(transaction=True)


def enter(code: str) -> tuple[Clinic, Patient, User]:
    clinic = ClinicFactory(code)
    user = StaffFactory()
    StaffRole.objects.create(user=user, clinic=clinic, role=Role.NURSE)
    actor = actor_for(user, clinic)
    with acting(actor):
        return clinic, PatientFactory(clinic=clinic, by=actor), user


def test_all_patients_of_a_forgotten_filter_are_none_or_one_clinics(client: Client) -> None:
    """Outside a unit of work, inside one, on the connection of the request before, in an answer that streams, and in a job."""
    (east, patient, nurse), (west, other, _) = enter("east"), enter("west")

    assert list(Patient.objects.all()) == []
    assert list(PatientAccess.objects.all()) == []
    for clinic, theirs in ((east, patient), (west, other)):
        with acting(system_actor("test", clinic.pk)):
            assert list(Patient.objects.all()) == [theirs]
            assert {right.patient_id for right in PatientAccess.objects.all()} == {theirs.pk}
        assert list(Patient.objects.all()) == []

    client.force_login(nurse)
    assert client.get("/patients/").status_code == 200
    assert not connection.in_atomic_block
    assert list(Patient.objects.all()) == []

    def rows() -> Iterator[str]:
        yield from (patient.service_number for patient in Patient.objects.all())

    with acting(actor_for(nurse, east)):
        streamed = StreamingHttpResponse(rows())
    assert b"".join(streamed.streaming_content) == b""  # type: ignore[arg-type]  # sent after the unit of work is over


def test_a_job_without_a_unit_of_work_sees_nobody_and_with_one_its_clinic() -> None:
    (east, patient, _), _west = enter("east"), enter("west")
    assert list(visible_patients(system_actor("job", east.pk), east.pk)) == []
    with acting(system_actor("job", east.pk)):
        assert list(visible_patients(system_actor("job", east.pk), east.pk)) == [patient]


def test_no_row_of_one_clinic_points_at_a_patient_of_another() -> None:
    (east, _patient, nurse), (_west, other, _) = enter("east"), enter("west")

    with pytest.raises(IntegrityError), acting(system_actor("test", east.pk)):
        CareRelationship.objects.create(
            clinic=east, patient_id=other.pk, staff=nurse, role=CareRole.COVERING, valid_from=OPENED_AT
        )
