"""Who sees one chart: shown right by right, one more team or colleague let in until a day, and each right ended at once."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from clinics.errors import NotOfThisClinic
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from clinics.staffing import dissolve_team
from patients.choices import CareRole, GrantReason
from patients.errors import LastToLook, PatientNotFound, StillResponsible
from patients.models import Patient, PatientGroupObjectPermission
from patients.queries import visible_patients
from patients.queries.rights import rights_on
from patients.services import begin_care, end_look, grant_chart, let_look
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]


@laid_out
def doctor_account(clinic: Clinic, hire: Hire) -> User:
    return hire(clinic, role=Role.DOCTOR)


@laid_out
def doctor(doctor_account: User, clinic: Clinic) -> Actor:
    return actor_for(doctor_account, clinic)


@laid_out
def patient(doctor_account: User, clinic: Clinic) -> Patient:
    """In the care of one doctor, whose patient it became in another way than by opening the card."""
    house = system_actor("test", clinic.pk)
    with acting(house):
        patient = PatientFactory(clinic=clinic)
        begin_care(patient, role=CareRole.DOCTOR, staff=doctor_account, by=house, at=OPENED_AT)
    return patient


@laid_out
def expert(clinic: Clinic, hire: Hire) -> User:
    return hire(clinic, role=Role.DOCTOR)


def sees(user: User, clinic: Clinic, patient: Patient) -> bool:
    actor = actor_for(user, clinic)
    with acting(actor):
        return bool(visible_patients(actor, clinic.pk).filter(pk=patient.pk).exists())


def rights(patient: Patient) -> list[tuple[str, str]]:
    with acting(system_actor("test", patient.clinic_id)):
        return [(right.who, right.row.__class__.__name__) for right in rights_on(patient, timezone.now())]


@pytest.mark.parametrize("why", [CareRole.COVERING, GrantReason.SECOND_OPINION])
def test_a_colleague_looks_until_the_day_and_not_after_the_right_was_ended(
    patient: Patient, doctor: Actor, expert: User, clinic: Clinic, why: CareRole | GrantReason
) -> None:
    at = timezone.now()
    assert not sees(expert, clinic, patient)
    with acting(doctor):
        let_look(patient.pk, user_id=expert.pk, why=why, until=at + timedelta(days=7), by=doctor, at=at)
        right = next(one for one in rights_on(patient, timezone.now()) if not one.is_responsible)
    assert right.until == at + timedelta(days=7)
    assert sees(expert, clinic, patient)

    with acting(doctor):
        end_look(patient.pk, right.id, by=doctor, at=timezone.now())

    assert not sees(expert, clinic, patient)
    with acting(doctor):
        told = AuditEvent.objects.filter(action__in=["care.ended", "chart.closed_to"])
        assert told.get().actor_id == doctor.user_id


def test_a_look_that_is_over_can_be_given_again(
    patient: Patient, doctor: Actor, expert: User, clinic: Clinic
) -> None:
    with acting(doctor):
        grant_chart(
            patient, expert, reason=GrantReason.COVER, by=doctor, at=OPENED_AT,
            until=OPENED_AT + timedelta(hours=1),
        )  # fmt: skip
    assert not sees(expert, clinic, patient)
    at = timezone.now()
    with acting(doctor):
        let_look(
            patient.pk,
            user_id=expert.pk,
            why=GrantReason.QUALITY,
            until=at + timedelta(days=1),
            by=doctor,
            at=at,
        )
    assert sees(expert, clinic, patient)


def test_a_team_looks_until_further_notice(
    patient: Patient, doctor: Actor, team: CareTeam, nurse_account: User, clinic: Clinic
) -> None:
    with acting(doctor):
        let_look(patient.pk, team_id=team.pk, why=CareRole.CARE_TEAM, until=None, by=doctor, at=OPENED_AT)
    assert sees(nurse_account, clinic, patient)
    assert ("一组", "CareRelationship") in rights(patient)


def test_a_grant_to_a_group_is_listed_and_ended_and_what_begins_later_is_not_there_yet(
    patient: Patient, doctor: Actor, expert: User, clinic: Clinic
) -> None:
    with acting(doctor):
        group = Group.objects.create(name="质控")
        expert.groups.add(group)
        PatientGroupObjectPermission.objects.create(
            group=group, content_object=patient, reason=GrantReason.QUALITY, granted_by_id=doctor.user_id, granted_at=OPENED_AT,
            permission=Permission.objects.get_by_natural_key("view_patient", "patients", "patient"),
        )  # fmt: skip
        tomorrow = timezone.now() + timedelta(days=1)
        begin_care(patient, role=CareRole.COVERING, staff=expert, by=doctor, at=tomorrow)
        listed = rights_on(patient, timezone.now())
    assert str(CareRole.COVERING.label) not in [right.why for right in listed]
    assert sees(expert, clinic, patient)

    with acting(doctor):
        right = next(one for one in listed if one.who == group.name)
        end_look(patient.pk, right.id, by=doctor, at=timezone.now())

    assert not sees(expert, clinic, patient)


def test_who_is_responsible_hands_over_and_the_last_right_of_all_is_not_ended(
    patient: Patient, doctor: Actor, clinic: Clinic, nurse: Actor, nurse_account: User, hire: Hire
) -> None:
    with acting(doctor):
        mine = next(right for right in rights_on(patient, timezone.now()) if right.is_responsible)
        with pytest.raises(StillResponsible):
            end_look(patient.pk, mine.id, by=doctor, at=timezone.now())
    manager = actor_for(hire(clinic, role=Role.MANAGER), clinic)
    with acting(nurse):
        opened = PatientFactory(clinic=clinic, by=nurse)
    with acting(manager):
        opener, its_team = rights_on(opened, timezone.now())
        end_look(opened.pk, opener.id, by=manager, at=timezone.now())
        with pytest.raises(LastToLook):
            end_look(opened.pk, its_team.id, by=manager, at=timezone.now())
    assert sees(nurse_account, clinic, opened)


def test_nobody_lets_look_where_they_may_not_and_nobody_of_another_clinic_is_let_in(
    patient: Patient,
    doctor: Actor,
    nurse: Actor,
    expert: User,
    clinic: Clinic,
    other_clinic: Clinic,
    hire: Hire,
) -> None:
    at = timezone.now()
    until, stranger, before = at + timedelta(days=1), actor_for(expert, clinic), rights(patient)
    for by in (stranger, nurse):
        with acting(by), pytest.raises(PatientNotFound):
            let_look(patient.pk, user_id=expert.pk, why=GrantReason.COVER, until=until, by=by, at=at)
    with acting(doctor):
        for outside in (hire(other_clinic).pk, uuid4()):
            with pytest.raises(NotOfThisClinic):
                let_look(patient.pk, user_id=outside, why=GrantReason.COVER, until=until, by=doctor, at=at)
        with pytest.raises(PatientNotFound):
            end_look(patient.pk, uuid4(), by=doctor, at=at)
    assert rights(patient) == before


def test_the_page_lists_lets_in_says_what_is_missing_and_ends(
    patient: Patient, doctor_account: User, expert: User, clinic: Clinic, client: Client
) -> None:
    client.force_login(doctor_account)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    before = rights(patient)
    where, who = f"/patients/{patient.pk}/who-sees/", f"user:{expert.pk}"
    for missing in (
        {},
        {"who": who},
        {"who": who, "why": "cover"},
        {"who": who, "why": "cover", "last_on": "2020-01-01"},
    ):
        assert client.post(where, missing).status_code == 200
    assert rights(patient) == before

    day = timezone.localdate() + timedelta(days=3)
    assert client.post(where, {"who": who, "why": "cover", "last_on": day.isoformat()}).status_code == 302

    page = client.get(where)
    assert "optional" not in page.content.decode()  # a colleague needs both
    assert expert.get_full_name() in page.content.decode()
    right = next(one for one in page.context["rights"] if not one.is_responsible)
    assert client.post(where, {"end": str(right.id)}).status_code == 302
    assert client.post(where, {"end": str(right.id)}).status_code == 404
    assert not sees(expert, clinic, patient)


def test_a_card_the_house_opens_goes_to_no_team_that_was_dissolved(
    clinic: Clinic, team: CareTeam, other_team: CareTeam
) -> None:
    house = system_actor("import", clinic.pk)
    with acting(house):
        dissolve_team(team, at=timezone.now())
        patient = PatientFactory(clinic=clinic, by=house, at=timezone.now())
    assert rights(patient) == [("二组", "CareRelationship")]
