"""Windows on patients and who sees them. Whoever cares for nobody finds them empty."""

from django.contrib import admin

from crypto.windows import Window
from patients.models import (
    BreakGlass,
    Card,
    CareRelationship,
    Patient,
    PatientGroupObjectPermission,
    PatientTag,
    PatientUserObjectPermission,
    PortalAccess,
    Tag,
    TwinOverride,
)
from patients.windows import PatientWindow


@admin.register(Patient)
class WindowOnPatients(PatientWindow[Patient]):
    list_display = ["service_number", "sex", "birth_year", "created_at", "restricted_at"]
    list_filter = ["sex"]
    search_fields = ["=service_number"]
    patient = "pk"


@admin.register(Card)
class CardWindow(PatientWindow[Card]):
    list_display = ["number", "patient", "state", "opened_at"]
    list_filter = ["state"]
    search_fields = ["=number", "=patient__service_number"]


@admin.register(CareRelationship)
class CareRelationshipWindow(PatientWindow[CareRelationship]):
    list_display = ["patient", "staff", "team", "role", "valid_from", "valid_until"]
    list_filter = ["role"]
    search_fields = ["=patient__service_number"]


@admin.register(PatientUserObjectPermission)
class PatientUserGrantWindow(PatientWindow[PatientUserObjectPermission]):
    list_display = ["content_object", "user", "reason", "granted_at", "valid_until"]
    list_filter = ["reason"]
    search_fields = ["=content_object__service_number"]
    patient = "content_object"


@admin.register(PatientGroupObjectPermission)
class PatientGroupGrantWindow(PatientWindow[PatientGroupObjectPermission]):
    list_display = ["content_object", "group", "reason", "granted_at", "valid_until"]
    list_filter = ["reason"]
    search_fields = ["=content_object__service_number"]
    patient = "content_object"


@admin.register(BreakGlass)
class BreakGlassWindow(PatientWindow[BreakGlass]):
    list_display = ["patient", "user", "reason", "opened_at", "valid_until", "finding"]
    list_filter = ["reason", "finding"]
    search_fields = ["=patient__service_number"]


@admin.register(PortalAccess)
class PortalAccessWindow(PatientWindow[PortalAccess]):
    list_display = ["patient", "relation", "given_at", "valid_until"]
    list_filter = ["relation"]
    search_fields = ["=patient__service_number"]


@admin.register(TwinOverride)
class TwinOverrideWindow(PatientWindow[TwinOverride]):
    list_display = ["patient", "twin", "reason", "decided_at"]
    list_filter = ["reason"]
    search_fields = ["=patient__service_number"]


@admin.register(PatientTag)
class PatientTagWindow(PatientWindow[PatientTag]):
    list_display = ["patient", "tag", "source", "set_at", "ended_at"]
    list_filter = ["source"]
    search_fields = ["=patient__service_number"]


@admin.register(Tag)
class TagWindow(Window[Tag]):
    list_display = ["code", "name_zh", "name_en", "group", "level"]
    list_filter = ["level", "group"]
    search_fields = ["=code", "name_zh", "name_en"]
