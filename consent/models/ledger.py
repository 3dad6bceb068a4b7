"""The ledger of permissions: what was shown, what was said, and where each permission stands.

`ConsentEvent` is the truth and only ever grows. `ConsentState` is the lock that orders writers against users of a
permission, and a preview for lists and counts; it equals the fold of its events.
"""

from typing import Any

from django.db import models
from django.db.models import Func
from django.db.models.functions import Concat, Now
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from consent.choices import (
    ANY_CHANNEL,
    SELF_RECIPIENT,
    EventKind,
    ExpressedBy,
    GivenThrough,
    LegalBasis,
    Method,
    Operation,
    StartedBy,
    State,
)
from crypto.fields import Scope, SealedText
from crypto.ids import uuid7
from crypto.models import SealedModel
from patients.models import Patient

KEY = ("subject_id", "purpose", "data_category", "recipient", "operation", "channel")


WORDS = ("purpose", "data_category", "operation", "channel", "recipient")


def hash_of(*words: Any) -> Func:
    """The number that `ConsentState.permission_hash` is for a permission of these `WORDS`: columns by name, or values.

    64 bits of PostgreSQL's own hash. The recipient is last, because it alone is no word of the house.
    """
    joined = Concat(words[0], *(part for word in words[1:] for part in (models.Value("/"), word)))
    return Func(joined, 0, function="hashtextextended", output_field=models.BigIntegerField())


class ConsentNotice(models.Model):
    """One version of one notice in one language, word for word as this clinic's patients are shown it. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    code = models.SlugField(_("purpose"), max_length=32)
    version = models.PositiveSmallIntegerField(_("version"))
    locale = models.CharField(_("language"), max_length=10)
    body = models.TextField(_("text"))
    body_sha256 = models.BinaryField(_("fingerprint"), max_length=32)
    items = models.JSONField(_("items"))
    material_change = models.BooleanField(_("asks everybody again"), default=False)
    assessment = models.CharField(_("impact assessment"), max_length=64, blank=True)
    effective_from = models.DateField(_("in force from"))
    published_at = models.DateTimeField(_("published at"))

    class Meta:
        db_table = "consent_notice"
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            models.UniqueConstraint(
                fields=["clinic", "code", "version", "locale"], name="consent_notice_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version} {self.locale}"

    @property
    def title(self) -> str:
        """The first line of the text."""
        return self.body.partition("\n")[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the text, in hex: a receipt names it."""
        return bytes(self.body_sha256).hex()


class ConsentEvent(SealedModel):
    """One line of the ledger: one purpose, one kind of data, one recipient, one operation, one channel."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    purpose = models.CharField(_("purpose"), max_length=24)
    data_category = models.CharField(_("kind of data"), max_length=16)
    recipient = models.CharField(_("recipient"), max_length=64, default=SELF_RECIPIENT)
    operation = models.CharField(
        _("operation"), max_length=16, choices=Operation.choices, default=Operation.USE
    )
    channel = models.CharField(_("channel"), max_length=16, default=ANY_CHANNEL)
    version = models.PositiveBigIntegerField(_("number in its ledger"))
    event = models.CharField(_("event"), max_length=12, choices=EventKind.choices)
    legal_basis = models.CharField(_("legal basis"), max_length=12, choices=LegalBasis.choices)
    notice = models.ForeignKey(
        ConsentNotice, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("notice")
    )
    notice_version = models.PositiveSmallIntegerField(_("notice version"), default=0)
    notice_sha256 = models.BinaryField(_("notice fingerprint"), max_length=32, null=True, blank=True)
    locale = models.CharField(_("language"), max_length=10, blank=True)
    valid_from = models.DateTimeField(_("valid from"))
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    expressed_by = models.CharField(_("expressed by"), max_length=10, choices=ExpressedBy.choices)
    started_by = models.CharField(_("started by"), max_length=8, choices=StartedBy.choices)
    method = models.CharField(_("method"), max_length=20, choices=Method.choices, blank=True)
    given_through = models.CharField(_("given through"), max_length=8, choices=GivenThrough.choices)
    evidence = SealedText(
        _("evidence"), aad_name="consent.evidence", scope=Scope.RECORD, field_set="identity", null=True
    )
    evidence_file = models.UUIDField(_("signature or scan"), null=True, blank=True)
    actor_ref = models.CharField(_("recorded by"), max_length=80)
    prev_id = models.UUIDField(_("event before"), null=True, blank=True)
    idem_key = models.CharField(_("repeat key"), max_length=200)
    occurred_at = models.DateTimeField(_("said at"))
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "consent_event"
        verbose_name = _("consent event")
        verbose_name_plural = _("consent events")
        constraints = [
            models.UniqueConstraint(fields=["clinic", "idem_key"], name="consent_event_repeats_nothing"),
            models.UniqueConstraint(
                fields=[*KEY, "version"],
                include=["event", "valid_from", "valid_until", "notice_version", "occurred_at", "id"],
                name="consent_event_in_order",
            ),
            models.CheckConstraint(
                name="consent_event_yes_has_a_notice",
                condition=~models.Q(event__in=[EventKind.GRANTED, EventKind.RENEWED])
                | models.Q(notice__isnull=False),
            ),
            models.CheckConstraint(
                name="consent_event_term_runs_forward",
                condition=models.Q(valid_until__isnull=True)
                | models.Q(valid_until__gt=models.F("valid_from")),
            ),
        ]
        indexes = [models.Index(fields=["patient", "-occurred_at"], name="consent_event_history")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.event} {self.id}"


class ConsentState(models.Model):
    """Where one permission stands: the row everybody locks who changes it or starts something that rests on it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", verbose_name=_("patient"))
    subject_id = models.UUIDField(_("subject"))
    purpose = models.CharField(_("purpose"), max_length=24)
    data_category = models.CharField(_("kind of data"), max_length=16)
    recipient = models.CharField(_("recipient"), max_length=64, default=SELF_RECIPIENT)
    operation = models.CharField(
        _("operation"), max_length=16, choices=Operation.choices, default=Operation.USE
    )
    channel = models.CharField(_("channel"), max_length=16, default=ANY_CHANNEL)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.UNKNOWN)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    notice_version = models.PositiveSmallIntegerField(_("notice version"), default=0)
    decided_at = models.DateTimeField(_("last word at"), null=True, blank=True)
    last_event_id = models.UUIDField(_("last event"), null=True, blank=True)
    version = models.PositiveBigIntegerField(_("events so far"), default=0)
    # A list walks an index by one number for each person, not by five words. It decides nothing: the gate reads the words.
    permission_hash = models.GeneratedField(
        expression=hash_of(*WORDS),
        output_field=models.BigIntegerField(),
        db_persist=True,
        verbose_name=_("permission in one number"),
    )

    class Meta:
        db_table = "consent_state"
        verbose_name = _("standing permission")
        verbose_name_plural = _("standing permissions")
        constraints = [models.UniqueConstraint(fields=list(KEY), name="consent_state_once")]
        indexes = [
            models.Index(fields=["patient", "purpose"], name="consent_state_of_patient"),
            models.Index(
                fields=["clinic", "permission_hash", "patient"],
                include=["valid_from", "valid_until", "notice_version"],
                name="consent_state_permits",
                condition=models.Q(state=State.GRANTED),
            ),
            models.Index(
                fields=["clinic", "permission_hash", "patient"],
                name="consent_state_denies",
                condition=models.Q(state__in=[State.REFUSED, State.WITHDRAWN]),
            ),
            models.Index(
                fields=["patient"],
                name="consent_state_of_two_cards",
                condition=~models.Q(subject_id=models.F("patient_id")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.state} {self.id}"


class ConfirmationCode(models.Model):
    """A one-time code by which a person confirms, with the phone in their hand, what the desk has ticked for them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="+", verbose_name=_("patient"))
    code_mac = models.BinaryField(_("code"), max_length=32)
    tries = models.PositiveSmallIntegerField(_("wrong tries"), default=0)
    sent_at = models.DateTimeField(_("sent at"))
    expires_at = models.DateTimeField(_("expires at"))
    used_at = models.DateTimeField(_("used at"), null=True, blank=True)

    class Meta:
        db_table = "consent_code"
        verbose_name = _("confirmation code")
        verbose_name_plural = _("confirmation codes")
        indexes = [models.Index(fields=["patient", "-sent_at"], name="consent_code_newest")]

    def __str__(self) -> str:
        return f"code {self.id}"
