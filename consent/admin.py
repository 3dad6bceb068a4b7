"""Windows on notices, the ledger, recipients and requests: what is decided is decided on the pages of the clinic."""

from django.contrib import admin

from consent.models import (
    Complaint,
    ConsentEvent,
    ConsentNotice,
    ConsentState,
    Disclosure,
    ImpactAssessment,
    PersonRequest,
    Recipient,
)
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


@admin.register(ImpactAssessment)
class ImpactAssessmentWindow(Window[ImpactAssessment]):
    list_display = ["number", "clinic", "purposes", "written_by", "written_at"]
    search_fields = ["=number"]


@admin.register(Recipient)
class RecipientWindow(Window[Recipient]):
    list_display = ["code", "name", "clinic", "kind", "agreement", "ends_on", "review_on", "cut_off_at"]
    list_filter = ["kind", "role"]
    search_fields = ["=code"]


@admin.register(Disclosure)
class DisclosureWindow(PatientWindow[Disclosure]):
    list_display = ["patient", "recipient", "purpose", "operation", "what", "given_at", "recalled_at"]
    list_filter = ["purpose", "operation"]
    search_fields = ["=patient__service_number"]


@admin.register(Complaint)
class ComplaintWindow(PatientWindow[Complaint]):
    list_display = ["patient", "made_at", "due_at", "answered_at"]
    search_fields = ["=patient__service_number"]


@admin.register(PersonRequest)
class PersonRequestWindow(PatientWindow[PersonRequest]):
    list_display = ["patient", "kind", "state", "asked_through", "asked_at", "due_at", "decided_at"]
    list_filter = ["kind", "state"]
    search_fields = ["=patient__service_number"]
