"""What the commands about one person ask for: the clinic, the card, the member of staff. Each mistake is one sentence."""

from django.core.management.base import CommandError

from audit.actors import Actor
from clinics.models import Clinic, User
from clinics.queries import clinic_by_code, roles_at_work, staff_actor
from patients.models import Patient


def clinic_of(code: str) -> Clinic:
    """Raises CommandError."""
    clinic = clinic_by_code(code)
    if clinic is None:
        raise CommandError(f"There is no open clinic with the code {code!r}.")
    return clinic


def patient_of(service_number: str, clinic: Clinic) -> Patient:
    """The patient of this clinic, restricted or not. Inside `acting`. Raises CommandError."""
    patient: Patient | None = Patient.objects.filter(clinic=clinic, service_number=service_number).first()
    if patient is None:
        raise CommandError(f"There is no patient {service_number} in this clinic.")
    return patient


def account_at_work(username: str, clinic: Clinic) -> tuple[User, Actor]:
    """A member of staff with a role in this clinic. Raises CommandError."""
    user = User.objects.filter(username=username).first()
    roles = [role for role in roles_at_work(user) if role.clinic_id == clinic.pk] if user else []
    if user is None or not roles:
        raise CommandError(f"{username} does not work in this clinic.")
    return user, staff_actor(user, clinic.pk, roles)
