"""Windows on to-dos, messages and their sending."""

from django.contrib import admin

from followups.models import Attempt, Enrolment, FollowUp, Message, Outbox
from patients.windows import PatientWindow


@admin.register(Enrolment)
class EnrolmentWindow(PatientWindow[Enrolment]):
    list_display = ["patient", "pathway", "version", "state", "started_at", "ended_at"]
    list_filter = ["pathway", "state"]
    search_fields = ["=patient__service_number"]


@admin.register(FollowUp)
class FollowUpWindow(PatientWindow[FollowUp]):
    list_display = ["patient", "step", "urgency", "state", "due_on", "assignee"]
    list_filter = ["state", "urgency"]
    search_fields = ["=patient__service_number"]


@admin.register(Message)
class MessageWindow(PatientWindow[Message]):
    list_display = ["patient", "template", "channel", "state", "due_at", "settled_at"]
    list_filter = ["state", "channel"]
    search_fields = ["=patient__service_number"]


@admin.register(Outbox)
class OutboxWindow(PatientWindow[Outbox]):
    list_display = ["message", "not_before", "tries"]
    search_fields = ["=message__patient__service_number"]
    patient = "message__patient"


@admin.register(Attempt)
class AttemptWindow(PatientWindow[Attempt]):
    list_display = ["message", "number", "started_at", "finished_at", "outcome"]
    search_fields = ["=message__patient__service_number"]
    list_filter = ["outcome"]
    patient = "message__patient"
