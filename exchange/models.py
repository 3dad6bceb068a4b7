"""What was brought in, until somebody decides about it; what may not be destroyed; what leaves for those who check a clinic."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audit.registry import audited
from clinics.models import Clinic
from crypto.fields import Scope, SealedJSON, SealedText
from crypto.ids import uuid7
from crypto.models import SealedModel
from exchange.choices import BatchState, FileKind, PreservationReason
from patients.models import Patient


class ImportBatch(SealedModel):
    """One uploaded file. It is its own subject: its key is made for it, and what it holds is emptied with the decision.

    `outcome` is what a trial or a writing found, without names. A file's name often names a person, so it is not kept.
    """

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    kind = models.CharField(
        _("kind of file"), max_length=16, choices=FileKind.choices, default=FileKind.FHIR_R4
    )
    state = models.CharField(_("state"), max_length=12, choices=BatchState.choices)
    size = models.PositiveIntegerField(_("size in bytes"))
    uploaded_at = models.DateTimeField(_("uploaded at"))
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("uploaded by")
    )
    decided_at = models.DateTimeField(_("settled at"), null=True, blank=True)
    content = SealedText(
        _("file"), aad_name="import_batch.content", scope=Scope.IDENTITY, field_set="clinical", null=True
    )
    outcome = SealedJSON(
        _("outcome"), aad_name="import_batch.outcome", scope=Scope.RECORD, field_set="clinical", null=True
    )

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        constraints: ClassVar = [
            models.CheckConstraint(name="import_batch_state_known", condition=Q(state__in=BatchState.values)),
            models.CheckConstraint(name="import_batch_kind_known", condition=Q(kind__in=FileKind.values)),
            models.CheckConstraint(
                name="import_batch_emptied_once_decided",
                condition=Q(state=BatchState.TRIED) | Q(content__isnull=True),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "-uploaded_at"], name="import_batch_newest")]

    def __str__(self) -> str:
        return f"import {self.pk}"


@audited
class Preservation(models.Model):
    """Nothing of this person is destroyed until a day, for a reason somebody answers for. Erasing then only stores it.

    There is no free text: it would name people. A person whose record is only stored can be preserved as well.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    reason = models.CharField(_("reason"), max_length=9, choices=PreservationReason.choices)
    begun_at = models.DateTimeField(_("begun at"))
    begun_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("begun by")
    )
    until = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("ended by"),
    )

    class Meta:
        verbose_name = _("preservation")
        verbose_name_plural = _("preservations")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="preservation_reason_known", condition=Q(reason__in=PreservationReason.values)
            ),
            models.CheckConstraint(name="preservation_runs_forward", condition=Q(until__gt=F("begun_at"))),
            models.CheckConstraint(
                name="preservation_ended_whole",
                condition=Q(ended_at=None, ended_by=None) | Q(ended_at__isnull=False, ended_by__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["patient", "-until"], condition=Q(ended_at=None), name="preservation_running"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} until {self.until:%Y-%m-%d}"


class EvidencePack(models.Model):
    """What is handed to somebody who checks a clinic: one archive, built by a worker and kept for a week.

    It holds no value of a patient. `done` and `total` count entries of the log; `trouble` is the sentence of a building that failed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    asked_by = models.CharField(_("who asked"), max_length=128)
    asked_at = models.DateTimeField(_("asked at"))
    moved_at = models.DateTimeField(_("last sign of life"), null=True)
    done = models.BigIntegerField(_("entries written"), default=0)
    total = models.BigIntegerField(_("entries to write"), default=0)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    expires_at = models.DateTimeField(_("kept until"), null=True)
    size = models.BigIntegerField(_("size in bytes"), default=0)
    sha256 = models.CharField(_("checksum"), max_length=64, blank=True)
    trouble = models.CharField(_("why it failed"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("evidence pack")
        verbose_name_plural = _("evidence packs")
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="evidence_pack_one_at_a_time", fields=["clinic"], condition=Q(finished_at=None)
            )
        ]

    def __str__(self) -> str:
        return str(self.id)
