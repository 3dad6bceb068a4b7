"""Links by which somebody without a sign-in says that they want no more messages."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from crypto.ids import uuid7
from patients.models import Patient


class OptOutLink(models.Model):
    """The link in one message: it ends the messages of one purpose on one channel, once. Only a keyed hash of it is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="+", verbose_name=_("patient"))
    purpose = models.CharField(_("purpose"), max_length=24)
    channel = models.CharField(_("channel"), max_length=16)
    message_id = models.UUIDField(_("message"))
    token_mac = models.BinaryField(_("token"), max_length=32)
    made_at = models.DateTimeField(_("made at"))
    used_at = models.DateTimeField(_("used at"), null=True, blank=True)

    class Meta:
        db_table = "consent_opt_out"
        verbose_name = _("opt-out link")
        verbose_name_plural = _("opt-out links")
        constraints = [
            models.UniqueConstraint(fields=["clinic", "token_mac"], name="consent_opt_out_token_once"),
            models.UniqueConstraint(fields=["clinic", "message_id"], name="consent_opt_out_once_a_message"),
        ]
        indexes = [models.Index(fields=["patient", "-made_at"], name="consent_opt_out_of_patient")]

    def __str__(self) -> str:
        return f"opt-out {self.id}"
