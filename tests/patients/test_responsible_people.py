"""Who is responsible: one at a time, the least loaded suggested, whole panels page by page, and nothing left of who leaves."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from clinics.errors import NotOfThisClinic, OwnWork
from clinics.models import CareTeam, Clinic, StaffAbsence, StaffRole, User
from clinics.roles import Role
from clinics.staffing import end_work
from patients.choices import CareRole, GrantReason
from patients.errors import CannotBeResponsible, PatientNotFound
from patients.models import CareRelationship, Patient
from patients.queries import visible_patients
from patients.queries.assigning import candidates, panels_of, plan_transfer, responsible_for
from patients.services import assigning, begin_care
from patients.services.access import grant_chart
from patients.services.assigning import assign, move_panel
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]
DOCTOR = CareRole.DOCTOR


@pytest.fixture
def system(clinic: Clinic) -> Actor:
    return system_actor("test", clinic.pk)


@laid_out
def manager(clinic: Clinic, hire: Hire) -> Actor:
    """A clinic manager: reaches every patient of the clinic by number, and sees none."""
    return actor_for(hire(clinic, role=Role.MANAGER), clinic)


@laid_out
def doctors(clinic: Clinic, hire: Hire) -> list[User]:
    return [hire(clinic, role=Role.DOCTOR) for _ in range(3)]


def in_care_of(doctor: User, clinic: Clinic, number: int) -> list[Patient]:
    by = system_actor("test", clinic.pk)
    with acting(by):
        patients = [PatientFactory(clinic=clinic) for _ in range(number)]
        for patient in patients:
            begin_care(patient, role=DOCTOR, staff=doctor, by=by, at=OPENED_AT)
    return patients


def responsible(patient: Patient) -> User | None:
    with acting(system_actor("test", patient.clinic_id)):
        return responsible_for(patient).get(DOCTOR)


def give(patient: Patient, to: User, by: Actor) -> None:
    with acting(by):
        assign(patient.pk, DOCTOR, to.pk, by=by, at=timezone.now(), today=timezone.localdate())


def move(clinic: Clinic, giver: User, taker: User, by: Actor) -> int:
    with acting(by):
        return move_panel(
            clinic.pk,
            DOCTOR,
            giver_id=giver.pk,
            taker_id=taker.pk,
            by=by,
            at=timezone.now(),
            today=timezone.localdate(),
        )


def test_the_one_with_the_fewest_patients_is_suggested_and_who_is_away_never(
    clinic: Clinic, doctors: list[User], system: Actor
) -> None:
    in_care_of(doctors[0], clinic, 2)
    in_care_of(doctors[1], clinic, 1)
    today = timezone.localdate()

    def suggested() -> list[User]:
        with acting(system):
            return [one.user for one in candidates(clinic.pk, DOCTOR, today=today) if one.is_suggested]

    def away(doctor: User) -> None:
        with acting(system):
            StaffAbsence.objects.create(clinic=clinic, user=doctor, first_on=today, last_on=today)

    assert suggested() == [doctors[2]]
    away(doctors[2])
    assert suggested() == [doctors[1]]
    for doctor in doctors[:2]:
        away(doctor)
    assert suggested() == []


def test_one_doctor_at_a_time_is_responsible_and_the_other_sees_the_patient_no_longer(
    clinic: Clinic, doctors: list[User], manager: Actor
) -> None:
    (patient,) = in_care_of(doctors[0], clinic, 1)
    before = actor_for(doctors[0], clinic)

    give(patient, doctors[1], manager)
    give(patient, doctors[1], manager)

    assert responsible(patient) == doctors[1]
    with acting(before):
        assert not visible_patients(before, clinic.pk).exists()
    with acting(system_actor("test", clinic.pk)):
        assert CareRelationship.objects.filter(patient=patient, role=DOCTOR).count() == 2


def test_a_colleague_without_the_role_or_of_another_clinic_cannot_be_responsible(
    clinic: Clinic, other_clinic: Clinic, doctors: list[User], hire: Hire, manager: Actor
) -> None:
    (patient,) = in_care_of(doctors[0], clinic, 1)

    for nobody in (hire(clinic, role=Role.NURSE), hire(other_clinic, role=Role.DOCTOR)):
        with pytest.raises(CannotBeResponsible):
            give(patient, nobody, manager)
    assert responsible(patient) == doctors[0]


def test_a_doctor_gives_only_patients_in_their_own_care_and_a_nurse_none(
    clinic: Clinic, doctors: list[User], hire: Hire, team: CareTeam
) -> None:
    mine, theirs = in_care_of(doctors[0], clinic, 1)[0], in_care_of(doctors[1], clinic, 1)[0]
    doctor, nurse = actor_for(doctors[0], clinic), actor_for(hire(clinic, team), clinic)

    give(mine, doctors[2], doctor)

    assert responsible(mine) == doctors[2]
    for by in (doctor, nurse):
        with pytest.raises(PatientNotFound):
            give(theirs, doctors[2], by)


def test_a_whole_panel_moves_page_by_page_and_who_stays_is_told_with_the_reason(
    clinic: Clinic, doctors: list[User], manager: Actor, system: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assigning, "PAGE", 2)
    giver, taker, _ = doctors
    patients = in_care_of(giver, clinic, 6)
    with acting(system):
        Patient.objects.filter(pk=patients[0].pk).update(restricted_at=timezone.now())
        later = CareRelationship.objects.get(patient=patients[1], role=DOCTOR)
        later.valid_from = timezone.now() + timedelta(days=3)
        later.save()
    with acting(manager):
        plan = plan_transfer(manager, clinic.pk, giver.pk, DOCTOR, at=timezone.now())
    assert (plan.moves, plan.stays) == (4, 2)
    assert {one.service_number: str(one.why) for one in plan.left_out}.keys() == {
        patient.service_number for patient in patients[:2]
    }
    assert len({str(one.why) for one in plan.left_out}) == 2

    assert [move(clinic, giver, taker, manager) for _ in range(3)] == [2, 2, 0]

    assert [responsible(patient) for patient in patients] == [giver, giver, *[taker] * 4]
    with acting(system):
        moved = AuditEvent.objects.filter(action="panel.moved")
        assert [event.count for event in moved] == [2, 2]


def test_a_page_that_fails_moves_nobody_of_it(
    clinic: Clinic, doctors: list[User], manager: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = in_care_of(doctors[0], clinic, 2)

    def no_log(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no log")

    monkeypatch.setattr(assigning, "record", no_log)
    with pytest.raises(RuntimeError):
        move(clinic, doctors[0], doctors[1], manager)

    assert [responsible(patient) for patient in patients] == [doctors[0]] * 2


def test_the_manager_does_it_on_a_page_that_names_nobody(
    clinic: Clinic, doctors: list[User], hire: Hire, client: Client
) -> None:
    patients = in_care_of(doctors[0], clinic, 2)
    client.force_login(hire(clinic, role=Role.MANAGER))
    choice = {"role": "doctor", "giver": str(doctors[0].pk), "taker": str(doctors[1].pk)}

    page = client.get("/patients/panels/", choice)
    assert page.context["plan"].moves == 2
    assert "邓" not in page.content.decode()
    client.post("/patients/panels/", choice)

    assert {responsible(patient) for patient in patients} == {doctors[1]}


def test_whoever_leaves_keeps_nothing_and_what_others_must_take_over_is_listed(
    clinic: Clinic,
    doctors: list[User],
    team: CareTeam,
    manager: Actor,
    system: Actor,
    hire: Hire,
    client: Client,
) -> None:
    leaver = hire(clinic, team, role=Role.DOCTOR)
    patients = in_care_of(leaver, clinic, 2)
    with acting(system):
        other = PatientFactory(clinic=clinic)
        begin_care(other, role=CareRole.COVERING, staff=leaver, by=system, at=OPENED_AT)
        grant = grant_chart(
            other, leaver, reason=GrantReason.COVER, by=actor_for(doctors[0], clinic), at=OPENED_AT
        )
    client.force_login(leaver)
    assert client.get("/patients/").status_code == 200

    with acting(manager):
        end_work(leaver, clinic.pk, by=manager, at=timezone.now())

    assert client.get("/patients/").status_code == 302
    leaver.refresh_from_db()
    assert not leaver.is_active
    assert not StaffRole.objects.filter(user=leaver).exists()
    with acting(system):
        assert panels_of(clinic.pk, leaver.pk) == {DOCTOR: 2}
        still = CareRelationship.objects.filter(staff=leaver, valid_until=None)
        assert {care.patient_id for care in still} == {patient.pk for patient in patients}
        grant.refresh_from_db()
        assert grant.valid_until is not None


def test_whoever_leaves_one_clinic_goes_on_in_the_other(
    clinic: Clinic, other_clinic: Clinic, hire: Hire, manager: Actor
) -> None:
    both = hire(clinic, role=Role.NURSE)
    StaffRole.objects.create(user=both, clinic=other_clinic, role=Role.NURSE)

    with acting(manager):
        end_work(both, clinic.pk, by=manager, at=timezone.now())

    both.refresh_from_db()
    assert both.is_active
    assert [role.clinic for role in StaffRole.objects.filter(user=both)] == [other_clinic]


def test_nobody_ends_their_own_work_or_that_of_another_clinic(
    clinic: Clinic, other_clinic: Clinic, hire: Hire, manager: Actor
) -> None:
    elsewhere = hire(other_clinic)
    me = User.objects.get(pk=str(manager.user_id))
    for user, refusal in ((me, OwnWork), (elsewhere, NotOfThisClinic)):
        with pytest.raises(refusal), acting(manager):
            end_work(user, clinic.pk, by=manager, at=timezone.now())
    assert StaffRole.objects.filter(user__in=[me, elsewhere]).count() == 2
