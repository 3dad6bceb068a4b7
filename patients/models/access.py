"""Who may see whom: care relationships, single grants, portal access, and the flat table lists are read from."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from audit.registry import audited
from clinics.models import CareTeam, Clinic
from crypto.fields import Scope, SealedText
from crypto.ids import uuid7
from crypto.models import SealedModel
from patients.choices import (
    ONE_AT_A_TIME,
    CareRole,
    GlassFinding,
    GlassReason,
    GrantReason,
    PortalRelation,
    Telling,
)
from patients.models.patient import Patient


@audited
class CareRelationship(models.Model):
    """A member of staff or a care team looks after a patient from one moment until another."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(
        Patient, models.CASCADE, related_name="care_relationships", verbose_name=_("patient")
    )
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("staff"),
    )
    team = models.ForeignKey(
        CareTeam, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("care team")
    )
    role = models.CharField(_("role"), max_length=12, choices=CareRole.choices)
    valid_from = models.DateTimeField(_("valid from"))
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)

    class Meta:
        verbose_name = _("care relationship")
        verbose_name_plural = _("care relationships")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="care_of_a_person_or_a_team",
                condition=Q(staff=None, team__isnull=False) | Q(staff__isnull=False, team=None),
            ),
            models.CheckConstraint(
                name="care_ends_after_it_begins",
                condition=Q(valid_until=None) | Q(valid_until__gt=F("valid_from")),
            ),
            models.CheckConstraint(name="care_role_known", condition=Q(role__in=CareRole.values)),
            models.UniqueConstraint(
                fields=["patient", "staff", "team", "role"],
                condition=Q(valid_until=None),
                name="care_relationship_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["patient", "role"],
                condition=Q(valid_until=None, role__in=ONE_AT_A_TIME),
                name="care_by_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.patient_id}"


class _Grant(models.Model):
    """What both kinds of single grant say beside guardian's own columns: why, by whom, until when."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(
        Clinic, models.PROTECT, related_name="+", editable=False, verbose_name=_("clinic")
    )
    reason = models.CharField(_("reason"), max_length=16, choices=GrantReason.choices)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("granted by")
    )
    granted_at = models.DateTimeField(_("granted at"))
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)

    class Meta:
        abstract = True


def _grant_constraints(kind: str) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(name=f"{kind}_grant_reason_known", condition=Q(reason__in=GrantReason.values)),
        models.CheckConstraint(
            name=f"{kind}_grant_ends_after_it_begins",
            condition=Q(valid_until=None) | Q(valid_until__gt=F("granted_at")),
        ),
    ]


@audited
class PatientUserObjectPermission(_Grant, UserObjectPermissionBase):
    """One chart opened to one account outside its care relationships."""

    # not hidden: guardian finds this table through the patient's reverse names
    content_object = models.ForeignKey(
        Patient, models.CASCADE, related_name="opened_to_users", verbose_name=_("patient")
    )

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = _("chart opened to a person")
        verbose_name_plural = _("charts opened to persons")
        constraints: ClassVar = _grant_constraints("user")

    def __str__(self) -> str:
        return f"{self.user_id} sees {self.content_object_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.clinic_id = self.content_object.clinic_id
        super().save(*args, **kwargs)


@audited
class PatientGroupObjectPermission(_Grant, GroupObjectPermissionBase):
    """One chart opened to a group of accounts outside its care relationships."""

    content_object = models.ForeignKey(
        Patient, models.CASCADE, related_name="opened_to_groups", verbose_name=_("patient")
    )

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
        verbose_name = _("chart opened to a group")
        verbose_name_plural = _("charts opened to groups")
        constraints: ClassVar = _grant_constraints("group")

    def __str__(self) -> str:
        return f"group {self.group_id} sees {self.content_object_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.clinic_id = self.content_object.clinic_id
        super().save(*args, **kwargs)


@audited
class BreakGlass(SealedModel):
    """A chart opened outside its reader's care, for a reason, for four hours; the privacy officer looks at each of them.

    The person is told afterwards: `told_how` is empty until they were. Whoever reviews may open the note and nothing else of the person.
    """

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(
        Patient, models.CASCADE, related_name="emergency_openings", verbose_name=_("patient")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("account")
    )
    reason = models.CharField(_("reason"), max_length=9, choices=GlassReason.choices)
    note = SealedText(_("what happened"), aad_name="break_glass.note", scope=Scope.RECORD, field_set="log")
    opened_at = models.DateTimeField(_("opened at"))
    valid_until = models.DateTimeField(_("valid until"))
    review_due_on = models.DateField(_("to be reviewed by"))
    finding = models.CharField(_("finding"), max_length=13, choices=GlassFinding.choices, blank=True)
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("reviewed by"),
    )
    told_how = models.CharField(_("person told"), max_length=9, choices=Telling.choices, blank=True)
    told_at = models.DateTimeField(_("person told at"), null=True, blank=True)
    told_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("person told by"),
    )

    class Meta:
        verbose_name = _("emergency opening")
        verbose_name_plural = _("emergency openings")
        constraints: ClassVar = [
            models.CheckConstraint(name="glass_reason_known", condition=Q(reason__in=GlassReason.values)),
            models.CheckConstraint(
                name="glass_ends_after_it_begins", condition=Q(valid_until__gt=F("opened_at"))
            ),
            models.CheckConstraint(
                name="glass_reviewed_whole",
                condition=Q(finding="", reviewed_at=None, reviewed_by=None)
                | Q(finding__in=GlassFinding.values, reviewed_at__isnull=False, reviewed_by__isnull=False),
            ),
            models.CheckConstraint(
                name="glass_told_whole",
                condition=Q(told_how="", told_at=None, told_by=None)
                | Q(told_how__in=Telling.values, told_at__isnull=False, told_by__isnull=False),
            ),
            models.CheckConstraint(
                name="glass_reviewed_by_another", condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("user"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["clinic", "review_due_on"], condition=Q(finding=""), name="glass_to_review"),
            models.Index(fields=["patient", "opened_at"], condition=Q(told_how=""), name="glass_to_tell"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.opened_at:%Y-%m-%d %H:%M}"


class AccessSource(models.IntegerChoices):
    CARE = 1, _("Care relationship")
    USER_GRANT = 2, _("Opened to a person")
    GROUP_GRANT = 3, _("Opened to a group")
    GLASS = 4, _("Opened in an emergency")


class PatientAccess(models.Model):
    """Every right to see, flat and in the order lists are read. Triggers keep it; the application only reads it.

    `grantee` is the id of an account or a care team, or a group's number as a UUID. Who is in a team or a group is
    never copied in: the query reads it, so that leaving a team acts at once.
    """

    pk = models.CompositePrimaryKey("clinic_id", "grantee", "created_at", "patient_id", "source", "source_id")
    clinic = models.ForeignKey(
        Clinic, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    grantee = models.UUIDField()
    created_at = models.DateTimeField()
    patient = models.ForeignKey(
        Patient, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    source = models.PositiveSmallIntegerField(choices=AccessSource.choices)
    source_id = models.UUIDField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()

    class Meta:
        db_table = "patient_access"
        verbose_name = _("right to see a patient")
        verbose_name_plural = _("rights to see patients")
        indexes: ClassVar = [
            models.Index(fields=["patient", "grantee"], name="patient_access_patient"),
            models.Index(
                fields=["clinic", "created_at", "patient"],
                include=["grantee", "valid_from", "valid_until"],
                name="patient_access_newest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grantee} sees {self.patient_id}"


@audited
class PortalAccess(models.Model):
    """Whose chart a portal account may see: its own, or another person's as proxy or guardian."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="portal_access", verbose_name=_("account")
    )
    patient = models.ForeignKey(
        Patient, models.CASCADE, related_name="portal_access", verbose_name=_("patient")
    )
    relation = models.CharField(_("relation"), max_length=8, choices=PortalRelation.choices)
    given_at = models.DateTimeField(_("given at"))
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)

    class Meta:
        verbose_name = _("portal access")
        verbose_name_plural = _("portal access")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "patient"], name="portal_access_once"),
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(relation=PortalRelation.SELF),
                name="portal_access_of_oneself_once",
            ),
            models.CheckConstraint(
                name="portal_relation_known", condition=Q(relation__in=PortalRelation.values)
            ),
            models.CheckConstraint(
                name="portal_access_ends_after_it_begins",
                condition=Q(valid_until=None) | Q(valid_until__gt=F("given_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.relation} of {self.patient_id}"
