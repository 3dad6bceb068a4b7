"""What people ask the clinic to do with their data, with the law's clock, and how each was answered."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from consent.choices import (
    CorrectionDecision,
    GivenThrough,
    IdentityCheck,
    RefusalReason,
    RequestedBy,
    RequestKind,
    RequestState,
)
from crypto.fields import Scope, SealedText
from crypto.models import SealedModel
from patients.models import Patient


class PersonRequest(SealedModel):
    """One request of one person (PIPL arts. 44 to 50). Fifteen days to answer, an alarm at thirty.

    Nothing is done before `verified_at`. What was asked and what was answered is sealed with the person's own key.
    """

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    kind = models.CharField(_("what is asked"), max_length=14, choices=RequestKind.choices)
    state = models.CharField(
        _("state"), max_length=9, choices=RequestState.choices, default=RequestState.RECEIVED
    )
    asked_by = models.CharField(_("who asks"), max_length=8, choices=RequestedBy.choices)
    asked_through = models.CharField(_("asked through"), max_length=8, choices=GivenThrough.choices)
    words = SealedText(
        _("in their words"), aad_name="request.words", scope=Scope.RECORD, field_set="identity", null=True
    )
    asked_at = models.DateTimeField(_("asked at"))
    due_at = models.DateTimeField(_("to be answered by"))
    verified_how = models.CharField(
        _("identity checked by"), max_length=8, choices=IdentityCheck.choices, blank=True
    )
    verified_at = models.DateTimeField(_("identity checked at"), null=True, blank=True)
    verified_by = models.CharField(_("identity checked by whom"), max_length=80, blank=True)
    answer = SealedText(
        _("answer"), aad_name="request.answer", scope=Scope.RECORD, field_set="identity", null=True
    )
    refusal = models.CharField(_("refused because"), max_length=16, choices=RefusalReason.choices, blank=True)
    decided_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    decided_by = models.CharField(_("answered by"), max_length=80, blank=True)

    class Meta:
        db_table = "consent_request"
        verbose_name = _("request of a person")
        verbose_name_plural = _("requests of people")
        constraints = [
            models.CheckConstraint(
                name="consent_request_done_after_a_check",
                condition=~Q(state=RequestState.DONE) | Q(verified_at__isnull=False),
            ),
            models.CheckConstraint(
                name="consent_request_refused_with_a_reason",
                condition=Q(state=RequestState.REFUSED) & ~Q(refusal="")
                | ~Q(state=RequestState.REFUSED) & Q(refusal=""),
            ),
            models.CheckConstraint(
                name="consent_request_answered_whole",
                condition=Q(state=RequestState.RECEIVED, decided_at=None, decided_by="")
                | ~Q(state=RequestState.RECEIVED) & Q(decided_at__isnull=False) & ~Q(decided_by=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["clinic", "due_at"],
                condition=Q(state=RequestState.RECEIVED),
                name="consent_request_open",
            ),
            models.Index(fields=["patient", "-asked_at"], name="consent_request_of_patient"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state} {self.id}"


class RequestedCorrection(SealedModel):
    """One field that a person wants corrected: what stands there, what should, and what was decided about it."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    request = models.ForeignKey(
        PersonRequest, models.PROTECT, related_name="corrections", verbose_name=_("request of a person")
    )
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    field = models.CharField(_("field"), max_length=16)
    old = SealedText(
        _("what stands there"), aad_name="correction.old", scope=Scope.RECORD, field_set="identity", null=True
    )
    new = SealedText(_("what should"), aad_name="correction.new", scope=Scope.RECORD, field_set="identity")
    decision = models.CharField(_("decision"), max_length=8, choices=CorrectionDecision.choices, blank=True)
    refusal = models.CharField(_("refused because"), max_length=16, choices=RefusalReason.choices, blank=True)

    class Meta:
        db_table = "consent_correction"
        verbose_name = _("requested correction")
        verbose_name_plural = _("requested corrections")
        constraints = [
            models.UniqueConstraint(fields=["request", "field"], name="consent_correction_once"),
            models.CheckConstraint(
                name="consent_correction_refused_with_a_reason",
                condition=Q(decision=CorrectionDecision.REFUSED) & ~Q(refusal="")
                | ~Q(decision=CorrectionDecision.REFUSED) & Q(refusal=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.field} {self.decision} {self.id}"
