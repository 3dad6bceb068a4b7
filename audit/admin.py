"""A read-only window on the log. It shows what row security shows: the entries of the clinic one works in."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from audit.models import AuditEvent

if admin.site.is_registered(AuditEvent):
    admin.site.unregister(AuditEvent)  # auditlog's own page asks for columns that would hold names


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
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
    list_select_related = ("content_type",)
    search_fields = ("=actor_ref", "=object_pk")
    list_per_page = 50
    show_full_result_count = False
    exclude = ("canon", "mac")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
