"""A read-only window on the log. It shows what row security shows: the entries of the clinic one works in."""

from django.contrib import admin

from audit.models import Alarm, AuditEvent, Check, RowChange
from crypto.windows import Window

if admin.site.is_registered(AuditEvent):
    admin.site.unregister(AuditEvent)  # auditlog's own page asks for columns that would hold names


@admin.register(AuditEvent)
class AuditEventWindow(Window[AuditEvent]):
    list_display = (
        "timestamp",
        "actor_ref",
        "action",
        "kind",
        "content_type",
        "object_pk",
        "purpose",
        "result",
    )
    list_filter = ("kind", "result")
    search_fields = ("=actor_ref", "=object_pk")


@admin.register(RowChange)
class RowChangeWindow(Window[RowChange]):
    list_display = ("timestamp", "actor_ref", "tbl", "op", "row_count")
    list_filter = ("op",)
    search_fields = ("=actor_ref", "=tbl")


@admin.register(Alarm)
class AlarmWindow(Window[Alarm]):
    """Decided on their own page."""

    list_display = ("raised_at", "rule", "actor_ref", "count", "decision", "decided_at")
    list_filter = ("rule", "decision")
    search_fields = ("=actor_ref",)


@admin.register(Check)
class CheckWindow(Window[Check]):
    list_display = ("started_at", "asked_by", "done", "total", "problems", "finished_at")
