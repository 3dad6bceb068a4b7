"""Who may do what: a role gives permissions (which pages, how far) and field sets (which values open). Said in data/roles.yaml."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from django.db import models
from django.utils.translation import gettext_lazy as _

PERSON: Final = frozenset({"identity", "contact"})  # who somebody is and how to reach them
PATIENT_FIELD_SETS: Final = PERSON | {"clinical", "psychological", "genetic"}  # a person's own data


class Role(models.TextChoices):
    """What a person is in one clinic."""

    FRONT_DESK = "front_desk", _("Front desk")
    CALLER = "caller", _("Follow-up caller")
    NURSE = "nurse", _("Nurse")
    HEALTH_MANAGER = "health_manager", _("Health manager")
    DOCTOR = "doctor", _("Doctor")
    NUTRITIONIST = "nutritionist", _("Nutritionist")
    MANAGER = "manager", _("Clinic manager")
    PRIVACY_OFFICER = "privacy_officer", _("Privacy officer")
    ADMINISTRATOR = "administrator", _("Administrator")


class Permission(StrEnum):
    """What a page asks for. Which patients it then shows is decided by how far it reaches: care relationships, or the clinic."""

    SEE_PATIENTS = "see_patients"
    REVEAL_IDENTITY = "reveal_identity"
    CALL_PATIENTS = "call_patients"
    ASSIGN_PATIENTS = "assign_patients"
    MARK_PATIENTS = "mark_patients"
    PRINT_PATIENTS = "print_patients"
    EXPORT_PATIENTS = "export_patients"
    ERASE_PATIENTS = "erase_patients"
    OPEN_CARD = "open_card"
    BREAK_GLASS = "break_glass"
    REVIEW_GLASS = "review_glass"
    SEE_RESULTS = "see_results"
    IMPORT_REPORTS = "import_reports"
    RECORD_CONSENT = "record_consent"
    ANSWER_REQUESTS = "answer_requests"
    MANAGE_NOTICES = "manage_notices"
    MANAGE_RECIPIENTS = "manage_recipients"
    ANSWER_COMPLAINTS = "answer_complaints"
    PRESERVE_RECORDS = "preserve_records"
    WORK_FOLLOWUPS = "work_followups"
    MANAGE_TEAMS = "manage_teams"
    MANAGE_STAFF = "manage_staff"
    SEE_LOG = "see_log"
    DECIDE_ALARMS = "decide_alarms"
    MANAGE_ACCOUNTS = "manage_accounts"
    SET_ALARM_LIMITS = "set_alarm_limits"
    MANAGE_INTEGRATIONS = "manage_integrations"


class Reach(StrEnum):
    """How far a permission goes."""

    CARE = "care"  # the patients in the person's care
    CLINIC = "clinic"  # every patient of the clinic, by service number


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRule:
    """An action on a resource, and the field sets its pages may open at most."""

    permission: Permission
    resource: str
    action: str
    opens: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRule:
    """What one role may do, how far, and which field sets open for it.

    `service_number_only`: whoever has this role beside others opens no name and no phone either.
    """

    role: Role
    opens: frozenset[str]
    reach: dict[Permission, Reach]
    service_number_only: bool


@cache
def permission_rules() -> dict[Permission, PermissionRule]:
    return {
        Permission(name): PermissionRule(
            permission=Permission(name),
            resource=row["resource"],
            action=row["action"],
            opens=frozenset(row["opens"]),
        )
        for name, row in _data()["permissions"].items()
    }


@cache
def role_rules() -> dict[Role, RoleRule]:
    """Raises ValueError for a role that contradicts itself."""
    rules = {Role(name): _role_rule(Role(name), row) for name, row in _data()["roles"].items()}
    if missing := set(Role) - rules.keys():
        raise ValueError(f"clinics/data/roles.yaml says nothing of {sorted(missing)}")
    return rules


def permissions_of(role: Role) -> frozenset[Permission]:
    return frozenset(role_rules()[role].reach)


def field_sets_of(roles: Iterable[Role]) -> frozenset[str]:
    """What opens for somebody with these roles in one clinic; who works by service number gets no person with any of them."""
    rules = [role_rules()[role] for role in roles]
    opens = frozenset[str]().union(*(rule.opens for rule in rules))
    return opens - PERSON if any(rule.service_number_only for rule in rules) else opens


def roles_with(permission: Permission, reach: Reach) -> list[str]:
    """The codes of the roles for which a permission goes exactly so far."""
    return [*_roles_with(permission, reach)]


@cache
def _roles_with(permission: Permission, reach: Reach) -> tuple[str, ...]:
    return tuple(role.value for role, rule in role_rules().items() if rule.reach.get(permission) is reach)


def opened_by(permission: Permission, field_sets: Collection[str]) -> frozenset[str]:
    """The field sets that a page of this permission opens for somebody with these."""
    return permission_rules()[permission].opens & frozenset(field_sets)


def _role_rule(role: Role, row: dict[str, Any]) -> RoleRule:
    reach = {Permission(name): Reach(far) for far, names in row["may"].items() for name in names}
    if len(reach) != sum(len(names) for names in row["may"].values()):
        raise ValueError(f"clinics/data/roles.yaml: {role} has a permission twice")
    rule = RoleRule(
        role=role,
        opens=frozenset(row["opens"]),
        reach=reach,
        service_number_only=row.get("service_number_only", False),
    )
    if rule.service_number_only and rule.opens & PERSON:
        raise ValueError(f"clinics/data/roles.yaml: {role} works by service number and opens a person")
    return rule


def _data() -> dict[str, Any]:
    text = files("clinics").joinpath("data/roles.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return data
