"""Similar people are shown beside the form and never block it; the reason why somebody is another is kept."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from audit.acting import acting
from audit.actors import Actor
from clinics.models import CareTeam, Clinic, User
from patients.choices import TwinReason
from patients.models import TwinOverride
from patients.queries import TwinSign, possible_twins
from tests.factories.patients import NewIdentityFactory, PatientFactory, actor_for, id_number

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]
PAPERS = id_number("99010119600229002")


@pytest.mark.parametrize(
    ("same", "signs"),
    [
        ({"id_number": PAPERS}, {TwinSign.ID_NUMBER}),
        ({"phone": "+8613800001234"}, {TwinSign.PHONE}),
        ({"name": "邓淑英", "birth_date": date(1960, 2, 29)}, {TwinSign.NAME, TwinSign.BIRTH_DATE}),
        (
            {
                "name": "邓淑英",
                "birth_date": date(1960, 2, 29),
                "phone": "+8613800001234",
                "id_number": PAPERS,
            },
            set(TwinSign),
        ),
    ],
)
def test_the_same_papers_phone_or_name_with_birth_date_make_a_twin(
    clinic: Clinic, at_work: Actor, same: dict[str, object], signs: set[TwinSign]
) -> None:
    known: dict[str, Any] = {
        "name": "邓淑英",
        "birth_date": date(1960, 2, 29),
        "phone": "+8613800001234",
        "id_number": PAPERS,
    }
    patient = PatientFactory(clinic=clinic, by=at_work, **known)
    other = {"name": "王建国", "birth_date": date(1971, 5, 1), "phone": "+8613800005678", "id_number": None}

    twins = possible_twins(at_work, clinic.pk, NewIdentityFactory(**{**other, **same}))

    assert [(twin.patient, twin.signs) for twin in twins] == [(patient, frozenset(signs))]


@pytest.mark.parametrize(
    "somebody",
    [{"name": "邓淑英", "birth_date": date(1960, 3, 1)}, {"name": "邓淑芬", "birth_date": date(1960, 2, 29)}],
)
def test_a_namesake_of_another_birth_date_is_no_twin(
    clinic: Clinic, at_work: Actor, somebody: dict[str, object]
) -> None:
    PatientFactory(clinic=clinic, by=at_work, name="邓淑英", birth_date=date(1960, 2, 29))

    assert possible_twins(at_work, clinic.pk, NewIdentityFactory(**somebody)) == []


def test_a_twin_that_shares_only_the_phone_says_whose_it_is(clinic: Clinic, at_work: Actor) -> None:
    PatientFactory(
        clinic=clinic,
        by=at_work,
        name="邓强",
        birth_date=date(1931, 5, 1),
        phone="+8613800001234",
        phone_owner="parent",
    )

    (twin,) = possible_twins(at_work, clinic.pk, NewIdentityFactory(name="邓淑英", phone="+8613800001234"))

    assert twin.words != ""
    assert twin.patient.get_phone_owner_display() in twin.words


def test_the_reason_of_a_card_beside_a_twin_is_kept(clinic: Clinic, at_work: Actor) -> None:
    mother = PatientFactory(clinic=clinic, by=at_work, name="邓淑英", phone="+8613800001234")

    child = PatientFactory(
        clinic=clinic, by=at_work, name="邓强", phone="+8613800001234", twin_reason=TwinReason.SHARED_PHONE
    )

    kept = TwinOverride.objects.get(patient=child)
    assert (kept.twin, kept.reason, kept.decided_by_id) == (mother, TwinReason.SHARED_PHONE, at_work.user_id)


def test_a_namesake_of_another_birth_date_is_not_put_aside(clinic: Clinic, at_work: Actor) -> None:
    PatientFactory(clinic=clinic, by=at_work, name="邓淑英", birth_date=date(1960, 2, 29))
    PatientFactory(clinic=clinic, by=at_work, name="邓淑英", birth_date=date(1960, 3, 1))

    assert not TwinOverride.objects.exists()


def test_a_twin_in_another_teams_care_is_not_shown_but_written_down(
    clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    colleague = actor_for(hire(clinic, other_team), clinic)
    with acting(nurse):
        hidden = PatientFactory(clinic=clinic, by=nurse, id_number=PAPERS)
    with acting(colleague):
        assert possible_twins(colleague, clinic.pk, NewIdentityFactory(id_number=PAPERS)) == []

        patient = PatientFactory(
            clinic=clinic, by=colleague, id_number=PAPERS, twin_reason=TwinReason.OTHER_PERSON
        )

        kept = TwinOverride.objects.get(patient=patient)
        assert (kept.twin, kept.reason) == (hidden, TwinReason.NOT_SHOWN)


def test_a_person_of_another_clinic_is_nobodys_twin(
    clinic: Clinic, other_clinic: Clinic, hire: Hire, nurse: Actor
) -> None:
    there = actor_for(hire(other_clinic), other_clinic)
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, id_number=PAPERS)
    with acting(there):
        PatientFactory(clinic=other_clinic, by=there, id_number=PAPERS)

        assert not TwinOverride.objects.exists()
