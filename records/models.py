"""Reports and what they measured. Values are sealed; codes and flags of level 4 stand in clear, level 5 is sealed whole."""

from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from crypto.fields import Scope, SealedJSON
from crypto.ids import uuid7
from crypto.managers import SealedQuerySet
from crypto.models import SealedModel
from patients.models import Patient
from records.choices import Cause, Flag


class ExamReport(SealedModel):
    """One report: what was measured on one occasion, as one sender told it.

    `source_key` is a keyed digest of the sender and the sender's own number. It finds the report again when the same file
    comes twice, and says nothing once the patient's key is gone. `summary` holds the sender, who may have written a name
    there, and counts that include items sealed whole.
    """

    clinic = models.ForeignKey(
        Clinic, models.PROTECT, db_index=False, related_name="+", verbose_name=_("clinic")
    )
    patient = models.ForeignKey(
        Patient, models.CASCADE, db_index=False, related_name="exam_reports", verbose_name=_("patient")
    )
    source_key = models.CharField(_("digest of the sender's number"), max_length=64, editable=False)
    taken_at = models.DateTimeField(_("taken at"))
    filed_at = models.DateTimeField(_("filed at"))
    observation_count = models.PositiveIntegerField(_("results"))
    summary = SealedJSON(
        _("summary"), aad_name="exam_report.summary", scope=Scope.RECORD, field_set="clinical"
    )

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "source_key"], name="exam_report_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["patient", "-taken_at"], name="exam_report_of_patient")]

    def __str__(self) -> str:
        return f"report {self.pk}"


class ObservationQuerySet(SealedQuerySet["Observation"]):
    def of(self, patient_id: UUID) -> Self:
        """Everything measured on one patient, newest first."""
        return self.filter(patient_id=patient_id).order_by("-taken_at", "-pk")

    def critical(self) -> Self:
        """Values whose flag says that somebody must act. Items sealed whole are not among them."""
        return self.filter(flag__in=[Flag.CRITICAL_LOW, Flag.CRITICAL_HIGH])


class Observation(SealedModel):
    """One result. `indicator` and `flag` are empty where the item is uncatalogued or sealed whole: the row does not tell which.

    `detail` is a `records.readings.Reading`: the value, what was printed, its code, and the range in force at the time.
    """

    clinic = models.ForeignKey(
        Clinic, models.PROTECT, db_index=False, related_name="+", verbose_name=_("clinic")
    )
    patient = models.ForeignKey(
        Patient, models.CASCADE, db_index=False, related_name="observations", verbose_name=_("patient")
    )
    report = models.ForeignKey(
        ExamReport, models.CASCADE, db_index=False, related_name="observations", verbose_name=_("report")
    )
    source_key = models.CharField(_("digest of the sender's number"), max_length=64, editable=False)
    indicator = models.CharField(_("item"), max_length=32, blank=True)
    flag = models.CharField(_("flag"), max_length=16, choices=Flag.choices, blank=True)
    taken_at = models.DateTimeField(_("taken at"))
    detail = SealedJSON(_("result"), aad_name="observation.detail", scope=Scope.RECORD, field_set="clinical")

    objects: ClassVar[Any] = models.Manager.from_queryset(ObservationQuerySet)()

    class Meta:
        verbose_name = _("result")
        verbose_name_plural = _("results")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["report", "source_key"], name="observation_once"),
            models.CheckConstraint(name="observation_flag_known", condition=Q(flag__in=["", *Flag.values])),
            models.CheckConstraint(
                name="observation_flag_of_an_item",
                condition=Q(indicator="", flag="") | (~Q(indicator="") & ~Q(flag="")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["patient", "-taken_at"], name="observation_of_patient"),
            models.Index(fields=["patient", "indicator", "-taken_at"], name="observation_of_indicator"),
        ]

    def __str__(self) -> str:
        return f"result {self.pk}"


class RecordsChange(models.Model):
    """News for whoever stands above: facts about this patient changed. The follow-up loop fetches and deletes the row."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="+", verbose_name=_("patient"))
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices)
    at = models.DateTimeField(_("at"))

    class Meta:
        db_table = "records_change"
        verbose_name = _("change of a record")
        verbose_name_plural = _("changes of records")
        constraints: ClassVar = [
            models.CheckConstraint(name="records_change_cause_known", condition=Q(cause__in=Cause.values))
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "at"], name="records_change_oldest")]

    def __str__(self) -> str:
        return f"{self.cause} of {self.patient_id}"
