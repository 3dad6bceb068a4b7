"""Opening a card: everything it needs in one breath, once, or nothing."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import CareTeam, Clinic, User
from crypto.models import SubjectKey
from patients.choices import CareRole
from patients.models import Card, CareRelationship, Patient, PatientSearch, PatientSearchPerson
from patients.queries import patient_for
from tests.factories.patients import OPENED_AT, PatientFactory

pytestmark = pytest.mark.django_db


def test_a_card_opens_with_keys_tokens_care_and_an_event(
    clinic: Clinic, team: CareTeam, nurse_account: User, at_work: Actor
) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work, name="邓淑英")

    card = Card.objects.get(patient=patient)
    care = CareRelationship.objects.filter(patient=patient).values_list("staff", "team", "role")
    assert SubjectKey.objects.filter(subject_id=patient.pk).count() == 3
    assert PatientSearchPerson.objects.filter(patient=patient).count() == 1
    assert PatientSearch.objects.filter(search__patient=patient).exists()
    assert set(care) == {(nurse_account.pk, None, CareRole.OPENER), (None, team.pk, CareRole.CARE_TEAM)}
    assert (card.opened_by, card.opened_at) == (nurse_account, OPENED_AT)
    assert AuditEvent.objects.filter(action="card.opened", object_pk=str(card.pk)).count() == 1


def test_the_opener_reads_what_was_typed(clinic: Clinic, at_work: Actor) -> None:
    opened = PatientFactory(
        clinic=clinic, by=at_work, name="阿依古丽·买买提", phone="+8613800001234", email="a@example.cn"
    )

    patient = patient_for(at_work, opened.pk)
    with access(Purpose.CARE, Kind.VIEWED):
        identity = patient.identity
        assert (identity.name, identity.phone, identity.email) == (
            "阿依古丽·买买提",
            "+8613800001234",
            "a@example.cn",
        )
        assert identity.birth_date == "1960-02-29"
        assert identity.id_number is None
    assert (patient.birth_year, patient.subject_id) == (1960, patient.pk)


def test_a_card_opened_by_a_program_goes_to_the_clinics_first_team(
    clinic: Clinic, team: CareTeam, at_work: Actor
) -> None:
    patient = PatientFactory(clinic=clinic)

    assert list(CareRelationship.objects.filter(patient=patient).values_list("team", flat=True)) == [team.pk]


def test_the_same_form_sent_twice_opens_one_card(clinic: Clinic, at_work: Actor) -> None:
    token = uuid4()

    first = PatientFactory(clinic=clinic, by=at_work, form_token=token)
    second = PatientFactory(clinic=clinic, by=at_work, form_token=token)

    assert first == second
    assert Patient.objects.count() == Card.objects.count() == 1


def test_numbers_mean_nothing_and_slips_of_a_card_number_are_noticed(clinic: Clinic, at_work: Actor) -> None:
    numbers = {PatientFactory(clinic=clinic, by=at_work).service_number for _ in range(5)}
    card = Card.objects.first()

    assert len(numbers) == 5
    assert card is not None
    assert sum(sum(divmod(int(d) * (1 + at % 2), 10)) for at, d in enumerate(card.number, start=1)) % 10 == 0


def test_when_the_event_cannot_be_written_there_is_no_card(
    clinic: Clinic, at_work: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_is_down(*args: object, **kwargs: object) -> None:
        raise DatabaseError("the log is down")

    monkeypatch.setattr("patients.services.cards.record", log_is_down)

    with pytest.raises(DatabaseError):
        PatientFactory(clinic=clinic, by=at_work)

    assert not Patient.objects.exists()
    assert not PatientSearch.objects.exists()
    assert not SubjectKey.objects.exists()


def test_the_database_refuses_what_may_not_be(clinic: Clinic, other_clinic: Clinic, at_work: Actor) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work)

    with pytest.raises(IntegrityError), transaction.atomic():
        Patient.objects.filter(pk=patient.pk).update(created_at=OPENED_AT.replace(year=2020))
    with pytest.raises(DatabaseError), transaction.atomic():
        Patient.objects.filter(pk=patient.pk).update(subject_id=uuid4())
    with pytest.raises(IntegrityError), transaction.atomic():
        Patient.objects.filter(pk=patient.pk).update(sex="?")
    with pytest.raises(IntegrityError), transaction.atomic():
        Card.objects.filter(patient=patient).update(number="12345")


def test_a_row_of_one_clinic_never_points_at_a_patient_of_another(
    clinic: Clinic, other_clinic: Clinic, nurse: Actor
) -> None:
    with acting(nurse, clinic.pk, other_clinic.pk):
        patient = PatientFactory(clinic=clinic, by=nurse)
        Card.objects.create(clinic=other_clinic, patient=patient, number="0000000000", opened_at=OPENED_AT)
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        Card.objects.filter(clinic=other_clinic).delete()
