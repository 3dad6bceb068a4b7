"""Windows on the keys" own records. No key stands in these tables, and what wraps one is left out."""

from django.contrib import admin

from crypto.models import Kek, KeyJob
from crypto.windows import Window


@admin.register(Kek)
class KekWindow(Window[Kek]):
    list_display = ["id", "clinic_id", "suite", "provider", "state", "not_after"]
    list_filter = ["state", "suite"]
    search_fields = ["=clinic_id"]


@admin.register(KeyJob)
class KeyJobWindow(Window[KeyJob]):
    list_display = ["kind", "clinic_id", "target", "done", "total", "finished_at"]
    list_filter = ["kind"]
    search_fields = ["=clinic_id"]
