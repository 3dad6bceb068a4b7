"""Windows on notices and the ledger. Both only grow, and not from here."""

from django.contrib import admin

from consent.models import ConsentEvent, ConsentNotice, ConsentState
from crypto.windows import Window
from patients.windows import PatientWindow


@admin.register(ConsentNotice)
class ConsentNoticeWindow(Window[ConsentNotice]):
    list_display = ["code", "version", "locale", "clinic", "effective_from", "material_change"]
    list_filter = ["code", "locale"]
    search_fields = ["=code"]


@admin.register(ConsentEvent)
class ConsentEventWindow(PatientWindow[ConsentEvent]):
    list_display = ["patient", "purpose", "data_category", "event", "method", "occurred_at"]
    list_filter = ["purpose", "event", "method"]
    search_fields = ["=patient__service_number"]


@admin.register(ConsentState)
class ConsentStateWindow(PatientWindow[ConsentState]):
    list_display = ["patient", "purpose", "data_category", "operation", "state", "valid_until"]
    list_filter = ["purpose", "state"]
    search_fields = ["=patient__service_number"]
