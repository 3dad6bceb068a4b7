"""Care teams: whoever is put in sees at once, until their last day; taking out and dissolving act at once, in one's own clinic alone."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import CareTeam, Clinic, StaffAbsence, User
from clinics.roles import Role
from clinics.services import give_role
from patients.models import Patient
from patients.queries import visible_patients
from tests.factories.clinics import ClinicFactory, StaffFactory
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


def at_work(clinic: Clinic, role: Role) -> User:
    user = StaffFactory()
    with acting(system_actor("test", clinic.pk)):
        give_role(user, clinic.pk, role)
    return user


@pytest.fixture
def manager(clinic: Clinic, client: Client) -> Client:
    client.force_login(at_work(clinic, Role.MANAGER))
    return client


def sees(user: User, clinic: Clinic, patient: Patient, days: int = 0) -> bool:
    actor = actor_for(user, clinic)
    with acting(actor):
        later = timezone.now() + timedelta(days=days)
        return visible_patients(actor, clinic.pk, at=later).filter(pk=patient.pk).exists()


def test_a_team_is_opened_filled_emptied_and_dissolved_on_its_pages(clinic: Clinic, manager: Client) -> None:
    nurse = at_work(clinic, Role.NURSE)
    address = manager.post("/clinic/teams/", {"name": "慢病三组"})["Location"]
    team = CareTeam.objects.get(name="慢病三组")
    with acting(system_actor("test", clinic.pk)):
        patient = PatientFactory(clinic=clinic, team=team)
    assert not sees(nurse, clinic, patient)

    last_on = timezone.localdate() + timedelta(days=2)
    manager.post(address, {"user": str(nurse.pk), "last_on": last_on.isoformat()})
    assert [sees(nurse, clinic, patient, days) for days in (0, 2, 3)] == [True, True, False]

    manager.post(f"{address}{nurse.pk}/leave/")
    assert not sees(nurse, clinic, patient)
    manager.post(address, {"user": str(nurse.pk)})
    assert sees(nurse, clinic, patient, days=400)

    assert manager.post("/clinic/teams/", {"name": "慢病三组"}).status_code == 409
    manager.post(f"{address}dissolve/")
    assert not sees(nurse, clinic, patient)
    assert manager.post("/clinic/teams/", {"name": "慢病三组"}).status_code == 302
    assert sees(nurse, clinic, patient)


def test_a_manager_changes_no_team_and_nobody_of_another_clinic(clinic: Clinic, manager: Client) -> None:
    west = ClinicFactory("west")
    theirs = CareTeam.objects.create(clinic=west, name="西组")
    ours = CareTeam.objects.create(clinic=clinic, name="东组")
    stranger = at_work(west, Role.NURSE)

    assert manager.get(f"/clinic/teams/{theirs.pk}/").status_code == 404
    assert manager.post(f"/clinic/teams/{theirs.pk}/dissolve/").status_code == 404
    assert (
        manager.post(f"/clinic/teams/{ours.pk}/", {"user": str(stranger.pk)}).status_code == 200
    )  # no such choice
    assert not ours.members.exists()
    assert manager.get(f"/staff/{stranger.pk}/leave/").status_code == 404


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.PRIVACY_OFFICER, Role.ADMINISTRATOR])
def test_nobody_else_manages_teams_or_staff(role: Role, clinic: Clinic, client: Client) -> None:
    client.force_login(at_work(clinic, role))

    for address in ("/clinic/teams/", "/staff/"):
        assert client.get(address).status_code == 403


def test_who_is_away_is_written_down_and_shown(clinic: Clinic, manager: Client) -> None:
    nurse, today = at_work(clinic, Role.NURSE), timezone.localdate()
    days = {"user": str(nurse.pk), "first_on": today.isoformat()}

    bad = manager.post("/staff/", {**days, "last_on": (today - timedelta(days=1)).isoformat()})
    assert bad.context["form"].errors["last_on"]
    manager.post("/staff/", {**days, "last_on": today.isoformat()})

    with acting(system_actor("test", clinic.pk)):
        assert StaffAbsence.objects.get().last_on == today
    (shown,) = [one for one in manager.get("/staff/").context["people"] if one.user == nurse]
    assert shown.away_until == today
