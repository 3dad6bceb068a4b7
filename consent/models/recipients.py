"""Who outside gets data: who they are and under which agreement, what was given to them, and what was weighed before."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from consent.choices import Operation, RecipientRole
from consent.models.ledger import ConsentEvent
from crypto.ids import uuid7
from patients.models import Patient

HOME = "CN"


class ImpactAssessment(models.Model):
    """What was weighed before purposes are asked for (PIPL arts. 55, 56). It only grows: a second look is a new one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    number = models.CharField(_("number"), max_length=32)
    purposes = ArrayField(models.CharField(max_length=24), verbose_name=_("purposes"))
    necessity = models.TextField(_("whether it is lawful, justified and necessary"))
    impact = models.TextField(_("what it means for people, and the risks"))
    measures = models.TextField(_("whether the measures fit the risks"))
    written_by = models.CharField(_("written by"), max_length=80)
    written_at = models.DateTimeField(_("written at"))

    class Meta:
        db_table = "consent_assessment"
        verbose_name = _("impact assessment")
        verbose_name_plural = _("impact assessments")
        constraints = [
            models.UniqueConstraint(fields=["clinic", "number"], name="consent_assessment_once"),
        ]

    def __str__(self) -> str:
        return self.number


class AssessmentApproval(models.Model):
    """That somebody other than its author approved an assessment, until the day it is looked at again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    assessment = models.OneToOneField(
        ImpactAssessment, models.PROTECT, related_name="approval", verbose_name=_("impact assessment")
    )
    approved_by = models.CharField(_("approved by"), max_length=80)
    approved_at = models.DateTimeField(_("approved at"))
    review_on = models.DateField(_("to be reviewed on"))

    class Meta:
        db_table = "consent_assessment_approval"
        verbose_name = _("approval of an assessment")
        verbose_name_plural = _("approvals of assessments")

    def __str__(self) -> str:
        return f"approval of {self.assessment_id}"


class Recipient(models.Model):
    """Somebody outside who may be given data: for which purposes and kinds of data, under which agreement, until when."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    code = models.SlugField(_("code"), max_length=32)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind of recipient"), max_length=16)
    role = models.CharField(_("what they are in law"), max_length=9, choices=RecipientRole.choices)
    contact = models.CharField(_("contact"), max_length=200)
    country = models.CharField(_("country"), max_length=2, default=HOME)
    route = models.CharField(
        _("legal route abroad"), max_length=40, blank=True, help_text=_("PIPL art. 38: which of the routes.")
    )
    agreement = models.CharField(_("agreement"), max_length=64)
    assessment = models.ForeignKey(
        ImpactAssessment, models.PROTECT, related_name="+", verbose_name=_("impact assessment")
    )
    purposes = ArrayField(models.CharField(max_length=24), verbose_name=_("purposes"))
    data_categories = ArrayField(models.CharField(max_length=16), verbose_name=_("kinds of data"))
    may_pass_on = models.BooleanField(_("may pass it on"), default=False)
    begins_on = models.DateField(_("agreement begins"))
    ends_on = models.DateField(_("agreement ends"))
    review_on = models.DateField(_("to be reviewed on"))
    cut_off_at = models.DateTimeField(_("cut off at"), null=True, blank=True)

    class Meta:
        db_table = "consent_recipient"
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints = [
            models.UniqueConstraint(fields=["clinic", "code"], name="consent_recipient_once"),
            models.CheckConstraint(
                name="consent_recipient_term_runs_forward", condition=Q(ends_on__gt=F("begins_on"))
            ),
            models.CheckConstraint(
                name="consent_recipient_abroad_has_a_route", condition=Q(country=HOME) | ~Q(route="")
            ),
            models.CheckConstraint(
                name="consent_recipient_passes_nothing_on", condition=Q(may_pass_on=False)
            ),
            models.CheckConstraint(name="consent_recipient_has_an_agreement", condition=~Q(agreement="")),
        ]

    def __str__(self) -> str:
        return self.code


class Disclosure(models.Model):
    """That something about a person was given to a recipient: the sharing log, by ids alone. Kept for three years and longer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    recipient = models.ForeignKey(
        Recipient, models.PROTECT, related_name="disclosures", verbose_name=_("recipient")
    )
    purpose = models.CharField(_("purpose"), max_length=24)
    operation = models.CharField(_("operation"), max_length=16, choices=Operation.choices)
    data_categories = ArrayField(models.CharField(max_length=16), verbose_name=_("kinds of data"))
    what = models.CharField(_("what was given"), max_length=64)
    decision = models.ForeignKey(
        ConsentEvent,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("permitted by"),
        help_text=_("Empty where a law is the basis."),
    )
    given_by = models.CharField(_("given by"), max_length=80)
    given_at = models.DateTimeField(_("given at"))
    recall_asked_at = models.DateTimeField(_("asked back at"), null=True, blank=True)
    recall_due_at = models.DateTimeField(_("to be back by"), null=True, blank=True)
    recalled_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)

    class Meta:
        db_table = "consent_disclosure"
        verbose_name = _("disclosure")
        verbose_name_plural = _("disclosures")
        constraints = [
            models.CheckConstraint(
                name="consent_disclosure_recalled_after_asking",
                condition=Q(recalled_at=None) | Q(recall_asked_at__isnull=False),
            ),
            models.CheckConstraint(
                name="consent_disclosure_recall_has_a_clock",
                condition=Q(recall_asked_at=None, recall_due_at=None)
                | Q(recall_asked_at__isnull=False, recall_due_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["patient", "-given_at"], name="consent_disclosure_of_patient"),
            models.Index(
                fields=["clinic", "recall_due_at"],
                condition=Q(recall_asked_at__isnull=False, recalled_at=None),
                name="consent_disclosure_to_recall",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.id}"
