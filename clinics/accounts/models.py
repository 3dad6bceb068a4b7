"""What is kept of an account beside its password: where it is signed in, on what, and what its owner should know."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from crypto.ids import uuid7


class SignInMethod(models.TextChoices):
    PASSWORD = "password", _("password")
    PASSKEY = "passkey", _("passkey")
    SINGLE_SIGN_ON = "single_sign_on", _("single sign-on")
    CODE = "code", _("code by text message")


class AccountSession(models.Model):
    """One living session: the index by which people see and end them. The session itself stands sealed in Django's table."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="living_sessions", verbose_name=_("account")
    )
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    device = models.CharField(_("device"), max_length=60)
    network = models.CharField(_("network"), max_length=45)
    method = models.CharField(_("signed in by"), max_length=16, choices=SignInMethod.choices)
    started_at = models.DateTimeField(_("since"))
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return f"{self.user_id} {self.device}"


class KnownDevice(models.Model):
    """A browser an account was signed in on before. The cookie holds the token, this table its hash."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="known_devices")
    token_hash = models.CharField(max_length=64)
    device = models.CharField(_("device"), max_length=60)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = _("known device")
        verbose_name_plural = _("known devices")
        constraints = [models.UniqueConstraint(fields=["user", "token_hash"], name="known_device_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.device}"


class NoticeKind(models.TextChoices):
    """What the owner of an account is told, in the words they read."""

    NEW_DEVICE = "new_device", _("Signed in on a device that is new to this account")
    FACTOR_ADDED = "factor_added", _("A second factor was added")
    FACTOR_REMOVED = "factor_removed", _("A second factor was removed")
    CODES_MADE = "codes_made", _("New recovery codes were made")
    PASSWORD_CHANGED = "password_changed", _("The password was changed")
    RESET_ISSUED = "reset_issued", _("An administrator issued a link for a new password")
    FACTORS_TAKEN = "factors_taken", _("An administrator removed the second factors")
    SESSIONS_ENDED = "sessions_ended", _("An administrator ended the sessions")
    MAIL_CHANGED = "mail_changed", _("The e-mail address for these notices was changed")
    PIN_SET = "pin_set", _("The PIN for a shared phone was set")
    PIN_REMOVED = "pin_removed", _("The PIN for a shared phone was removed")
    SIGNED_OUT = "signed_out", _("Signed out on every phone and computer")


class AccountNotice(models.Model):
    """Something about an account that its owner should hear of, here and by mail where the account has an address."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="account_notices")
    kind = models.CharField(max_length=20, choices=NoticeKind.choices)
    device = models.CharField(max_length=60, blank=True)
    at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    mail_due = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("notice about an account")
        verbose_name_plural = _("notices about accounts")
        indexes = [
            models.Index(fields=["at"], condition=models.Q(mail_due=True), name="account_notice_mail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}"


class ResetLinkQuerySet(models.QuerySet["ResetLink"]):
    def open(self, at: datetime) -> Self:
        """Links that still work: unused, not replaced, and not too old."""
        return self.filter(used_at=None, expires_at__gt=at, user__is_active=True)


class ResetLink(models.Model):
    """An administrator's one-time link to a new password. Only a hash of what stands in the link is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="reset_links")
    token_hash = models.CharField(max_length=64, unique=True)
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = ResetLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("link for a new password")
        verbose_name_plural = _("links for a new password")
        constraints = [
            models.CheckConstraint(
                name="reset_link_ends_later", condition=models.Q(expires_at__gt=models.F("issued_at"))
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)
