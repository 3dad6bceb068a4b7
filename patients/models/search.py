"""Tokens by which a person is found without their name or phone standing in the database.

A token says nothing without the clinic's index key, and stands beside a random `search_id`, not beside the chart.
"""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from patients.models.patient import Patient


class PatientSearchPerson(models.Model):
    """Which person a `search_id` stands for: one row per subject, so that a merge re-points it and undo points it back."""

    search_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="+")
    subject_id = models.UUIDField(unique=True)
    patient = models.ForeignKey(Patient, models.CASCADE, related_name="+")

    class Meta:
        db_table = "patient_search_person"
        verbose_name = _("person to be found")
        verbose_name_plural = _("persons to be found")

    def __str__(self) -> str:
        return str(self.search_id)


class PatientSearch(models.Model):
    """One search token. `index` is the kind of token, `key_ver` the clinic's index key that made it."""

    pk = models.CompositePrimaryKey("clinic_id", "index", "token", "key_ver", "search_id")
    clinic = models.ForeignKey(
        Clinic, models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    index = models.PositiveSmallIntegerField()
    key_ver = models.PositiveSmallIntegerField()
    token = models.BigIntegerField()
    search = models.ForeignKey(PatientSearchPerson, models.CASCADE, related_name="+")

    class Meta:
        db_table = "patient_search"
        verbose_name = _("search token")
        verbose_name_plural = _("search tokens")

    def __str__(self) -> str:
        return f"token of {self.search_id}"
