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
from clinics.scopes import ApiScope, words_of
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
    INTEGRATION = "integration", _("Integration")


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

    def create_integration_account(self, name: str) -> "User":
        """An account nobody signs in with. `name` is what the program is called: a laboratory, an appointment desk."""
        return self.create_user(
            f"integration-{uuid.uuid4().hex}", kind=UserKind.INTEGRATION, display_name=name
        )


class User(AbstractBaseUser, PermissionsMixin):
    """Whoever signs in. Staff have a name to show; a patient's account has none; an integration only ever has tokens."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = models.CharField(_("user name"), max_length=64, unique=True)
    display_name = models.CharField(_("name"), max_length=40, blank=True)
    kind = models.CharField(_("kind"), max_length=11, choices=UserKind.choices, default=UserKind.STAFF)
    is_staff = models.BooleanField(_("may open Django admin"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    sealed_email = models.TextField(_("e-mail address for notices, sealed"), blank=True, editable=False)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "username"
    # Read with the account of a session (`AccountBackend`); None where nobody asked.
    known_roles: "list[StaffRole] | None" = None

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = [
            models.CheckConstraint(
                name="patient_account_says_nothing",
                condition=models.Q(kind=UserKind.STAFF)
                | models.Q(kind=UserKind.INTEGRATION)
                | models.Q(display_name="", is_staff=False, is_superuser=False, sealed_email=""),
            ),
            models.CheckConstraint(
                name="integration_opens_no_admin",
                condition=~models.Q(kind=UserKind.INTEGRATION) | models.Q(is_staff=False, is_superuser=False),
            ),
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


class Integration(models.Model):
    """A program that works in one clinic by tokens: what it may do, for which purposes, and which values open for it.

    `scopes`, `purposes` and `field_sets` are words of fixed lists with a space between. Whom it sees is decided as for
    everybody: by the care teams it is in and the charts it was granted.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.PROTECT, related_name="integration", verbose_name=_("account"))
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="integrations", verbose_name=_("clinic"))
    scopes = models.CharField(_("may"), max_length=255)
    purposes = models.CharField(_("for"), max_length=255)
    field_sets = models.CharField(_("opens"), max_length=255, blank=True)
    made_at = models.DateTimeField(_("made at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("integration")
        verbose_name_plural = _("integrations")
        constraints = [
            models.CheckConstraint(
                name="integration_may_something_for_some_purpose",
                condition=~models.Q(scopes="") & ~models.Q(purposes=""),
            )
        ]

    def __str__(self) -> str:
        return f"integration {self.pk}"

    @property
    def may(self) -> list[str]:
        """What it may, as people read it."""
        return [str(scope.label) for scope in ApiScope if scope.value in words_of(self.scopes)]


class ApiToken(models.Model):
    """What a program shows instead of a session. Only a keyed digest of it is kept; it was shown once, when it was made."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens", verbose_name=_("account"))
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    label = models.CharField(_("what it is for"), max_length=40)
    digest = models.BinaryField(_("digest"), max_length=32, unique=True)
    scopes = models.CharField(_("may"), max_length=255)
    made_at = models.DateTimeField(_("made at"))
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("made by"))
    expires_at = models.DateTimeField(_("expires at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        constraints = [
            models.CheckConstraint(name="api_token_may_something", condition=~models.Q(scopes="")),
            models.CheckConstraint(
                name="api_token_expires", condition=models.Q(expires_at__gt=models.F("made_at"))
            ),
        ]
        indexes = [models.Index(fields=["user", "-made_at"], name="api_token_of_account")]

    def __str__(self) -> str:
        return f"token {self.pk}"

    @property
    def scope_set(self) -> frozenset[str]:
        return words_of(self.scopes)

    @property
    def may(self) -> list[str]:
        """What it may, as people read it."""
        return [str(scope.label) for scope in ApiScope if scope.value in self.scope_set]


class ApiTokenUse(models.Model):
    """When a token last opened the door, to some minutes: beside the token, whose own row is watched by the log."""

    token = models.OneToOneField(ApiToken, models.CASCADE, primary_key=True, related_name="use")
    last_used_at = models.DateTimeField(_("last used at"))

    class Meta:
        verbose_name = _("use of a token")
        verbose_name_plural = _("uses of tokens")

    def __str__(self) -> str:
        return f"use of {self.token_id}"


class ApiRepeat(models.Model):
    """A deed done over the API under a repeat key, for a day: the same request again finds what it had made.

    Keys and bodies are kept as keyed digests; `made` names what came of it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    key_digest = models.BinaryField(_("repeat key"), max_length=32)
    body_digest = models.BinaryField(_("request"), max_length=32)
    made = models.UUIDField(_("what was made"), null=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("repeat key")
        verbose_name_plural = _("repeat keys")
        constraints = [models.UniqueConstraint(fields=["clinic", "key_digest"], name="api_repeat_once")]

    def __str__(self) -> str:
        return f"repeat {self.pk}"
