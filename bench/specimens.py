"""The same six values as plain texts, as six sealed fields, as one seal, and under a package: models of the bench alone."""

from typing import Any, ClassVar

from django.apps.registry import Apps
from django.db import connection, models
from encrypted_fields.fields import EncryptedTextField

from crypto.fields import Scope, SealedParts, SealedText
from crypto.ids import uuid7
from crypto.managers import SealedManager
from crypto.models import SealedModel

VALUES = ("name", "phone", "id_number", "email", "address", "remark")
_apps: Any = Apps()  # not among the product's models: nothing that looks through those finds them


class Texts(models.Model):
    """Six plain texts."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    clinic_id = models.UUIDField()
    name = models.TextField()
    phone = models.TextField()
    id_number = models.TextField()
    email = models.TextField()
    address = models.TextField()
    remark = models.TextField()

    class Meta:
        abstract = True


class BareRow(Texts):
    """What a clinic without seals would have: no columns that say whose key it is."""

    class Meta:
        app_label = "bench"
        db_table = "bench_bare"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


class PlainRow(Texts):
    """Every column of the sealed rows, so that nothing but the seals is compared."""

    subject_id = models.UUIDField(default=uuid7)
    sealed_by_clinic = models.UUIDField()

    class Meta:
        app_label = "bench"
        db_table = "bench_plain"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


class FernetRow(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7)
    subject_id = models.UUIDField(default=uuid7)
    sealed_by_clinic = models.UUIDField()
    clinic_id = models.UUIDField()
    name = EncryptedTextField()
    phone = EncryptedTextField()
    id_number = EncryptedTextField()
    email = EncryptedTextField()
    address = EncryptedTextField()
    remark = EncryptedTextField()

    class Meta:
        app_label = "bench"
        db_table = "bench_fernet"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


class FieldsRow(SealedModel):
    clinic_id = models.UUIDField()
    name = SealedText(aad_name="bench.name", scope=Scope.IDENTITY, field_set="identity")
    phone = SealedText(aad_name="bench.phone", scope=Scope.IDENTITY, field_set="identity")
    id_number = SealedText(aad_name="bench.id_number", scope=Scope.IDENTITY, field_set="identity")
    email = SealedText(aad_name="bench.email", scope=Scope.IDENTITY, field_set="identity")
    address = SealedText(aad_name="bench.address", scope=Scope.IDENTITY, field_set="identity")
    remark = SealedText(aad_name="bench.remark", scope=Scope.IDENTITY, field_set="identity")

    objects: ClassVar[SealedManager["FieldsRow"]] = SealedManager()

    class Meta:
        app_label = "bench"
        db_table = "bench_fields"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


class BlobRow(SealedModel):
    clinic_id = models.UUIDField()
    identity = SealedParts(
        aad_name="bench.identity", scope=Scope.IDENTITY, parts=dict.fromkeys(VALUES, "identity")
    )

    objects: ClassVar[SealedManager["BlobRow"]] = SealedManager()

    class Meta:
        app_label = "bench"
        db_table = "bench_blob"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


MODELS: tuple[type[models.Model], ...] = (BareRow, PlainRow, FernetRow, FieldsRow, BlobRow)


def create_tables() -> None:
    """As the owner, where they are missing: with the row security of every table, and the trigger of every sealed one."""
    present = set(connection.introspection.table_names())
    with connection.schema_editor() as editor:
        for model in MODELS:
            table = model._meta.db_table
            if table in present:
                continue
            editor.create_model(model)
            editor.execute(f"CREATE INDEX ON {table} (clinic_id, id); SELECT zhizhi_clinic_only('{table}')")
            if issubclass(model, SealedModel):
                editor.execute(f"SELECT crypto_sealed_row('{table}')")
