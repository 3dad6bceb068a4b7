"""What the patient's sign-in remembers for a few minutes, the PIN of who shares a phone, and how an account likes to read.

Neither a phone number nor a code nor a PIN stands here in clear.
"""

from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from crypto.ids import uuid7

MOST_TRIES = 3
MOST_WRONG_PINS = 5


class SignInCodeQuerySet(models.QuerySet["SignInCode"]):
    def sent_to(self, clinic_id: UUID, phone_hash: str, *, since: datetime) -> Self:
        """Codes asked for this phone after `since`, newest first."""
        return self.filter(clinic_id=clinic_id, phone_hash=phone_hash, sent_at__gt=since).order_by("-sent_at")

    def asked_from(self, clinic_id: UUID, address_hash: str, *, since: datetime) -> Self:
        """Codes asked from this network address after `since`."""
        return self.filter(clinic_id=clinic_id, address_hash=address_hash, sent_at__gt=since)


class SignInCode(models.Model):
    """One code sent to one phone for the browser that asked, which alone can use it. A phone we do not know gets a row too, whose code nobody has: both look the same.

    It opens `user`; where several share the phone it opens nobody, and one of `sharers` says who they are by name and PIN.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    phone_hash = models.CharField(_("keyed hash of the phone"), max_length=64)
    address_hash = models.CharField(_("keyed hash of the network address"), max_length=64)
    door_hash = models.CharField(_("keyed hash of the asking browser or network"), max_length=64, default="")
    from_known = models.BooleanField(_("asked from a browser that was signed in before"), default=False)
    code_hash = models.CharField(_("keyed hash of the code"), max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+", verbose_name=_("account")
    )
    sharers = ArrayField(models.UUIDField(), verbose_name=_("accounts that share the phone"), default=list)
    sent_at = models.DateTimeField(_("sent at"))
    expires_at = models.DateTimeField(_("expires at"))
    tries = models.PositiveSmallIntegerField(_("wrong tries"), default=0)
    used_at = models.DateTimeField(_("used at"), null=True)

    objects: ClassVar[models.Manager["SignInCode"]] = SignInCodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("sign-in code")
        verbose_name_plural = _("sign-in codes")
        constraints = [
            models.CheckConstraint(name="sign_in_code_few_tries", condition=Q(tries__lte=MOST_TRIES)),
        ]
        indexes = [
            models.Index(fields=["clinic", "phone_hash", "-sent_at"], name="sign_in_code_of_phone"),
            models.Index(fields=["clinic", "address_hash", "-sent_at"], name="sign_in_code_of_address"),
            models.Index(fields=["clinic", "sent_at"], name="sign_in_code_age"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def is_open(self, at: datetime) -> bool:
        """Whether a right code would still open the door."""
        return self.used_at is None and self.tries < MOST_TRIES and at < self.expires_at

    def awaits_pin(self, at: datetime) -> bool:
        """Whether the right code was typed, and who of several people typed it is still open."""
        typed = self.used_at is not None and bool(self.sharers)
        return typed and self.tries < MOST_TRIES and at < self.expires_at


class Pin(models.Model):
    """The six digits by which somebody who shares a phone is told apart, after the code. Only their Argon2 hash is kept."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="+",
        verbose_name=_("account"),
    )
    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="+", verbose_name=_("clinic"))
    pin_hash = models.CharField(_("Argon2 hash of the PIN"), max_length=128)
    tries = models.PositiveSmallIntegerField(_("wrong tries"), default=0)
    set_at = models.DateTimeField(_("set at"))

    class Meta:
        verbose_name = _("PIN")
        verbose_name_plural = _("PINs")
        constraints = [
            models.CheckConstraint(name="pin_few_tries", condition=Q(tries__lte=MOST_WRONG_PINS)),
        ]

    def __str__(self) -> str:
        return f"PIN of {self.user_id}"

    @property
    def is_shut(self) -> bool:
        """Whether it opens nothing any more: it was typed wrong five times running."""
        return self.tries >= MOST_WRONG_PINS


class ReadingMode(models.Model):
    """Whether an account reads in the elder mode. An account that never chose has no row."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="+",
        verbose_name=_("account"),
    )
    elder = models.BooleanField(_("elder mode"))

    class Meta:
        verbose_name = _("reading mode")
        verbose_name_plural = _("reading modes")

    def __str__(self) -> str:
        return f"reading mode of {self.user_id}"
