"""Windows on files that came in and packs that went out; what is in them is sealed, or not here."""

from django.contrib import admin

from crypto.windows import Window
from exchange.models import EvidencePack, ImportBatch, Preservation
from patients.windows import PatientWindow


@admin.register(ImportBatch)
class ImportBatchWindow(Window[ImportBatch]):
    list_display = ["uploaded_at", "kind", "state", "size", "uploaded_by", "decided_at"]
    search_fields = ["=id"]
    list_filter = ["state", "kind"]


@admin.register(EvidencePack)
class EvidencePackWindow(Window[EvidencePack]):
    list_display = ["asked_at", "asked_by", "done", "total", "finished_at", "expires_at"]
    search_fields = ["=asked_by"]


@admin.register(Preservation)
class PreservationWindow(PatientWindow[Preservation]):
    list_display = ["patient", "begun_at", "reason", "until", "ended_at"]
    search_fields = ["=patient__service_number"]
    list_filter = ["reason"]
