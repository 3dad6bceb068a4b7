"""A sealed model with every kind of sealed field, known to these tests alone."""

from typing import Any, ClassVar

from django.apps.registry import Apps
from django.db import connection, models

from crypto.fields import (
    Scope,
    SealedBoolean,
    SealedBytes,
    SealedDate,
    SealedDecimal,
    SealedInteger,
    SealedJSON,
    SealedParts,
    SealedText,
)
from crypto.managers import SealedManager
from crypto.models import SealedModel

FIELDS = ("word", "note", "number", "agreed", "amount", "day", "sound", "detail", "identity")


class Specimen(SealedModel):
    clinic_id = models.UUIDField()
    label = models.CharField(max_length=40, default="")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    word = SealedText(aad_name="specimen.word", default="")
    note = SealedText(aad_name="specimen.note", field_set="remarks", null=True, blank=True)
    number = SealedInteger(aad_name="specimen.number", null=True, blank=True)
    agreed = SealedBoolean(aad_name="specimen.agreed", null=True, blank=True)
    amount = SealedDecimal(aad_name="specimen.amount", null=True, blank=True)
    day = SealedDate(aad_name="specimen.day", scope=Scope.CONSENTED, null=True, blank=True)
    sound = SealedBytes(aad_name="specimen.sound", null=True)
    detail = SealedJSON(aad_name="specimen.detail", default=dict)
    identity = SealedParts(
        aad_name="specimen.identity",
        scope=Scope.IDENTITY,
        parts={"name": "identity", "id_number": "identity", "phone": "contact"},
        default=dict,
    )

    objects: ClassVar[SealedManager["Specimen"]] = SealedManager()

    class Meta:
        app_label = "crypto"
        db_table = "crypto_tests_specimen"
        apps: Any = Apps()  # not among the product's models: nothing that looks through those finds it

    def __str__(self) -> str:
        return str(self.pk)


def create_table() -> None:
    """As the owner: with row security and the trigger every sealed table has."""
    with connection.schema_editor() as editor:
        editor.create_model(Specimen)
        editor.execute(
            "SELECT zhizhi_clinic_only('crypto_tests_specimen'); SELECT crypto_sealed_row('crypto_tests_specimen')"
        )
