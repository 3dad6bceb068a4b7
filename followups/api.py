"""To-dos for machines: what there is to do, taken and written down by the same services as on the workbench."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.api import ApiRequest, ApiView, KeysetPage, Operation, Said, Shown, checked, page_of, version_of
from clinics.api.paging import told
from clinics.api.versions import hold
from clinics.scopes import ApiScope
from crypto.reading import Unreadable, shown
from followups.choices import FollowUpState, Outcome, Urgency
from followups.forms import OutcomeForm
from followups.models import FollowUp
from followups.pathways import pathway_of
from followups.queries import Row, follow_up_for, row_of, visible_follow_ups
from followups.services import claim_follow_up, complete_follow_up


class ListedFollowUp(serializers.Serializer[Any]):
    """One to-do. `description` is what has to be done, `reason_code` the pathway that asks for it."""

    id = serializers.UUIDField()
    patient = serializers.UUIDField()
    reason_code = serializers.CharField()
    reason_version = serializers.IntegerField()
    step = serializers.CharField()
    description = serializers.CharField()
    status = serializers.ChoiceField(FollowUpState.choices)
    priority = serializers.ChoiceField(Urgency.choices)
    authored_on = serializers.DateTimeField()
    due_on = serializers.DateField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)
    owner = serializers.UUIDField(allow_null=True)
    team = serializers.UUIDField(allow_null=True)
    tries = serializers.IntegerField()
    outcome = serializers.ChoiceField(Outcome.choices, allow_blank=True)


class FactShown(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    interpretation = serializers.CharField(allow_blank=True)


class ShownFollowUp(ListedFollowUp):
    """The same with what led to it and the note of the last try; null with `data_absent_reason` where that does not open."""

    reason = FactShown(many=True)
    note = serializers.CharField(allow_null=True)
    data_absent_reason = serializers.ChoiceField(["error", "not-permitted"], allow_null=True)


class NewOutcome(Said):
    """What came of it. Told a critical result, the note says which number was called and what was said."""

    outcome = serializers.ChoiceField(Outcome.choices)
    again_on = serializers.DateField(required=False)
    note = serializers.CharField(max_length=2000, required=False)
    read_back = serializers.BooleanField(required=False)


class FollowUpFilters(django_filters.FilterSet):  # type: ignore[misc]  # the package is not typed
    status = django_filters.ChoiceFilter(field_name="state", choices=FollowUpState.choices)
    priority = django_filters.ChoiceFilter(field_name="urgency", choices=Urgency.choices)
    patient = django_filters.UUIDFilter(field_name="patient_id")
    owner = django_filters.ChoiceFilter(
        choices=[("me", "me"), ("nobody", "nobody")], method="of_owner", label="me or nobody"
    )
    due_before = django_filters.DateFilter(field_name="due_on", lookup_expr="lt")

    def of_owner(self, rows: QuerySet[FollowUp], name: str, value: str) -> QuerySet[FollowUp]:
        return rows.filter(assignee_id=self.request.actor.user_id if value == "me" else None)


class FollowUps(ApiView):
    operations = {
        "GET": Operation(
            says="The to-dos of the patients in the caller's care, newest first.",
            scope=ApiScope.FOLLOW_UPS_READ,
            purpose=Purpose.CARE,
            kind=Kind.LISTED,
            gives=ListedFollowUp,
            many=True,
            filters=FollowUpFilters,
        )
    }

    def found(self, request: ApiRequest, **ids: Any) -> KeysetPage:
        rows = visible_follow_ups(request.actor, request.clinic.pk)
        return told(page_of(request, self.filtered(request, rows)), listed)


class OneFollowUp(ApiView):
    operations = {
        "GET": Operation(
            says="One to-do, with what led to it.",
            scope=ApiScope.FOLLOW_UPS_READ,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            gives=ShownFollowUp,
            versioned=True,
        )
    }

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return whole(request, ids["follow_up_id"])


class Claim(ApiView):
    operations = {
        "POST": Operation(
            says="Take a to-do from the pool.",
            scope=ApiScope.FOLLOW_UPS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            gives=ShownFollowUp,
            repeatable=True,
            versioned=True,
        )
    }

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises FollowUpNotFound, AlreadyClosed, AlreadyTaken."""
        claim_follow_up(ids["follow_up_id"], by=request.actor, at=timezone.now())
        return None

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return whole(request, ids["follow_up_id"])


class Outcomes(ApiView):
    operations = {
        "POST": Operation(
            says="Write down what came of a to-do. Some outcomes close it, the others are one more try.",
            scope=ApiScope.FOLLOW_UPS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            takes=NewOutcome,
            gives=ShownFollowUp,
            repeatable=True,
            versioned=True,
            held=True,
        )
    }

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises FollowUpNotFound, VersionMissing, ChangedMeanwhile, AlreadyClosed."""
        seen = follow_up_for(request.actor, ids["follow_up_id"])
        form = OutcomeForm(dict(said), critical=seen.urgency == Urgency.CLASS_A)
        data = checked(form)
        complete_follow_up(
            seen.pk,
            outcome=Outcome(data["outcome"]),
            by=request.actor,
            at=timezone.now(),
            note=data["note"],
            read_back=data.get("read_back"),
            again_on=data["again_on"],
            unchanged=lambda: hold(request, version_of(FollowUp, seen.pk)),
        )
        return None

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return whole(request, ids["follow_up_id"])


def whole(request: ApiRequest, follow_up_id: UUID) -> Shown[dict[str, Any]]:
    """Raises FollowUpNotFound."""
    version = version_of(FollowUp, follow_up_id)
    follow_up = follow_up_for(request.actor, follow_up_id)
    row = row_of(request.actor, follow_up, timezone.now())
    note = shown(lambda: follow_up.note) if "clinical" in request.actor.field_sets else None
    return Shown(thing=_opened(row, note, request), version=version)


def _opened(row: Row, note: str | Unreadable | None, request: ApiRequest) -> dict[str, Any]:
    absent = None
    if "clinical" not in request.actor.field_sets:
        absent = "not-permitted"
    elif row.unreadable or isinstance(note, Unreadable):
        absent = "error"
    facts = [
        {"name": str(f.name), "value": f.value, "unit": f.unit, "interpretation": f.flag} for f in row.facts
    ]
    return {
        **listed(row.follow_up),
        "reason": facts,
        "note": None if isinstance(note, Unreadable) else note,
        "data_absent_reason": absent,
    }


def listed(follow_up: FollowUp) -> dict[str, Any]:
    """One to-do in FHIR's words (Task). Opens nothing."""
    pathway = pathway_of(follow_up.enrolment.pathway, follow_up.enrolment.version)
    return {
        "id": follow_up.pk,
        "patient": follow_up.patient_id,
        "reason_code": pathway.code,
        "reason_version": pathway.version,
        "step": follow_up.step,
        "description": str(pathway.step(follow_up.step).name),
        "status": follow_up.state,
        "priority": follow_up.urgency,
        "authored_on": follow_up.opened_at,
        "due_on": follow_up.due_on,
        "due_at": follow_up.due_at,
        "owner": follow_up.assignee_id,
        "team": follow_up.team_id,
        "tries": follow_up.tries,
        "outcome": follow_up.outcome,
    }
