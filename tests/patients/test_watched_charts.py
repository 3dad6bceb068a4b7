"""Charts of well-known people and colleagues: whoever opens one is told in the log, and why it is watched stands nowhere in clear."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from clinics.errors import NotOfThisClinic
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from patients.errors import PatientNotFound
from patients.models import Patient
from patients.services.watching import watch
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]


@laid_out
def patient(clinic: Clinic, team: CareTeam) -> Patient:
    with acting(system_actor("test", clinic.pk)):
        return PatientFactory(clinic=clinic, team=team)


@laid_out
def doctor(clinic: Clinic, team: CareTeam, hire: Hire) -> User:
    return hire(clinic, team, role=Role.DOCTOR)


def test_every_opening_of_a_watched_chart_says_so_until_it_is_watched_no_more(
    patient: Patient, doctor: User, hire: Hire, clinic: Clinic, client: Client
) -> None:
    client.force_login(doctor)
    colleague = hire(clinic)
    address = f"/patients/{patient.pk}/"
    client.get(address)
    client.post(f"{address}watch/", {"colleague": str(colleague.pk)})
    client.get(address)
    page = client.get(f"{address}watch/").content.decode()
    client.post(f"{address}watch/", {})
    client.get(address)

    assert f'value="{colleague.pk}" selected' in page
    with acting(system_actor("test", clinic.pk)):
        charts = AuditEvent.objects.filter(action="access", kind="viewed", relation="team").order_by("uid")
        said = [event.vip for event in charts if "patient.identity.name" in (event.changes or ())]
        assert said[0] is False
        assert said[-1] is False
        assert True in said
        assert AuditEvent.objects.filter(action="patient.unwatched").count() == 1


def test_whose_colleague_somebody_is_stands_nowhere_in_clear(
    patient: Patient, doctor: User, hire: Hire, clinic: Clinic
) -> None:
    actor, colleague = actor_for(doctor, clinic), hire(clinic)
    with acting(actor):
        watch(patient.pk, well_known=True, colleague_id=colleague.pk, by=actor, at=timezone.now())
        with connection.cursor() as cursor:
            cursor.execute("SELECT p::text FROM patients_patient p")
            rows = " ".join(row for (row,) in cursor.fetchall())
            cursor.execute(
                "SELECT convert_from(canon, 'UTF8') FROM audit_event WHERE convert_from(canon, 'UTF8') LIKE '%watched%'"
            )
            log = " ".join(row for (row,) in cursor.fetchall())
    for text in (rows, log):
        assert str(colleague.pk) not in text
        assert colleague.pk.hex not in text


def test_a_nurse_a_stranger_and_another_clinics_colleague_are_refused(
    patient: Patient,
    doctor: User,
    clinic: Clinic,
    other_clinic: Clinic,
    team: CareTeam,
    other_team: CareTeam,
    hire: Hire,
    client: Client,
) -> None:
    client.force_login(hire(clinic, team))
    assert client.post(f"/patients/{patient.pk}/watch/", {"well_known": "on"}).status_code == 403
    stranger: Actor = actor_for(hire(clinic, other_team, role=Role.DOCTOR), clinic)
    with acting(stranger), pytest.raises(PatientNotFound):
        watch(patient.pk, well_known=True, colleague_id=None, by=stranger, at=timezone.now())
    own = actor_for(doctor, clinic)
    with acting(own), pytest.raises(NotOfThisClinic):
        watch(patient.pk, well_known=False, colleague_id=hire(other_clinic).pk, by=own, at=timezone.now())
    with acting(own):
        patient.refresh_from_db()
        assert not patient.watched
