"""The one gate: staff see whom they care for, in the clinic they are at, while it lasts, and nobody learns the rest."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from guardian.shortcuts import assign_perm

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.models import CareTeam, Clinic, StaffRole, TeamMember, User
from clinics.queries import anonymous_actor
from clinics.roles import Role
from patients.choices import CareRole, GrantReason, PortalRelation
from patients.errors import PatientNotFound
from patients.models import (
    CareRelationship,
    Patient,
    PatientAccess,
    PatientGroupObjectPermission,
    PatientUserObjectPermission,
    PortalAccess,
)
from patients.queries import count_of_visible, page_of_visible, patient_for, visible_patients
from patients.services import begin_care, end_care, give_portal_access, grant_chart
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]


def sees(actor: Actor, patient: Patient) -> bool:
    """Whether list, page and chart show the patient; they must agree."""
    clinic_id = actor.clinic_id or patient.clinic_id
    listed = visible_patients(actor, clinic_id).filter(pk=patient.pk).exists()
    paged = patient in page_of_visible(actor, clinic_id).patients
    try:
        opened = patient_for(actor, patient.pk) == patient
    except PatientNotFound:
        opened = False
    assert listed == paged == opened
    return listed


@pytest.mark.requirement("GBT39725-11.1")
def test_the_opener_and_their_team_see_the_patient_and_the_other_team_does_not(
    clinic: Clinic, team: CareTeam, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    colleague, stranger = (actor_for(hire(clinic, each), clinic) for each in (team, other_team))
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)

        assert sees(nurse, patient)
        assert sees(colleague, patient)
        assert not sees(stranger, patient)


def test_a_missing_and_a_forbidden_patient_look_the_same(
    clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    stranger = actor_for(hire(clinic, other_team), clinic)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
    with acting(stranger):
        answers = []
        for patient_id in (patient.pk, uuid4()):
            with pytest.raises(PatientNotFound) as refusal:
                patient_for(stranger, patient_id)
            answers.append((refusal.value.status, refusal.value.message, str(refusal.value)))

    assert answers[0] == answers[1]


def test_leaving_the_team_acts_at_once(clinic: Clinic, team: CareTeam, hire: Hire, nurse: Actor) -> None:
    colleague = hire(clinic, team)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        assert sees(actor_for(colleague, clinic), patient)

        TeamMember.objects.filter(user=colleague).delete()

        assert not sees(actor_for(colleague, clinic), patient)


@pytest.mark.requirement("HIPAA-308a3iiC")
def test_an_inactive_account_sees_nobody(clinic: Clinic, nurse: Actor, nurse_account: User) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        nurse_account.is_active = False
        nurse_account.save()

        assert not sees(nurse, patient)
        assert count_of_visible(nurse, clinic.pk) == 0


def test_an_account_without_a_role_in_the_clinic_sees_nobody(
    clinic: Clinic, nurse: Actor, nurse_account: User
) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        nurse_account.staff_roles.all().delete()

        assert not sees(nurse, patient)


def test_a_relationship_counts_from_its_beginning_until_its_end(
    clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    cover = hire(clinic, other_team)
    now = timezone.now()
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        begin_care(
            patient,
            role=CareRole.COVERING,
            staff=cover,
            by=nurse,
            at=now + timedelta(days=1),
            until=now + timedelta(days=3),
        )
        actor = actor_for(cover, clinic)

        seen = [
            visible_patients(actor, clinic.pk, at=now + timedelta(days=days)).filter(pk=patient.pk).exists()
            for days in (0, 2, 4)
        ]

    assert seen == [False, True, False]


def test_a_relationship_that_is_ended_stops_showing(
    clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    doctor = hire(clinic, other_team)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        care = begin_care(patient, role=CareRole.MANAGER, staff=doctor, by=nurse, at=OPENED_AT)
        same = begin_care(patient, role=CareRole.MANAGER, staff=doctor, by=nurse, at=OPENED_AT)
        assert same == care
        assert sees(actor_for(doctor, clinic), patient)

        end_care(care, by=nurse, at=timezone.now())

        assert not sees(actor_for(doctor, clinic), patient)


def test_one_chart_is_opened_to_one_colleague_with_a_reason(
    clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    expert = hire(clinic, other_team)
    with acting(nurse):
        patient, neighbour = (PatientFactory(clinic=clinic, by=nurse) for _ in range(2))
        until = timezone.now() + timedelta(days=7)
        grant = grant_chart(
            patient, expert, reason=GrantReason.SECOND_OPINION, by=nurse, at=OPENED_AT, until=until
        )

        assert sees(actor_for(expert, clinic), patient)
        assert not sees(actor_for(expert, clinic), neighbour)

        grant.delete()

        assert not sees(actor_for(expert, clinic), patient)


def test_a_grant_without_a_reason_is_refused(clinic: Clinic, nurse: Actor, nurse_account: User) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        with pytest.raises(DatabaseError), transaction.atomic():
            assign_perm("patients.view_patient", nurse_account, patient)


def test_a_group_opens_a_chart_to_its_members(
    clinic: Clinic, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    reviewer = hire(clinic, other_team)
    group = Group.objects.create(name="质控")
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        PatientGroupObjectPermission.objects.create(
            group=group,
            permission=Permission.objects.get(codename="view_patient", content_type__app_label="patients"),
            content_object=patient,
            reason=GrantReason.QUALITY,
            granted_by_id=nurse.user_id,
            granted_at=OPENED_AT,
        )
        assert not sees(actor_for(reviewer, clinic), patient)

        reviewer.groups.add(group)

        assert sees(actor_for(reviewer, clinic), patient)


def test_a_restricted_patient_is_stored_and_seen_by_nobody(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        give_portal_access(patient, PortalRelation.SELF, nurse, at=OPENED_AT)
        rights = PatientAccess.objects.filter(patient=patient).count()

        Patient.objects.filter(pk=patient.pk).update(restricted_at=timezone.now())
        assert not sees(nurse, patient)
        assert not sees(system_actor("jobs", clinic.pk), patient)
        assert PatientAccess.objects.filter(patient=patient).count() == 0

        Patient.objects.filter(pk=patient.pk).update(restricted_at=None)
        assert sees(nurse, patient)
        assert PatientAccess.objects.filter(patient=patient).count() == rights


def test_staff_of_two_clinics_see_each_clinics_patients_only_there(
    clinic: Clinic, other_clinic: Clinic, hire: Hire, nurse: Actor, nurse_account: User
) -> None:
    StaffRole.objects.create(user=nurse_account, clinic=other_clinic, role=Role.NURSE)
    there = actor_for(nurse_account, other_clinic)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        assert sees(nurse, patient)
    with acting(there):
        assert not sees(there, patient)
        assert not visible_patients(there, clinic.pk).exists()


def test_row_security_shows_nothing_without_a_clinic_and_nothing_of_another(
    clinic: Clinic, other_clinic: Clinic, nurse: Actor
) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse)
    tables = [
        "patients_patient",
        "patients_card",
        "patients_carerelationship",
        "patient_access",
        "patient_search",
        "patient_search_person",
    ]

    def rows() -> list[int]:
        with connection.cursor() as cursor:
            counts = []
            for table in tables:
                cursor.execute(f"SELECT count(*) FROM {table}")
                counts.append(cursor.fetchone()[0])
        return counts

    assert rows() == [0] * len(tables)
    with acting(system_actor("jobs", other_clinic.pk)):
        assert rows() == [0] * len(tables)
    with acting(nurse):
        assert all(rows())


def test_every_table_of_the_app_with_a_clinic_has_row_security(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.relrowsecurity FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind = 'r' AND a.attname = 'clinic_id' AND (c.relname LIKE 'patients\\_%' OR c.relname LIKE 'patient\\_%')"
        )
        tables = dict(cursor.fetchall())

    assert len(tables) >= 11
    assert all(tables.values()), tables


def test_the_application_cannot_write_the_access_table(clinic: Clinic, nurse: Actor) -> None:
    columns = "clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until"
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse)
        for statement in (
            "DELETE FROM patient_access",
            "UPDATE patient_access SET valid_until = 'infinity'",
            f"INSERT INTO patient_access ({columns}) SELECT {columns} FROM patient_access",
        ):
            with (
                pytest.raises(DatabaseError, match="permission denied"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)


def test_the_access_table_is_what_its_sources_say_after_every_kind_of_change(
    clinic: Clinic, team: CareTeam, other_team: CareTeam, hire: Hire, nurse: Actor
) -> None:
    def drift() -> list[tuple[object, ...]]:
        wanted = (
            "SELECT clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"({wanted} FROM patient_access EXCEPT {wanted} FROM patient_access_wanted)"
                f" UNION ALL ({wanted} FROM patient_access_wanted EXCEPT {wanted} FROM patient_access)"
            )
            rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows

    with acting(nurse):
        patients = [PatientFactory(clinic=clinic, by=nurse) for _ in range(3)]
        doctor = hire(clinic, other_team)
        CareRelationship.objects.bulk_create(
            CareRelationship(
                clinic=clinic, patient=p, staff=doctor, role=CareRole.MANAGER, valid_from=OPENED_AT
            )
            for p in patients
        )
        grant_chart(patients[0], doctor, reason=GrantReason.COVER, by=nurse, at=OPENED_AT)
        assert drift() == []

        CareRelationship.objects.filter(team=team).update(team=other_team)
        PatientUserObjectPermission.objects.update(valid_until=timezone.now())
        assert drift() == []

        CareRelationship.objects.filter(patient=patients[1]).delete()
        assert drift() == []
        assert not PatientAccess.objects.filter(patient=patients[1]).exists()


def test_a_portal_account_sees_its_own_chart_and_those_it_stands_in_for_until_the_end(
    clinic: Clinic, nurse: Actor
) -> None:
    with acting(nurse):
        mother, neighbour = (PatientFactory(clinic=clinic, by=nurse) for _ in range(2))
        daughter = PatientFactory(clinic=clinic, by=nurse)
        own = give_portal_access(daughter, PortalRelation.SELF, nurse, at=OPENED_AT)
        assert give_portal_access(daughter, PortalRelation.SELF, nurse, at=OPENED_AT) == own
        proxy = give_portal_access(mother, PortalRelation.PROXY, nurse, at=OPENED_AT, user=own.user)
        account = Actor(
            ref="user:x", kind="patient", clinic_id=clinic.pk, field_sets=frozenset(), user_id=own.user_id
        )

        assert [sees(account, each) for each in (daughter, mother, neighbour)] == [True, True, False]

        PortalAccess.objects.filter(pk=proxy.pk).update(valid_until=timezone.now())
        assert [sees(account, each) for each in (daughter, mother)] == [True, False]


def test_somebody_who_has_not_signed_in_sees_nobody(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)

        assert not sees(anonymous_actor(clinic.pk), patient)


def test_a_patient_held_twice_counts_once_and_pages_go_on_where_they_ended(
    clinic: Clinic, team: CareTeam, nurse: Actor, nurse_account: User
) -> None:
    with acting(nurse):
        patients = [
            PatientFactory(clinic=clinic, by=nurse, at=OPENED_AT + timedelta(minutes=minutes // 2))
            for minutes in range(7)  # two at a time share their moment
        ]
        for patient in patients:
            begin_care(patient, role=CareRole.MANAGER, staff=nurse_account, by=nurse, at=OPENED_AT)
            begin_care(patient, role=CareRole.COVERING, staff=nurse_account, by=nurse, at=OPENED_AT)

        pages, place = [], None
        while True:
            page = page_of_visible(nurse, clinic.pk, after=place, size=3)
            pages.append(page.patients)
            place = page.next
            if place is None:
                break

        assert [len(page) for page in pages] == [3, 3, 1]
        shown = [patient for page in pages for patient in page]
        assert shown == sorted(patients, key=lambda p: (p.created_at, p.pk), reverse=True)
        assert [_whole(patient) for patient in shown] == [_whole(Patient.objects.get(pk=p.pk)) for p in shown]
        assert count_of_visible(nurse, clinic.pk) == 7
        assert count_of_visible(nurse, clinic.pk, bound=5) == 6


def _whole(patient: Patient) -> dict[str, object]:
    """Every column as it was loaded, and what the log will compare with; no column waits to be asked for."""
    return {name: value for name, value in vars(patient).items() if name != "_state"}
