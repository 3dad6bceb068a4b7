"""One row in four houses: saved by nobody's eye, under our log, and under django-auditlog as it comes. Models of the bench alone."""

from typing import Any, ClassVar

from auditlog.registry import auditlog
from django.apps.registry import Apps
from django.db import connection, models
from django.utils import timezone

from audit.registry import audited
from crypto.fields import Scope, SealedText
from crypto.ids import uuid7
from crypto.managers import SealedManager
from crypto.models import SealedModel

_apps: Any = Apps()  # not among the product's models: nothing that looks through those finds them


class ToDo(models.Model):
    """The clear columns of a to-do. A save changes its state and its note; the others are there, as in every table of a clinic."""

    clinic_id = models.UUIDField()
    step = models.CharField(max_length=40, default="call")
    occurrence = models.PositiveSmallIntegerField(default=1)
    urgency = models.CharField(max_length=8, default="routine")
    state = models.CharField(max_length=16)
    opened_at = models.DateTimeField(default=timezone.now)
    due_on = models.DateField(null=True)
    due_at = models.DateTimeField(default=timezone.now)
    assignee_id = models.UUIDField(default=uuid7)
    team_id = models.UUIDField(default=uuid7)
    tries = models.PositiveSmallIntegerField(default=0)
    last_try_at = models.DateTimeField(default=timezone.now)
    outcome = models.CharField(max_length=16, default="reached")
    read_back = models.BooleanField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=80, default="")

    class Meta:
        abstract = True


class SealedToDo(ToDo, SealedModel):
    note = SealedText(aad_name="bench.note", scope=Scope.RECORD)

    objects: ClassVar[SealedManager["SealedToDo"]] = SealedManager()

    class Meta:
        abstract = True


class BareSave(SealedToDo):
    """Sealed like ours, and no word of its saves anywhere."""

    class Meta:
        app_label = "bench"
        db_table = "bench_save_bare"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


@audited
class AuditedSave(SealedToDo):
    class Meta:
        app_label = "bench"
        db_table = "bench_save_audited"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


class StockSave(ToDo):
    """Under django-auditlog as it comes. In clear, so that the package pays for no seal."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    subject_id = models.UUIDField(default=uuid7)
    sealed_by_clinic = models.UUIDField()
    note = models.TextField()

    class Meta:
        app_label = "bench"
        db_table = "bench_save_stock"
        apps = _apps

    def __str__(self) -> str:
        return str(self.pk)


MODELS: tuple[type[models.Model], ...] = (BareSave, AuditedSave, StockSave)


def register_stock() -> None:
    """As the package's readme has it."""
    if not auditlog.contains(StockSave):
        auditlog.register(StockSave)


def create_tables() -> None:
    """As the owner, where they are missing: all under row security, and ours watched."""
    present = set(connection.introspection.table_names())
    with connection.schema_editor() as editor:
        for model in MODELS:
            table = model._meta.db_table
            if table in present:
                continue
            editor.create_model(model)
            editor.execute(f"SELECT zhizhi_clinic_only('{table}')")
        editor.execute(f"SELECT audit_watch('{AuditedSave._meta.db_table}')")
        editor.execute("GRANT SELECT, INSERT ON auditlog_logentry TO zhizhi_app")
        editor.execute("GRANT USAGE ON auditlog_logentry_id_seq TO zhizhi_app")
