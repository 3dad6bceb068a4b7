"""How a person first comes to their own pages, without a telephone number that is theirs alone."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from crypto.ids import uuid7
from patients.models.access import PortalAccess

MOST_TRIES = 3


class PortalInvitation(models.Model):
    """A link, shown as a QR code at the desk, for somebody without a phone of their own: it signs in whoever knows the birth date.

    Whoever makes it sees the link and mostly knows the birth date, so a colleague has to confirm that the person is there. It opens
    once, within a day.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    access = models.ForeignKey(
        PortalAccess, models.CASCADE, related_name="+", verbose_name=_("portal access")
    )
    token_hash = models.CharField(_("keyed hash of the link"), max_length=64, unique=True)
    birth_hash = models.CharField(_("keyed hash of the birth date"), max_length=64)
    made_at = models.DateTimeField(_("made at"))
    made_by = models.CharField(_("made by"), max_length=80)
    confirmed_by = models.CharField(_("confirmed by"), max_length=80, blank=True)
    expires_at = models.DateTimeField(_("expires at"))
    tries = models.PositiveSmallIntegerField(_("wrong tries"), default=0)
    used_at = models.DateTimeField(_("used at"), null=True, blank=True)

    class Meta:
        verbose_name = _("portal invitation")
        verbose_name_plural = _("portal invitations")
        constraints = [
            models.CheckConstraint(name="portal_invitation_few_tries", condition=Q(tries__lte=MOST_TRIES)),
            models.CheckConstraint(
                name="portal_invitation_has_two_people", condition=~Q(confirmed_by=F("made_by"))
            ),
            models.CheckConstraint(
                name="portal_invitation_used_once_confirmed",
                condition=Q(used_at=None) | ~Q(confirmed_by=""),
            ),
        ]
        indexes = [models.Index(fields=["access", "-made_at"], name="portal_invitation_of_access")]

    def __str__(self) -> str:
        return f"invitation {self.id}"

    def is_open(self, at: datetime) -> bool:
        """Whether the right birth date would open it, once a colleague has confirmed."""
        return self.used_at is None and self.tries < MOST_TRIES and at < self.expires_at
