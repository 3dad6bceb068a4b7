"""Windows on reports and results: that they are there, and when; never what they say."""

from django.contrib import admin

from patients.windows import PatientWindow
from records.models import ExamReport, Observation


@admin.register(ExamReport)
class ExamReportWindow(PatientWindow[ExamReport]):
    list_display = ["patient", "taken_at", "filed_at", "observation_count"]
    search_fields = ["=patient__service_number"]


@admin.register(Observation)
class ObservationWindow(PatientWindow[Observation]):
    list_display = ["patient", "indicator", "flag", "taken_at"]
    list_filter = ["flag"]
    search_fields = ["=patient__service_number"]
