"""For machines: one masked value in full, for a reason; and the log, as whoever may see it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent, EventSubject
from audit.purposes import Purpose
from audit.services import record
from clinics.api import ApiRequest, ApiView, KeysetPage, Operation, Said, Shown, page_of
from clinics.scopes import ApiScope
from crypto.reading import Unreadable, shown
from desk.forms import RevealPart
from patients.choices import RevealReason
from patients.queries import patient_for


class Wish(Said):
    """Which value, and why. The reason stands in the log, and the person can read it."""

    part = serializers.ChoiceField(RevealPart.choices)
    reason = serializers.ChoiceField(RevealReason.choices)


class Revealed(serializers.Serializer[Any]):
    part = serializers.ChoiceField(RevealPart.choices)
    value = serializers.CharField(allow_null=True)
    data_absent_reason = serializers.ChoiceField(["error"], allow_null=True)


class Reveal(ApiView):
    operations = {
        "POST": Operation(
            says="One masked value in full. The log tells of it at once, and the person sees it.",
            scope=ApiScope.PATIENTS_REVEAL,
            purpose=Purpose.CARE,
            kind=Kind.REVEALED,
            takes=Wish,
            gives=Revealed,
        )
    }

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        patient_for(request.actor, ids["patient_id"])
        return None

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        """Raises PatientNotFound, FieldNotAllowed."""
        patient = patient_for(request.actor, ids["patient_id"])
        with access(Purpose.CARE, Kind.REVEALED, reason=said["reason"]):
            value = shown(lambda: patient.identity.read(said["part"]))
        broken = isinstance(value, Unreadable)
        return Shown(
            thing={
                "part": said["part"],
                "value": None if broken else value,
                "data_absent_reason": "error" if broken else None,
            }
        )


class EventShown(serializers.Serializer[Any]):
    """One entry of the log (FHIR AuditEvent). Ids and codes alone: `subjects` are the persons concerned, by subject id."""

    id = serializers.UUIDField()
    recorded = serializers.DateTimeField()
    agent = serializers.CharField()
    agent_kind = serializers.CharField()
    action = serializers.CharField()
    kind = serializers.CharField(allow_blank=True)
    purpose_of_event = serializers.CharField(allow_blank=True)
    entity = serializers.CharField(allow_blank=True)
    subjects = serializers.ListField(child=serializers.UUIDField())
    relation = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField(allow_null=True)
    outcome = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class EventFilters(django_filters.FilterSet):  # type: ignore[misc]  # the package is not typed
    action = django_filters.CharFilter(max_length=64)
    kind = django_filters.ChoiceFilter(choices=[(kind.value, kind.value) for kind in Kind])
    agent = django_filters.UUIDFilter(field_name="actor_id", label="the account that did it")
    subject = django_filters.UUIDFilter(method="about", label="the person concerned")
    recorded_from = django_filters.IsoDateTimeFilter(field_name="timestamp", lookup_expr="gte")
    recorded_before = django_filters.IsoDateTimeFilter(field_name="timestamp", lookup_expr="lt")

    def about(self, rows: QuerySet[AuditEvent], name: str, value: UUID) -> QuerySet[AuditEvent]:
        return rows.filter(pk__in=EventSubject.objects.filter(subject_id=value).values("event_uid"))


class Events(ApiView):
    operations = {
        "GET": Operation(
            says="The log of the clinic, newest first. Reading it stands in it as well.",
            scope=ApiScope.EVENTS_READ,
            purpose=Purpose.SECURITY,
            kind=Kind.LISTED,
            gives=EventShown,
            many=True,
            filters=EventFilters,
        )
    }

    def found(self, request: ApiRequest, **ids: Any) -> KeysetPage:
        page = page_of(request, self.filtered(request, events_of(request.actor, request.clinic.pk)))
        subjects = subjects_of([event.pk for event in page.rows])
        record("log.listed", object=("api:events", ""), purpose=Purpose.SECURITY, count=len(page.rows))
        return KeysetPage([shown_of(event, subjects.get(event.pk, [])) for event in page.rows], page.cursor)


def events_of(actor: Actor, clinic_id: UUID) -> QuerySet[AuditEvent]:
    """The entries of the clinic's own log. Empty for whoever's role does not open the log."""
    entries: QuerySet[AuditEvent] = AuditEvent.objects.filter(log_id=clinic_id).select_related("content_type")
    return entries if "log" in actor.field_sets else entries.none()


def subjects_of(events: list[UUID]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {}
    rows = EventSubject.objects.filter(event_uid__in=events).order_by("subject_id")
    for event_uid, subject_id in rows.values_list("event_uid", "subject_id"):
        found.setdefault(event_uid, []).append(subject_id)
    return found


def shown_of(event: AuditEvent, subjects: list[UUID]) -> dict[str, Any]:
    model = event.content_type
    what = f"{model.app_label}.{model.model}/" if model else ""
    return {
        "id": event.pk,
        "recorded": event.timestamp,
        "agent": event.actor_ref,
        "agent_kind": event.actor_kind,
        "action": event.action,
        "kind": event.kind,
        "purpose_of_event": event.purpose,
        "entity": f"{what}{event.object_pk}",
        "subjects": subjects,
        "relation": event.relation,
        "count": event.count,
        "outcome": event.result,
        "reason": event.reason,
    }
