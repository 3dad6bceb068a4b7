"""A program of the clinic: it sees the patients of its care teams, for its purposes, opens its field sets, and is on the log as itself."""

from uuid import uuid4

import pytest
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from clinics.models import Integration, TeamMember
from clinics.tokens import end_integration, make_integration, make_token
from patients.models import CareRelationship
from tests.api.conftest import House
from tests.api.machine import SAID, Machine
from tests.factories.clinics import CareTeamFactory
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
SCOPES = ["patients:read", "patients:write", "observations:read", "observations:write"]


@laid_out
def integration(house: House) -> Integration:
    with acting(system_actor("test", house.clinic.pk), house.clinic.pk):
        made = make_integration(
            house.clinic, name="化验室", scopes=SCOPES, purposes=["care"], field_sets=["identity", "clinical"],
            at=timezone.now(),
        )  # fmt: skip
        TeamMember.objects.create(team=house.team, user=made.user)
    return made


def machine(house: House, integration: Integration) -> Machine:
    with acting(system_actor("test", house.clinic.pk), house.clinic.pk):
        made = make_token(
            uuid4(), integration.user, house.clinic, label="化验室", scopes=SCOPES, days=1, by=house.doctor,
            at=timezone.now(),
        )  # fmt: skip
    return Machine(made.secret)


def test_it_sees_whom_its_team_cares_for_and_acts_in_its_own_name(
    house: House, integration: Integration
) -> None:
    lab = machine(house, integration)
    with acting(system_actor("test", house.clinic.pk)):
        theirs = PatientFactory(clinic=house.clinic, team=CareTeamFactory(clinic=house.clinic))

    listed = [row["id"] for row in lab.get("/api/v1/patients/").json()["results"]]
    filed = lab.post(f"/api/v1/patients/{house.patient.pk}/observations/", SAID["POST", "observations"])
    opened = lab.post("/api/v1/patients/", SAID["POST", "patients"])

    assert listed == [str(house.patient.pk)]
    assert lab.get(f"/api/v1/patients/{theirs.pk}/").status_code == 404
    assert filed.status_code == opened.status_code == 201
    with acting(system_actor("test", house.clinic.pk)):
        events = AuditEvent.objects.filter(actor_ref=f"user:{integration.user_id}")
        assert {"access", "results.filed", "card.opened"} <= set(events.values_list("action", flat=True))
        assert set(events.values_list("actor_kind", flat=True)) == {"integration"}
        care = CareRelationship.objects.filter(patient_id=opened.json()["id"])
        assert {(one.staff_id, one.team_id) for one in care} == {
            (integration.user_id, None),
            (None, house.team.pk),
        }


def test_outside_its_purposes_its_scopes_and_its_teams_there_is_nothing(
    house: House, integration: Integration
) -> None:
    lab = machine(house, integration)
    assert lab.get("/api/v1/follow-ups/").status_code == 403

    Integration.objects.update(purposes="security")
    assert lab.get("/api/v1/patients/").json()["type"] == "urn:zhizhi:problem:outside-token"
    Integration.objects.update(purposes="care", scopes="patients:read")
    assert lab.get(f"/api/v1/patients/{house.patient.pk}/observations/").status_code == 403
    TeamMember.objects.filter(user=integration.user).delete()
    assert lab.get("/api/v1/patients/").json()["results"] == []
    with acting(system_actor("test", house.clinic.pk), house.clinic.pk):
        end_integration(integration.pk, house.clinic, at=timezone.now())
    assert lab.get("/api/v1/patients/").status_code == 401
