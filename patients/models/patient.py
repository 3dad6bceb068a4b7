"""A person in the care of one clinic, and the cards that were opened for them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audit.registry import audited
from clinics.models import Clinic
from crypto.fields import Scope, SealedParts
from crypto.ids import uuid7
from crypto.models import SealedModel
from patients.choices import CardState, PhoneOwner, Sex, TwinReason
from patients.identity import OLDEST_BIRTH_YEAR

LATEST_BIRTH_YEAR = 2200


@audited
class Patient(SealedModel):
    """Who is cared for. The clinic sees a service number; everything that names the person is sealed in one blob.

    `created_at` orders every list and never changes; `subject_id` is the key that seals, equal to `id` at opening.
    """

    clinic = models.ForeignKey(
        Clinic, models.PROTECT, db_index=False, related_name="+", verbose_name=_("clinic")
    )
    service_number = models.CharField(
        _("service number"), max_length=12, help_text=_("Safe to say aloud: it means nothing.")
    )
    sex = models.CharField(_("sex"), max_length=7, choices=Sex.choices, default=Sex.UNKNOWN)
    birth_year = models.PositiveSmallIntegerField(_("year of birth"), null=True, blank=True)
    phone_owner = models.CharField(
        _("whose phone"), max_length=6, choices=PhoneOwner.choices, default=PhoneOwner.SELF
    )
    identity = SealedParts(
        _("identity"),
        aad_name="patient.identity",
        scope=Scope.IDENTITY,
        parts={
            "name": "identity",
            "birth_date": "identity",
            "id_number": "identity",
            "phone": "contact",
            "email": "contact",
        },
    )
    watched = models.BooleanField(
        _("watched"),
        default=False,
        db_default=False,
        help_text=_("Everybody who opens the chart is told to the privacy officer."),
    )
    watched_for = SealedParts(
        _("watched because"),
        aad_name="patient.watched_for",
        scope=Scope.IDENTITY,
        parts={"well_known": "identity", "colleague": "identity"},
        null=True,
    )
    created_at = models.DateTimeField(_("opened at"), editable=False)
    restricted_at = models.DateTimeField(_("restricted at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "service_number"], name="patient_service_number_once"),
            models.CheckConstraint(
                name="patient_service_number_form",
                condition=Q(service_number__regex=r"^ZZ-[0-9]{4}-[0-9]{4}$"),
            ),
            models.CheckConstraint(name="patient_sex_known", condition=Q(sex__in=Sex.values)),
            models.CheckConstraint(
                name="patient_phone_owner_known", condition=Q(phone_owner__in=PhoneOwner.values)
            ),
            models.CheckConstraint(
                name="patient_birth_year_possible",
                condition=Q(birth_year=None) | Q(birth_year__range=(OLDEST_BIRTH_YEAR, LATEST_BIRTH_YEAR)),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["clinic", "-created_at", "-id"], name="patient_newest")]

    def __str__(self) -> str:
        return self.service_number


class Card(models.Model):
    """A card handed to a patient; over the years there may be several, and the old ones still find the chart."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(
        Clinic, models.PROTECT, db_index=False, related_name="+", verbose_name=_("clinic")
    )
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="cards", verbose_name=_("patient"))
    number = models.CharField(_("card number"), max_length=10)
    state = models.CharField(_("state"), max_length=8, choices=CardState.choices, default=CardState.ACTIVE)
    opened_at = models.DateTimeField(_("opened at"))
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("opened by"),
    )
    form_token = models.UUIDField(
        _("form token"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("The same form sent twice opens one card."),
    )

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clinic", "number"], name="card_number_once"),
            models.UniqueConstraint(fields=["clinic", "form_token"], name="card_form_token_once"),
            models.CheckConstraint(name="card_number_form", condition=Q(number__regex=r"^[0-9]{10}$")),
            models.CheckConstraint(name="card_state_known", condition=Q(state__in=CardState.values)),
        ]

    def __str__(self) -> str:
        return self.number


class TwinOverride(models.Model):
    """A card opened although `twin` looked like the same person, and why: the warning list of whoever merges later."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+", verbose_name=_("clinic"))
    patient = models.ForeignKey(
        Patient, models.CASCADE, related_name="twin_overrides", verbose_name=_("patient")
    )
    twin = models.ForeignKey(Patient, models.CASCADE, related_name="+", verbose_name=_("similar patient"))
    reason = models.CharField(_("reason"), max_length=12, choices=TwinReason.choices)
    decided_at = models.DateTimeField(_("decided at"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )

    class Meta:
        verbose_name = _("similar patient put aside")
        verbose_name_plural = _("similar patients put aside")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["patient", "twin"], name="twin_override_once"),
            models.CheckConstraint(name="twin_override_of_another", condition=~Q(patient=F("twin"))),
            models.CheckConstraint(
                name="twin_override_reason_known", condition=Q(reason__in=TwinReason.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.patient_id} is not {self.twin_id}"
