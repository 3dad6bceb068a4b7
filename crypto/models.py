"""The records of keys (never their bytes in clear), and the base of every model with sealed fields."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, ClassVar, Self
from uuid import UUID

from django.core import checks
from django.db import models
from django.db.models import Q
from django.db.models.base import ModelState
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.functions import Now
from django.db.models.signals import post_init, pre_init
from django.utils.translation import gettext_lazy as _

from crypto.core.scopes import Scope
from crypto.core.suites import Suite
from crypto.fields.base import SealedAttribute
from crypto.ids import uuid7
from crypto.managers import SealedManager, SealedQuerySet
from crypto.seals import raw_seals


class KekState(models.TextChoices):
    ACTIVE = "active", _("in use")
    DECRYPT = "decrypt", _("opens old keys only")
    HOLD = "hold", _("legal hold: the application cannot open what it wraps")
    DESTROYED = "destroyed", _("destroyed")


class Kek(models.Model):
    """A key-encryption key of one clinic and epoch. Its bytes live in the provider alone."""

    id = models.SmallAutoField(primary_key=True)
    clinic_id = models.UUIDField()
    suite = models.SmallIntegerField()
    provider = models.CharField(max_length=20)
    provider_ref = models.CharField(max_length=80, unique=True)
    state = models.CharField(max_length=10, choices=KekState, default=KekState.ACTIVE)
    created_at = models.DateTimeField(db_default=Now())
    not_after = models.DateTimeField()

    class Meta:
        db_table = "crypto_kek"
        verbose_name = _("key-encryption key")
        verbose_name_plural = _("key-encryption keys")
        constraints = (
            models.CheckConstraint(
                name="crypto_kek_suite", condition=Q(suite__in=[int(suite) for suite in Suite])
            ),
            models.CheckConstraint(name="crypto_kek_state", condition=Q(state__in=KekState.values)),
            models.UniqueConstraint(
                name="crypto_kek_one_active", fields=["clinic_id", "suite"], condition=Q(state="active")
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider}:{self.provider_ref}"


class SubjectKey(models.Model):
    """The wrapped data key of one subject and scope. Destroying it is what erasing means.

    `id` is random, so that no restore or sequence ever gives it to another key. `clinic_id` is the clinic whose KEK wraps it.
    """

    id = models.BigIntegerField(primary_key=True)
    subject_id = models.UUIDField()
    clinic_id = models.UUIDField()
    scope = models.SmallIntegerField()
    version = models.SmallIntegerField(default=1)
    suite = models.SmallIntegerField()
    kek = models.ForeignKey(Kek, models.PROTECT, db_index=False, related_name="+")
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)
    destroy_ref = models.UUIDField(null=True)

    class Meta:
        db_table = "subject_key"
        verbose_name = _("subject key")
        verbose_name_plural = _("subject keys")
        indexes = (models.Index(fields=["kek", "id"], name="subject_key_under_kek"),)
        constraints = (
            models.UniqueConstraint(name="subject_key_version", fields=["subject_id", "scope", "version"]),
            models.CheckConstraint(
                name="subject_key_scope", condition=Q(scope__in=[int(scope) for scope in Scope])
            ),
            models.CheckConstraint(
                name="subject_key_wrapped_or_destroyed",
                condition=Q(destroyed_at=None, wrapped__isnull=False)
                | Q(destroyed_at__isnull=False, wrapped=None),
            ),
        )

    def __str__(self) -> str:
        return str(self.id)


class IndexKey(models.Model):
    """The wrapped blind-index secret of one clinic and epoch; random, never derived from another key."""

    clinic_id = models.UUIDField()
    version = models.SmallIntegerField()
    kek = models.ForeignKey(Kek, models.PROTECT, related_name="+")
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "index_key"
        verbose_name = _("index key")
        verbose_name_plural = _("index keys")
        constraints = (
            models.UniqueConstraint(name="index_key_version", fields=["clinic_id", "version"]),
            models.CheckConstraint(
                name="index_key_wrapped_or_destroyed",
                condition=Q(destroyed_at=None, wrapped__isnull=False)
                | Q(destroyed_at__isnull=False, wrapped=None),
            ),
        )

    def __str__(self) -> str:
        return f"{self.clinic_id} v{self.version}"


class SealedFile(models.Model):
    """A file sealed in chunks under a key of its own, which hangs on the clinic's KEK: a recording, an attachment.

    `place` is where its bytes stand below FILES_DIR; `size` counts the bytes before sealing. Destroying the key erases it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_id = models.UUIDField()
    patient_id = models.UUIDField(db_index=True)
    sealed_by_clinic = models.UUIDField()
    clinic_id = models.UUIDField()
    scope = models.SmallIntegerField()
    suite = models.SmallIntegerField()
    kek = models.ForeignKey(Kek, models.PROTECT, db_index=False, related_name="+")
    wrapped = models.BinaryField(null=True)
    size = models.BigIntegerField()
    place = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "sealed_file"
        verbose_name = _("sealed file")
        verbose_name_plural = _("sealed files")
        indexes = (models.Index(fields=["kek", "id"], name="sealed_file_under_kek"),)
        constraints = (
            models.CheckConstraint(
                name="sealed_file_scope", condition=Q(scope__in=[int(scope) for scope in Scope])
            ),
            models.CheckConstraint(name="sealed_file_size", condition=Q(size__gte=0)),
            models.CheckConstraint(
                name="sealed_file_wrapped_or_destroyed",
                condition=Q(destroyed_at=None, wrapped__isnull=False)
                | Q(destroyed_at__isnull=False, wrapped=None),
            ),
        )

    def __str__(self) -> str:
        return str(self.id)


class JobKind(models.TextChoices):
    REWRAP = "rewrap", _("wrapping keys under the new key-encryption key")
    RESEAL = "reseal", _("sealing values under the newest data keys")
    INDEX = "index", _("building search tokens")


class KeyJob(models.Model):
    """How far a change of keys has come in one table of one clinic: whoever goes on after a crash begins at `position`."""

    clinic_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=JobKind)
    target = models.CharField(max_length=100)
    position = models.CharField(max_length=40, default="")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "crypto_job"
        verbose_name = _("change of keys")
        verbose_name_plural = _("changes of keys")
        constraints = (
            models.CheckConstraint(name="crypto_job_kind", condition=Q(kind__in=JobKind.values)),
            models.UniqueConstraint(
                name="crypto_job_one_open",
                fields=["clinic_id", "kind", "target"],
                condition=Q(finished_at=None),
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.target}: {self.done} of {self.total}"


class CryptoEpoch(models.Model):
    """One row. `counter` moves when keys are destroyed, and every process then empties its caches.

    `key_store` is the fingerprint of the key folder this database belongs to; `ledger_*` is the length and head hash of the
    erasure ledger, which lies beside the keys.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    counter = models.BigIntegerField(default=0)
    key_store = models.CharField(max_length=64, default="")
    ledger_length = models.BigIntegerField(default=0)
    ledger_head = models.CharField(max_length=64, default="")

    class Meta:
        db_table = "crypto_epoch"
        verbose_name = _("key epoch")
        verbose_name_plural = _("key epochs")
        constraints = (models.CheckConstraint(name="crypto_epoch_one_row", condition=Q(id=1)),)

    def __str__(self) -> str:
        return str(self.counter)


@cache
def _is_its_columns(model: type[models.Model]) -> bool:
    """Whether making an instance comes to keeping what each column said: nothing in the class wants to see it pass."""
    plain = (
        ForeignKeyDeferredAttribute,
        SealedAttribute,
    )  # with nothing there before, they keep what they are given
    columns = [getattr(model, field.attname) for field in model._meta.concrete_fields]
    return (
        model.__init__ is models.Model.__init__
        and model.__setattr__ is object.__setattr__
        and all(isinstance(column, plain) or not hasattr(column, "__set__") for column in columns)
    )


class SealedModel(models.Model):
    """A row with sealed fields.

    `subject_id` says whose key seals it, `sealed_by_clinic` which clinic sealed it; neither ever changes. A subclass has
    `clinic_id`, which row security uses.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_id = models.UUIDField(editable=False)
    sealed_by_clinic = models.UUIDField(editable=False)

    objects: ClassVar[SealedManager[Any]] = SealedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.fill_sealing_clinic()
        super().save(*args, **kwargs)

    @classmethod
    def from_db(  # type: ignore[override]  # the stubs know a fetch_mode, which comes with Django 6.1
        cls, db: str | None, field_names: Collection[str], values: Collection[Any]
    ) -> Self:
        """Django's, without its walk over the fields, which costs a list as much as half of opening its seals."""
        if not _is_its_columns(cls) or pre_init.receivers or post_init.receivers:
            return super().from_db(db, field_names, values)
        row = cls.__new__(cls)
        row.__dict__.update(zip(field_names, values))  # noqa: B905  # `strict` costs a list a third more
        state = row._state = ModelState()
        state.adding, state.db = False, db
        return row

    @classmethod
    def check(cls, **kwargs: Any) -> list[checks.CheckMessage]:
        found = list(super().check(**kwargs))
        managers: list[models.Manager[Any]] = [cls._base_manager, *cls._meta.managers]
        for manager in managers:
            if not isinstance(manager.none(), SealedQuerySet):
                found.append(
                    checks.Error(
                        f"The manager {manager.name} takes seals for values: derive it from SealedManager or "
                        "SealedQuerySet.",
                        obj=cls,
                        id="crypto.E003",
                    )
                )
        return found

    def fill_sealing_clinic(self) -> None:
        """The clinic of a new row is the clinic that seals it."""
        if self.sealed_by_clinic is None:
            clinic_id: UUID = self.clinic_id  # every subclass has one
            self.sealed_by_clinic = clinic_id

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: "models.QuerySet[Any] | None" = None,
    ) -> None:
        """Django copies the fields of a fresh instance one by one; inside, they are copied sealed."""
        with raw_seals():
            super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)
