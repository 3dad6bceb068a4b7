"""What happens next: pathways a patient is on, to-dos for people, reminders for the patient, and tries to send them.

Each to-do and each message exists once, by a unique identity, whatever crashes. A message's text is never stored.
"""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from clinics.models import CareTeam, Clinic
from crypto.fields import Scope, SealedJSON, SealedText
from crypto.ids import uuid7
from crypto.models import SealedModel
from followups.choices import (
    AttemptOutcome,
    CancelReason,
    Channel,
    EnrolmentState,
    FollowUpState,
    MessageState,
    Outcome,
    Urgency,
)
from patients.models import Patient

RUNNING = (EnrolmentState.ACTIVE, EnrolmentState.PAUSED)
PENDING = (FollowUpState.OPEN, FollowUpState.WAITING)


class Enrolment(SealedModel):
    """A patient on one version of one pathway, and what put them there: `cause` names it, `why` holds the values, sealed."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="enrolments", verbose_name=_("patient"))
    pathway = models.SlugField(_("pathway"), max_length=40)
    version = models.PositiveSmallIntegerField(_("version"))
    cause = models.CharField(_("cause"), max_length=80, help_text=_("The tag or report that led here."))
    why = SealedJSON(_("why"), aad_name="enrolment.why", scope=Scope.RECORD, field_set="clinical", null=True)
    one_at_a_time = models.BooleanField(_("one at a time"), default=True)
    state = models.CharField(
        _("state"), max_length=8, choices=EnrolmentState.choices, default=EnrolmentState.ACTIVE
    )
    started_at = models.DateTimeField(_("started at"))
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        db_table = "followups_enrolment"
        verbose_name = _("enrolment")
        verbose_name_plural = _("enrolments")
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "pathway", "cause"], name="enrolment_one_for_each_cause"
            ),
            models.UniqueConstraint(
                fields=["patient", "pathway"],
                condition=models.Q(state__in=RUNNING, one_at_a_time=True),
                name="enrolment_runs_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pathway} v{self.version} {self.id}"


class FollowUp(SealedModel):
    """One thing for one person of the clinic to do. Its identity is the enrolment, the step and the occurrence."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="follow_ups", verbose_name=_("patient"))
    enrolment = models.ForeignKey(
        Enrolment, models.PROTECT, related_name="follow_ups", verbose_name=_("enrolment")
    )
    step = models.SlugField(_("step"), max_length=40)
    occurrence = models.PositiveSmallIntegerField(_("occurrence"), default=1)
    urgency = models.CharField(_("urgency"), max_length=8, choices=Urgency.choices, default=Urgency.ROUTINE)
    state = models.CharField(
        _("state"), max_length=9, choices=FollowUpState.choices, default=FollowUpState.OPEN
    )
    opened_at = models.DateTimeField(_("begun at"))
    due_on = models.DateField(_("due on"), null=True, blank=True)
    due_at = models.DateTimeField(_("clock ends at"), null=True, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("assigned to"),
    )
    team = models.ForeignKey(
        CareTeam, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("care team")
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    last_try_at = models.DateTimeField(_("last try at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices, blank=True)
    read_back = models.BooleanField(_("read back"), null=True, blank=True)
    note = SealedText(
        _("note"), aad_name="followup.note", scope=Scope.RECORD, field_set="clinical", null=True
    )
    cancel_reason = models.CharField(
        _("cancelled because"), max_length=16, choices=CancelReason.choices, blank=True
    )
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    closed_by = models.CharField(_("closed by"), max_length=80, blank=True)

    class Meta:
        db_table = "followups_followup"
        verbose_name = _("to-do")
        verbose_name_plural = _("to-dos")
        constraints = [
            models.UniqueConstraint(fields=["enrolment", "step", "occurrence"], name="follow_up_exists_once"),
            models.CheckConstraint(
                name="follow_up_closed_when_it_ends",
                condition=models.Q(state__in=PENDING, closed_at__isnull=True)
                | models.Q(state=FollowUpState.DONE, closed_at__isnull=False) & ~models.Q(outcome="")
                | models.Q(state=FollowUpState.CANCELLED, closed_at__isnull=False)
                & ~models.Q(cancel_reason=""),
            ),
            models.CheckConstraint(
                name="follow_up_class_a_has_a_clock",
                condition=~models.Q(urgency=Urgency.CLASS_A) | models.Q(due_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["clinic", "due_on", "id"],
                condition=models.Q(state__in=PENDING),
                name="follow_up_pending",
            ),
            models.Index(fields=["patient", "due_on"], name="follow_up_of_patient"),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.state} {self.id}"


class Message(models.Model):
    """A reminder to the patient. Its identity is the to-do, the template, the offset in days and the channel."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="messages", verbose_name=_("patient"))
    follow_up = models.ForeignKey(FollowUp, models.PROTECT, related_name="messages", verbose_name=_("to-do"))
    template = models.SlugField(_("template"), max_length=40)
    template_version = models.PositiveSmallIntegerField(_("template version"))
    offset_days = models.SmallIntegerField(_("days after the due day"))
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    purpose = models.CharField(_("purpose"), max_length=24)
    due_at = models.DateTimeField(_("due at"))
    state = models.CharField(
        _("state"), max_length=9, choices=MessageState.choices, default=MessageState.PLANNED
    )
    cancel_reason = models.CharField(
        _("cancelled because"), max_length=16, choices=CancelReason.choices, blank=True
    )
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        db_table = "followups_message"
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(
                fields=["follow_up", "template", "offset_days", "channel"], name="message_exists_once"
            ),
            models.CheckConstraint(
                name="message_settled_when_it_ends",
                condition=models.Q(
                    state__in=[MessageState.PLANNED, MessageState.QUEUED, MessageState.SENDING],
                    settled_at__isnull=True,
                )
                | models.Q(state__in=[MessageState.SENT, MessageState.FAILED], settled_at__isnull=False)
                | models.Q(state=MessageState.CANCELLED, settled_at__isnull=False)
                & ~models.Q(cancel_reason=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["clinic", "due_at", "id"],
                condition=models.Q(state=MessageState.PLANNED),
                name="message_planned",
            ),
            models.Index(fields=["patient", "settled_at"], name="message_of_patient"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.state} {self.id}"


class Outbox(models.Model):
    """A message handed over for sending; gone when its fate is known. The key lets the carrier refuse a repeat."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    message = models.OneToOneField(Message, models.PROTECT, related_name="outbox", verbose_name=_("message"))
    idem_key = models.CharField(_("repeat key"), max_length=80)
    not_before = models.DateTimeField(_("not before"))
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)

    class Meta:
        db_table = "followups_outbox"
        verbose_name = _("outbox entry")
        verbose_name_plural = _("outbox entries")
        constraints = [models.UniqueConstraint(fields=["clinic", "idem_key"], name="outbox_repeats_nothing")]
        indexes = [models.Index(fields=["clinic", "not_before", "id"], name="outbox_next")]

    def __str__(self) -> str:
        return f"outbox {self.id}"


class Attempt(models.Model):
    """One try to send. A send has started when this row is committed; past the deadline it is given up unsent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    message = models.ForeignKey(Message, models.PROTECT, related_name="attempts", verbose_name=_("message"))
    number = models.PositiveSmallIntegerField(_("number"))
    decision = models.UUIDField(_("permitted by"), null=True)
    started_at = models.DateTimeField(_("started at"))
    deadline = models.DateTimeField(_("deadline"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=AttemptOutcome.choices, blank=True)

    class Meta:
        db_table = "followups_attempt"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            models.UniqueConstraint(fields=["message", "number"], name="attempt_in_order"),
            models.CheckConstraint(
                name="attempt_finished_with_an_outcome",
                condition=models.Q(finished_at__isnull=True, outcome="")
                | models.Q(finished_at__isnull=False) & ~models.Q(outcome=""),
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} {self.id}"
