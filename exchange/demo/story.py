"""What else happened in the demo's clinics: whose chart is watched, and an emergency that nobody has reviewed yet."""

from datetime import datetime, timedelta

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import CareTeam, Clinic, User
from clinics.queries import roles_at_work, staff_actor
from clinics.roles import Role
from exchange.demo.house import teams_in
from patients.choices import CareRole, GlassReason
from patients.models import CareRelationship, Patient
from patients.services.glass import Sought, break_glass
from patients.services.watching import watch

EMERGENCY_AGO = timedelta(days=4, hours=2)


def tell(clinic: Clinic, *, at: datetime) -> None:
    """Two watched charts in the first care team, and an emergency of the other team's doctor, overdue for review.

    In a team of fewer than three people as much of it as there are people for.
    """
    first, second = teams_in(clinic)
    by = system_actor("demo", clinic.pk)
    with acting(by):
        people = _patients_of(first)[:3]
        nutritionist = User.objects.get(staff_roles__clinic=clinic, staff_roles__role=Role.NUTRITIONIST)
        for person, colleague_id in zip(people, (None, nutritionist.pk), strict=False):
            watch(person.pk, well_known=colleague_id is None, colleague_id=colleague_id, by=by, at=at)
    if not people:
        return
    for doctor in User.objects.filter(
        teams=second, staff_roles__clinic=clinic, staff_roles__role=Role.DOCTOR
    ):
        actor = staff_actor(doctor, clinic.pk, roles_at_work(doctor))
        with acting(actor, clinic.pk):
            break_glass(
                Sought(service_number=people[-1].service_number),
                reason=GlassReason.PRESENT,
                note="患者在输液区头晕，所在小组今天外出义诊，需要看用药和近期血压。",
                by=actor,
                at=at - EMERGENCY_AGO,
            )


def _patients_of(team: CareTeam) -> list[Patient]:
    """Of a care team alone, newest first."""
    care = CareRelationship.objects.filter(team=team, role=CareRole.CARE_TEAM, valid_until=None)
    return list(Patient.objects.filter(pk__in=care.values("patient")).order_by("-created_at", "pk"))
