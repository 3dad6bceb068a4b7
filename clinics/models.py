"""Clinics, the people who work in them, and the accounts everybody signs in with."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

import clinics.accounts.models  # noqa: F401 (Django looks for models here)
from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from clinics.roles import Role
from crypto.ids import uuid7


class Chain(models.Model):
    """Clinics under one name. A chain shares staff accounts and catalogues, never patients."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        verbose_name = _("chain")
        verbose_name_plural = _("chains")

    def __str__(self) -> str:
        return self.name


CLINIC_CODE = (
    "[a-z][a-z0-9-]*"  # a number that somebody types into an address is no code, and never looked up
)


class Clinic(models.Model):
    """One clinic: the border no patient's data crosses."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    chain = models.ForeignKey(Chain, models.PROTECT, related_name="clinics", verbose_name=_("chain"))
    code = models.SlugField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=80)
    short_name = models.CharField(_("short name"), max_length=20, help_text=_("Signs messages to patients."))
    phone = models.CharField(_("telephone"), max_length=32)
    is_active = models.BooleanField(_("open"), default=True)

    class Meta:
        verbose_name = _("clinic")
        verbose_name_plural = _("clinics")
        constraints = [
            models.CheckConstraint(
                name="clinic_code_form",
                condition=models.Q(code__regex=f"^{CLINIC_CODE}$"),
                violation_error_message=_(
                    "A clinic's code begins with a small letter; small letters, digits and hyphens follow."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name


class UserKind(models.TextChoices):
    STAFF = "staff", _("Staff")
    PATIENT = "patient", _("Patient")


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: object) -> "User":
        """An account for Django admin. It holds no role in a clinic, so it opens no patient's data."""
        with acting(system_actor("setup", None)):
            user = self.create_user(username, password, **{"is_staff": True, "is_superuser": True, **fields})
            record("account.opened", object=user, reason="superuser")
        return user

    def create_patient_account(self) -> "User":
        """An account that says nothing: a random name, no password. Whose it is stands in PortalAccess."""
        return self.create_user(f"patient-{uuid.uuid4().hex}", kind=UserKind.PATIENT)


class User(AbstractBaseUser, PermissionsMixin):
    """Whoever signs in. Staff have a name to show; a patient's account has none."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = models.CharField(_("user name"), max_length=64, unique=True)
    display_name = models.CharField(_("name"), max_length=40, blank=True)
    kind = models.CharField(_("kind"), max_length=8, choices=UserKind.choices, default=UserKind.STAFF)
    is_staff = models.BooleanField(_("may open Django admin"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    sealed_email = models.TextField(_("e-mail address for notices, sealed"), blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "username"

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = [
            models.CheckConstraint(
                name="patient_account_says_nothing",
                condition=models.Q(kind=UserKind.STAFF)
                | models.Q(display_name="", is_staff=False, is_superuser=False, sealed_email=""),
            )
        ]

    def __str__(self) -> str:
        return self.username

    def get_full_name(self) -> str:
        return self.display_name or self.username


class StaffRoleQuerySet(models.QuerySet["StaffRole"]):
    def at_work(self, user_id: uuid.UUID) -> Self:
        """The roles of one account in clinics that are open, in the order the clinic switcher shows them."""
        return self.filter(user_id=user_id, user__is_active=True, clinic__is_active=True).order_by(
            "clinic__code", "role"
        )


class StaffRole(models.Model):
    """One person, one clinic, one role. Several rows for who does several things."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="staff_roles", verbose_name=_("account"))
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="staff_roles", verbose_name=_("clinic"))
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)

    objects = StaffRoleQuerySet.as_manager()

    class Meta:
        verbose_name = _("role in a clinic")
        verbose_name_plural = _("roles in clinics")
        constraints = [models.UniqueConstraint(fields=["user", "clinic", "role"], name="staff_role_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} @ {self.clinic_id}"


class Lasting(models.Model):
    """What holds from one moment until another, or until further notice. Every query asks for the moment; nothing has to run."""

    valid_from = models.DateTimeField(_("valid from"), default=now)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)

    class Meta:
        abstract = True


def holds_at(moment: datetime, prefix: str = "") -> models.Q:
    """What holds at a moment; `prefix` leads to it from the rows asked for, as in "teammember__"."""
    endless = models.Q(**{f"{prefix}valid_until": None})
    return models.Q(**{f"{prefix}valid_from__lte": moment}) & (
        endless | models.Q(**{f"{prefix}valid_until__gt": moment})
    )


def _ends_after_it_begins(name: str) -> models.CheckConstraint:
    later = models.Q(valid_until=None) | models.Q(valid_until__gte=models.F("valid_from"))
    return models.CheckConstraint(name=name, condition=later)


class CareTeam(Lasting):
    """People of one clinic who care for the same patients."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="teams", verbose_name=_("clinic"))
    name = models.CharField(_("name"), max_length=40)
    members: "models.ManyToManyField[User, TeamMember]" = models.ManyToManyField(
        User, through="TeamMember", related_name="teams", verbose_name=_("members")
    )

    class Meta:
        verbose_name = _("care team")
        verbose_name_plural = _("care teams")
        constraints = [
            models.UniqueConstraint(fields=["clinic", "name"], name="care_team_name_once"),
            _ends_after_it_begins("care_team_ends_after_it_begins"),
        ]

    def __str__(self) -> str:
        return self.name


class TeamMember(Lasting):
    """Somebody in a care team, from one moment until another. Whoever comes back has the same row, from then on."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    team = models.ForeignKey(CareTeam, models.CASCADE, verbose_name=_("care team"))
    user = models.ForeignKey(User, models.CASCADE, verbose_name=_("account"))

    class Meta:
        verbose_name = _("team member")
        verbose_name_plural = _("team members")
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="team_member_once"),
            _ends_after_it_begins("team_member_ends_after_it_begins"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"


class StaffAbsence(models.Model):
    """Days on which somebody is not at work in a clinic, the first and the last of them included."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("account"))
    first_on = models.DateField(_("first day"))
    last_on = models.DateField(_("last day"))

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        constraints = [
            models.CheckConstraint(
                name="absence_ends_after_it_begins", condition=models.Q(last_on__gte=models.F("first_on"))
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.first_on}/{self.last_on}"


class SpecialDay(models.Model):
    """A day on which a clinic does the other thing: closed in the week, or open at the weekend."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    day = models.DateField(_("day"))
    at_work = models.BooleanField(_("the clinic is open"), default=False)
    name = models.CharField(_("name"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("holiday or extra working day")
        verbose_name_plural = _("holidays and extra working days")
        constraints = [models.UniqueConstraint(fields=["clinic", "day"], name="special_day_once")]

    def __str__(self) -> str:
        return f"{self.day} @ {self.clinic_id}"
