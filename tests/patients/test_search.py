"""Found by what people say at the desk: numbers, names, initials; only those in one's care; nothing opened for nobody."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent, EventSubject
from clinics.models import CareTeam, Clinic, User
from patients.errors import SearchTooShort
from patients.models import Card, Patient, PatientSearch
from patients.queries import MatchedBy, search_patients
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]


def found(actor: Actor, clinic: Clinic, text: str) -> set[UUID]:
    return {match.patient.pk for match in search_patients(actor, clinic.pk, text)}


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("邓淑英", "邓淑"),
        ("邓淑英", "淑英"),
        ("邓淑英", "邓淑英"),
        ("李娜", "李娜"),
        ("欧阳晓静", "欧阳"),
        ("欧阳晓静", "阳晓静"),
        ("阿依古丽·买买提", "古丽"),
        ("阿依古丽·买买提", "阿依古丽·买买提"),
        ("阿依古丽·买买提", "古丽买买"),
        ("John Smith", "smith"),
        ("邓淑英", "dsy"),
        ("邓淑英", "DSY"),
        ("单文清", "swq"),
        ("曾可", "zk"),
        ("仇英", "qy"),
        ("解小东", "xxd"),
        ("阿依古丽·买买提", "ayglmmt"),
    ],
)
def test_a_person_is_found_by_part_of_the_name_or_its_initials(
    clinic: Clinic, at_work: Actor, name: str, typed: str
) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work, name=name)
    PatientFactory(clinic=clinic, by=at_work, name="王建国")

    assert found(at_work, clinic, typed) == {patient.pk}


@pytest.mark.parametrize("typed", ["邓英", "英淑", "王淑英", "邓淑英英", "dsyy", "xyz", "?!", "12", "张"])
def test_who_is_not_meant_is_not_found(clinic: Clinic, at_work: Actor, typed: str) -> None:
    PatientFactory(clinic=clinic, by=at_work, name="邓淑英")

    assert found(at_work, clinic, typed) == set()


@pytest.mark.parametrize("typed", ["13800001234", "138 0000 1234", "+86-138-0000-1234", "1234", "00001234"])
def test_a_family_sharing_a_phone_is_found_together(clinic: Clinic, at_work: Actor, typed: str) -> None:
    family = {PatientFactory(clinic=clinic, by=at_work, phone="+8613800001234").pk for _ in range(3)}
    PatientFactory(clinic=clinic, by=at_work, phone="+8613800005678")

    assert found(at_work, clinic, typed) == family


def test_a_service_number_and_a_card_number_find_their_person(clinic: Clinic, at_work: Actor) -> None:
    patient, _other = (PatientFactory(clinic=clinic, by=at_work) for _ in range(2))
    card = Card.objects.get(patient=patient)
    number = patient.service_number

    for typed in (number, number.lower(), number.removeprefix("ZZ-"), number.replace("-", ""), card.number):
        assert found(at_work, clinic, typed) == {patient.pk}


def test_a_match_says_by_what(clinic: Clinic, at_work: Actor) -> None:
    PatientFactory(clinic=clinic, by=at_work, name="邓淑英", phone="+8613800001234")

    by = {typed: search_patients(at_work, clinic.pk, typed)[0].by for typed in ("1234", "淑英", "dsy")}

    assert by == {"1234": MatchedBy.PHONE_TAIL, "淑英": MatchedBy.NAME, "dsy": MatchedBy.INITIALS}


def test_another_teams_and_another_clinics_patients_are_not_found(
    clinic: Clinic, other_clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, name="邓淑英", phone="+8613800001234")
    for stranger in (
        actor_for(hire(clinic, other_team), clinic),
        actor_for(hire(other_clinic), other_clinic),
    ):
        with acting(stranger):
            assert stranger.clinic_id is not None
            for typed in ("淑英", "13800001234", "1234", "dsy"):
                assert search_patients(stranger, stranger.clinic_id, typed) == []


def test_candidates_are_opened_as_matched_and_only_counted(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, name="邓淑英")
    with acting(nurse):
        search_patients(nurse, clinic.pk, "淑英")
        event = AuditEvent.objects.get(action="access", kind=Kind.MATCHED)
        assert event.count == 1
        assert event.changes == {"patient.identity.name": None}
        assert not EventSubject.objects.filter(event_uid=event.uid).exists()


def test_a_service_number_opens_nothing(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
    with acting(nurse):
        search_patients(nurse, clinic.pk, patient.service_number)

        assert not AuditEvent.objects.filter(action="access").exists()


def test_a_whole_name_finds_its_namesakes_and_no_longer_name(clinic: Clinic, at_work: Actor) -> None:
    first, second = (PatientFactory(clinic=clinic, by=at_work, name="欧阳晓") for _ in range(2))
    longer = PatientFactory(clinic=clinic, by=at_work, name="欧阳晓静")

    assert found(at_work, clinic, "欧阳晓") == {first.pk, second.pk}
    assert found(at_work, clinic, "阳晓静") == {longer.pk}
    assert found(at_work, clinic, "欧阳") == {first.pk, second.pk, longer.pk}


def test_a_namesake_of_another_team_hides_nobody(clinic: Clinic, other_team: CareTeam, nurse: Actor) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, team=other_team, name="欧阳晓")
        mine = PatientFactory(clinic=clinic, by=nurse, name="欧阳晓静")
        assert found(nurse, clinic, "欧阳晓") == {mine.pk}


def test_of_a_number_on_many_charts_the_newest_are_found(
    clinic: Clinic, at_work: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patients.queries.search.FEW", 2)
    monkeypatch.setattr("patients.queries.search.MATCHES_SHOWN", 3)
    shared = [
        PatientFactory(clinic=clinic, by=at_work, phone="+8613800001234", at=OPENED_AT + timedelta(days=day))
        for day in range(4)
    ]

    matches = search_patients(at_work, clinic.pk, "13800001234")

    assert [match.patient.pk for match in matches] == [patient.pk for patient in shared[:0:-1]]


def test_one_character_is_enough_for_who_sees_few_people(clinic: Clinic, at_work: Actor) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work, name="邓淑英")
    PatientFactory(clinic=clinic, by=at_work, name="王建国")

    assert found(at_work, clinic, "英") == {patient.pk}


def test_one_character_is_too_short_for_who_sees_many(
    clinic: Clinic, at_work: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patients.queries.search.READ_ONE_BY_ONE", 1)
    for name in ("邓淑英", "王建国"):
        PatientFactory(clinic=clinic, by=at_work, name=name)

    with pytest.raises(SearchTooShort):
        search_patients(at_work, clinic.pk, "英")
    with pytest.raises(SearchTooShort):
        search_patients(at_work, clinic.pk, "d")


def test_fifty_are_shown_and_no_more_are_opened(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        for _ in range(53):
            PatientFactory(clinic=clinic, by=nurse, name="王芳", birth_date=None)
    with acting(nurse):
        assert len(search_patients(nurse, clinic.pk, "王芳")) == 50
        assert AuditEvent.objects.get(action="access", kind=Kind.MATCHED).count == 50


def test_a_search_is_four_queries_however_many_match(
    clinic: Clinic, nurse: Actor, django_assert_num_queries: Callable[[int], object]
) -> None:
    with acting(nurse):
        for _ in range(8):
            PatientFactory(clinic=clinic, by=nurse, name="王芳")
    with acting(nurse):
        search_patients(nurse, clinic.pk, "王芳")  # the patients' keys are known from here on
        with django_assert_num_queries(4):  # type: ignore[attr-defined]  # pytest-django's context manager
            search_patients(nurse, clinic.pk, "王芳")


def test_a_token_shows_in_the_database_beside_nothing_that_names_the_patient(
    clinic: Clinic, at_work: Actor
) -> None:
    patient = PatientFactory(clinic=clinic, by=at_work)
    columns = {field.column for field in PatientSearch._meta.concrete_fields}

    assert columns == {"clinic_id", "index", "key_ver", "token", "search_id"}
    assert not PatientSearch.objects.filter(search_id=patient.pk).exists()
    assert Patient.objects.count() == 1
