"""Who may do what: a role gives permissions (which pages) and field sets (which values open)."""

from enum import StrEnum

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a person is in one clinic."""

    FRONT_DESK = "front_desk", _("Front desk")
    NURSE = "nurse", _("Nurse")
    HEALTH_MANAGER = "health_manager", _("Health manager")
    DOCTOR = "doctor", _("Doctor")
    NUTRITIONIST = "nutritionist", _("Nutritionist")
    MANAGER = "manager", _("Clinic manager")
    PRIVACY_OFFICER = "privacy_officer", _("Privacy officer")
    ADMINISTRATOR = "administrator", _("Administrator")


class Permission(StrEnum):
    """What a page asks for. Which patients it then shows is decided by care relationships, never here."""

    SEE_PATIENTS = "see_patients"
    OPEN_CARD = "open_card"
    SEE_RESULTS = "see_results"
    IMPORT_REPORTS = "import_reports"
    RECORD_CONSENT = "record_consent"
    WORK_FOLLOWUPS = "work_followups"
    SEE_LOG = "see_log"
    ERASE_PATIENTS = "erase_patients"
    DECIDE_ALARMS = "decide_alarms"


_CARE = frozenset(Permission) - {
    Permission.SEE_LOG,
    Permission.ERASE_PATIENTS,
    Permission.DECIDE_ALARMS,
}
_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: frozenset({Permission.SEE_PATIENTS, Permission.OPEN_CARD, Permission.RECORD_CONSENT}),
    Role.NURSE: _CARE,
    Role.HEALTH_MANAGER: _CARE,
    Role.DOCTOR: _CARE,
    Role.NUTRITIONIST: _CARE - {Permission.OPEN_CARD, Permission.IMPORT_REPORTS},
    Role.MANAGER: frozenset({Permission.DECIDE_ALARMS}),
    Role.PRIVACY_OFFICER: frozenset(
        {Permission.SEE_LOG, Permission.ERASE_PATIENTS, Permission.DECIDE_ALARMS}
    ),
    Role.ADMINISTRATOR: frozenset(),
}

# Words of the field sets: privacy vocabulary, data categories.
_PERSON = frozenset({"identity", "contact"})
_FIELD_SETS: dict[Role, frozenset[str]] = {
    Role.FRONT_DESK: _PERSON,
    Role.NURSE: _PERSON | {"clinical"},
    Role.HEALTH_MANAGER: _PERSON | {"clinical"},
    Role.DOCTOR: _PERSON | {"clinical", "psychological", "genetic"},
    Role.NUTRITIONIST: _PERSON | {"clinical"},
    Role.MANAGER: frozenset(),
    Role.PRIVACY_OFFICER: frozenset({"log"}),
    Role.ADMINISTRATOR: frozenset(),
}
PATIENT_FIELD_SETS = _PERSON | {"clinical", "psychological", "genetic"}  # a person's own data


def permissions_of(role: Role) -> frozenset[Permission]:
    return _PERMISSIONS[role]


def field_sets_of(role: Role) -> frozenset[str]:
    return _FIELD_SETS[role]
