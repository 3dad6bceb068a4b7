"""Marks on a chart and why they are there."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from audit.registry import audited
from clinics.models import Clinic
from crypto.fields import Scope, SealedJSON
from crypto.ids import uuid7
from crypto.models import SealedModel
from patients.choices import TagLevel, TagSource
from patients.models.patient import Patient


class Tag(models.Model):
    """What a mark means. Shared by the chain: it says nothing about anybody.

    Tags of high sensitivity have no row here, because their first use would then show in clear.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(_("code"), max_length=64, unique=True)
    name_zh = models.CharField(_("Chinese name"), max_length=40)
    name_en = models.CharField(_("English name"), max_length=80)
    group = models.CharField(_("group"), max_length=40)
    level = models.CharField(_("level"), max_length=8, choices=TagLevel.choices)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints: ClassVar = [
            models.CheckConstraint(name="tag_level_known", condition=Q(level__in=TagLevel.values))
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def name(self) -> str:
        """The name in the reader's language."""
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


@audited
class PatientTag(SealedModel):
    """A mark on one chart. Without a `tag` it is sealed whole: code, level and names stand in the sealed reason."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="tags", verbose_name=_("patient"))
    tag = models.ForeignKey(
        Tag, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("tag")
    )
    source = models.CharField(_("source"), max_length=6, choices=TagSource.choices)
    rule_version = models.CharField(_("version of the rule"), max_length=32, blank=True)
    reason = SealedJSON(_("reason"), aad_name="patient_tag.reason", scope=Scope.RECORD, field_set="clinical")
    set_at = models.DateTimeField(_("set at"))
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("set by"),
    )
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("tag of a patient")
        verbose_name_plural = _("tags of patients")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["patient", "tag"], condition=Q(ended_at=None), name="patient_tag_once"
            ),
            models.CheckConstraint(
                name="patient_tag_ends_after_it_is_set",
                condition=Q(ended_at=None) | Q(ended_at__gte=F("set_at")),
            ),
            models.CheckConstraint(name="patient_tag_source_known", condition=Q(source__in=TagSource.values)),
            models.CheckConstraint(
                name="patient_tag_by_rule_names_its_version",
                condition=~Q(source=TagSource.RULE) | ~Q(rule_version=""),
            ),
        ]

    def __str__(self) -> str:
        return f"tag of {self.patient_id}"
