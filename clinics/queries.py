"""Reads about clinics and staff. These tables stand outside row security: they are asked before a clinic is known."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit.actors import Actor, ActorKind
from audit.models import SYSTEM_LOG
from clinics.errors import NoSuchPage
from clinics.models import ApiToken, CareTeam, Clinic, Integration, StaffRole, User, UserKind, holds_at
from clinics.roles import PATIENT_FIELD_SETS, Permission, Role, field_sets_of, permissions_of
from clinics.scopes import words_of

# A role, its account and its clinic, in the order of the models' columns.
AT_WORK: Final = "SELECT * FROM clinics_account_at_work(%s)"
_ROLE: Final = ("id", "user_id", "clinic_id", "role")
_USER: Final = (
    "password", "last_login", "is_superuser", "id", "username", "display_name", "kind", "is_staff", "is_active", "created_at",
    "sealed_email",
)  # fmt: skip
_CLINIC: Final = ("id", "chain_id", "code", "name", "short_name", "phone", "is_active")


def active_clinics() -> QuerySet[Clinic]:
    return Clinic.objects.filter(is_active=True).order_by("code")


def watched_logs() -> list[UUID]:
    """The logs in which alarms may ring: of every clinic, also a closed one, and the installation's own."""
    return [*Clinic.objects.order_by("code").values_list("pk", flat=True), SYSTEM_LOG]


def clinic_by_code(code: str) -> Clinic | None:
    return active_clinics().filter(code=code).first()


def roles_at_work(user: User) -> list[StaffRole]:
    """Every role the account may act in now, clinic loaded. Empty for patients and for inactive accounts."""
    if user.kind != UserKind.STAFF:
        return []
    if user.known_roles is not None:
        return user.known_roles
    return list(StaffRole.objects.at_work(user.pk).select_related("clinic"))


def account_at_work(user_id: UUID) -> User | None:
    """An account with every role it may act in now (`known_roles`), clinics loaded; None for one that has none. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(AT_WORK, [user_id])
        rows = cursor.fetchall()
    if not rows:
        return None
    user = User.from_db(connection.alias, _USER, rows[0][2:13])
    clinics: dict[UUID, Clinic] = {}
    user.known_roles = []
    for role_id, code, *columns in rows:
        clinic_id = columns[11]
        if clinic_id not in clinics:
            clinics[clinic_id] = Clinic.from_db(connection.alias, _CLINIC, columns[11:])
        role = StaffRole.from_db(connection.alias, _ROLE, (role_id, user.pk, clinic_id, code))
        role.user, role.clinic = user, clinics[clinic_id]
        user.known_roles.append(role)
    return user


def staff_actor(user: User, clinic_id: UUID, roles: list[StaffRole]) -> Actor:
    """Who acts, with what their roles in this clinic let them open."""
    field_sets = field_sets_of(Role(r.role) for r in roles if r.clinic_id == clinic_id)
    return Actor(
        ref=f"user:{user.pk}",
        kind="staff",
        clinic_id=clinic_id,
        field_sets=field_sets,
        user_id=user.pk,
        roles=tuple(sorted({r.role for r in roles if r.clinic_id == clinic_id})),
    )


def account_actor(user: User, clinic_id: UUID | None) -> Actor:
    """The account, opening nothing: who is refused before it is asked what they may, so that the log says who tried."""
    kinds: dict[str, ActorKind] = {UserKind.PATIENT: "patient", UserKind.INTEGRATION: "integration"}
    return Actor(
        ref=f"user:{user.pk}",
        kind=kinds.get(user.kind, "staff"),
        clinic_id=clinic_id,
        field_sets=frozenset(),
        user_id=user.pk,
    )


def patient_actor(user: User, clinic_id: UUID) -> Actor:
    return Actor(
        ref=f"user:{user.pk}",
        kind="patient",
        clinic_id=clinic_id,
        field_sets=PATIENT_FIELD_SETS,
        user_id=user.pk,
    )


def anonymous_actor(clinic_id: UUID | None) -> Actor:
    return Actor(ref="anonymous", kind="anonymous", clinic_id=clinic_id, field_sets=frozenset())


def permissions_in(roles: list[StaffRole], clinic_id: UUID) -> frozenset[Permission]:
    return frozenset[Permission]().union(
        *(permissions_of(Role(r.role)) for r in roles if r.clinic_id == clinic_id)
    )


def answers_for_installation(roles: list[StaffRole]) -> bool:
    """Whether somebody with these roles may read the log of the installation, in which every clinic's accounts stand.

    That is whoever is privacy officer of every open clinic: one clinic's officer gets that clinic's log alone.
    """
    theirs = {role.clinic_id for role in roles if role.role == Role.PRIVACY_OFFICER}
    return bool(theirs) and not active_clinics().exclude(pk__in=theirs).exists()


def teams_of(user_id: UUID, clinic_id: UUID, *, at: datetime | None = None) -> QuerySet[CareTeam]:
    """The care teams of a clinic in which somebody is at a moment (now), by name."""
    moment = at or timezone.now()
    member = Q(teammember__user_id=user_id) & holds_at(moment, "teammember__")
    return CareTeam.objects.filter(member, holds_at(moment), clinic_id=clinic_id).order_by("name")


def tokens_of(user: User, clinic: Clinic) -> list[ApiToken]:
    """The account's tokens for one clinic, the newest first, ended ones too; with their last use."""
    return list(
        ApiToken.objects.filter(user=user, clinic=clinic).select_related("use").order_by("-made_at", "pk")
    )


def tokens_in(clinic: Clinic, at: datetime) -> list[ApiToken]:
    """Everybody's tokens that open something in the clinic now."""
    living = ApiToken.objects.filter(clinic=clinic, ended_at=None, expires_at__gt=at)
    return list(living.select_related("use", "user").order_by("user__display_name", "-made_at"))


def integrations_of(clinic: Clinic) -> list[Integration]:
    """The programs of the clinic, those that work here before those that did."""
    return list(
        Integration.objects.filter(clinic=clinic)
        .select_related("user")
        .order_by("-ended_at", "user__display_name", "pk")
    )


def integration_for(clinic: Clinic, integration_id: UUID) -> Integration:
    """Raises NoSuchPage, also for a program of another clinic."""
    found = Integration.objects.filter(clinic=clinic, pk=integration_id).select_related("user").first()
    if found is None:
        raise NoSuchPage
    return found


def integration_actor(integration: Integration) -> Actor:
    """A program at work in its clinic, with what it was given to open."""
    return Actor(
        ref=f"user:{integration.user_id}",
        kind="integration",
        clinic_id=integration.clinic_id,
        field_sets=words_of(integration.field_sets),
        user_id=integration.user_id,
    )


def names_by_ref(refs: Iterable[str]) -> dict[str, str]:
    """Accounts of staff by the reference the log has of them ("user:…"), with the name colleagues know. One statement."""
    ids = {ref.removeprefix("user:") for ref in refs if ref.startswith("user:")}
    staff = User.objects.filter(pk__in=ids, kind=UserKind.STAFF)
    return {f"user:{user.pk}": user.get_full_name() for user in staff}
