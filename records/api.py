"""Results for machines, in FHIR's words: read with unit, time and the range then in force, filed as they were printed."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import django_filters
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.api import ApiRequest, ApiView, KeysetPage, Operation, Said, Shown, page_of
from clinics.scopes import ApiScope
from patients.queries import patient_for
from records.catalogue import INDICATOR_SYSTEM, catalogue
from records.choices import Flag
from records.errors import ObservationNotFound
from records.models import Observation
from records.parsed import Coding, ParsedObservation, PrintedNumber, PrintedRange, PrintedText, PrintedValue
from records.queries import opened_results
from records.services import file_observation
from records.shown import Result
from records.values import Comparator

SIGNS = [sign.value for sign in Comparator if sign is not Comparator.EXACT]


class CodingSaid(Said):
    system = serializers.CharField(max_length=200)
    code = serializers.CharField(max_length=100)
    display = serializers.CharField(max_length=200, required=False)


class CodeSaid(Said):
    """What was measured: a LOINC code, one of our keys under urn:zhizhi:indicator, or the sender's own."""

    coding = serializers.ListField(child=CodingSaid(), min_length=1, max_length=5)
    text = serializers.CharField(max_length=200, required=False)


class QuantitySaid(Said):
    """A number as it was printed. Sent as a text it keeps its last zeros: "4.60"."""

    value = serializers.DecimalField(max_digits=18, decimal_places=None)
    unit = serializers.CharField(max_length=40, required=False)
    code = serializers.CharField(max_length=40, required=False, help_text="The unit in UCUM.")
    comparator = serializers.ChoiceField(SIGNS, required=False)


class EdgeSaid(Said):
    value = serializers.DecimalField(max_digits=18, decimal_places=None)
    unit = serializers.CharField(max_length=40, required=False)


class RangeSaid(Said):
    """The range as it was printed."""

    low = EdgeSaid(required=False)
    high = EdgeSaid(required=False)
    text = serializers.CharField(max_length=100, required=False)


class IdentifierSaid(Said):
    """The sender and its own number; the same number again is the same result."""

    system = serializers.CharField(max_length=200)
    value = serializers.CharField(max_length=100)


class NewObservation(Said):
    identifier = IdentifierSaid()
    report = serializers.CharField(
        max_length=100, required=False, help_text="The sender's number of the report this is part of."
    )
    code = CodeSaid()
    effective_date_time = serializers.DateTimeField()
    value_quantity = QuantitySaid(required=False)
    value_string = serializers.CharField(max_length=500, required=False)
    reference_range = RangeSaid(required=False)

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        if ("value_quantity" in said) == ("value_string" in said):
            raise ValidationError({"value_quantity": [_("Send either value_quantity or value_string.")]})
        return said


class CodingShown(serializers.Serializer[Any]):
    system = serializers.CharField()
    code = serializers.CharField()
    display = serializers.CharField(allow_blank=True)


class CodeShown(serializers.Serializer[Any]):
    coding = CodingShown(many=True)
    text = serializers.CharField(allow_blank=True)


class QuantityShown(serializers.Serializer[Any]):
    """`unit` is for people, `code` is UCUM."""

    value = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_blank=True)
    comparator = serializers.CharField(allow_blank=True)


class ObservationShown(serializers.Serializer[Any]):
    """One result. `value_quantity` is in the catalogue's unit; `value_string` is exactly what was printed."""

    id = serializers.UUIDField()
    report = serializers.UUIDField()
    code = CodeShown()
    effective_date_time = serializers.DateTimeField()
    value_quantity = QuantityShown(allow_null=True)
    value_string = serializers.CharField(allow_blank=True)
    interpretation = serializers.ChoiceField(Flag.choices)
    reference_range = serializers.CharField(allow_blank=True)
    data_absent_reason = serializers.ChoiceField(["error"], allow_null=True)


class ObservationFilters(django_filters.FilterSet):  # type: ignore[misc]  # the package is not typed
    """Items sealed whole have no code in clear, so no filter finds them or tells that they are there."""

    code = django_filters.ChoiceFilter(
        field_name="indicator", choices=lambda: [(key, key) for key in catalogue().indicators]
    )
    interpretation = django_filters.ChoiceFilter(field_name="flag", choices=Flag.choices)
    taken_from = django_filters.IsoDateTimeFilter(field_name="taken_at", lookup_expr="gte")
    taken_before = django_filters.IsoDateTimeFilter(field_name="taken_at", lookup_expr="lt")


class Observations(ApiView):
    operations = {
        "GET": Operation(
            says="The results of one patient, newest first.",
            scope=ApiScope.OBSERVATIONS_READ,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            gives=ObservationShown,
            many=True,
            filters=ObservationFilters,
        ),
        "POST": Operation(
            says="File one result. What it means, and whether somebody must act, is decided as for every report.",
            scope=ApiScope.OBSERVATIONS_WRITE,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            takes=NewObservation,
            gives=ObservationShown,
            status=201,
            repeatable=True,
        ),
    }

    def found(self, request: ApiRequest, **ids: Any) -> KeysetPage:
        patient = patient_for(request.actor, ids["patient_id"])
        page = page_of(
            request, self.filtered(request, Observation.objects.filter(patient=patient)), by="taken_at"
        )
        results = opened_results(request.actor, patient, page.rows)
        return KeysetPage([shown_of(result) for result in results], page.cursor)

    def done(self, request: ApiRequest, said: Mapping[str, Any], **ids: Any) -> UUID | None:
        """Raises ReportChanged, TakenInTheFuture, TakenBeforeBirth, RecordClosed."""
        patient = patient_for(request.actor, ids["patient_id"])
        identifier = said["identifier"]
        observation = file_observation(
            patient,
            identifier["system"],
            said.get("report") or identifier["value"],
            parsed(said),
            by=request.actor,
            at=timezone.now(),
        )
        return observation.pk

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return observation(request, ids["patient_id"], made or UUID(int=0))


class OneObservation(ApiView):
    operations = {
        "GET": Operation(
            says="One result.",
            scope=ApiScope.OBSERVATIONS_READ,
            purpose=Purpose.CARE,
            kind=Kind.VIEWED,
            gives=ObservationShown,
        )
    }

    def shown(
        self, request: ApiRequest, made: UUID | None, said: Mapping[str, Any], **ids: Any
    ) -> Shown[dict[str, Any]]:
        return observation(request, ids["patient_id"], ids["observation_id"])


def observation(request: ApiRequest, patient_id: UUID, observation_id: UUID) -> Shown[dict[str, Any]]:
    """Raises PatientNotFound, ObservationNotFound."""
    patient = patient_for(request.actor, patient_id)
    rows = Observation.objects.filter(patient=patient, pk=observation_id)
    result = next(iter(opened_results(request.actor, patient, rows)), None)
    if result is None:
        raise ObservationNotFound
    return Shown(
        thing=shown_of(result), address=reverse("api:observation", args=[patient_id, observation_id])
    )


def shown_of(result: Result) -> dict[str, Any]:
    """A result in FHIR's words."""
    indicator, detail = result.indicator, result.detail
    coding = [
        {"system": system, "code": code, "display": display}
        for system, code, display in detail.facts.get("codes", [])
    ]
    if indicator is not None and all(one["system"] != INDICATOR_SYSTEM for one in coding):
        coding.append({"system": INDICATOR_SYSTEM, "code": indicator.key, "display": indicator.name})
    quantity = None
    if indicator is not None and detail.value is not None:
        quantity = {
            "value": f"{detail.value:f}",
            "unit": indicator.unit,
            "code": indicator.ucum,
            "comparator": detail.comparator.value,
        }
    return {
        "id": result.id,
        "report": result.report_id,
        "code": {"coding": coding, "text": result.name},
        "effective_date_time": result.taken_at,
        "value_quantity": quantity,
        "value_string": result.printed,
        "interpretation": result.flag.value,
        "reference_range": result.reference,
        "data_absent_reason": "error" if result.unreadable else None,
    }


def parsed(said: Mapping[str, Any]) -> ParsedObservation:
    """What was sent as a reader of files would hand it over: as printed, nothing interpreted."""
    code = said["code"]
    value: PrintedValue = (
        printed_number(said["value_quantity"])
        if "value_quantity" in said
        else PrintedText(said["value_string"])
    )
    return ParsedObservation(
        source_id=said["identifier"]["value"],
        codings=tuple(Coding(one["system"], one["code"], one.get("display", "")) for one in code["coding"]),
        name=code.get("text") or code["coding"][0].get("display") or code["coding"][0]["code"],
        taken_at=said["effective_date_time"],
        value=value,
        range=printed_range(said["reference_range"]) if "reference_range" in said else None,
    )


def printed_number(said: Mapping[str, Any]) -> PrintedNumber:
    number: Decimal = said["value"]
    return PrintedNumber(
        text=f"{number:f}",
        number=number,
        unit=said.get("unit", ""),
        unit_code=said.get("code", ""),
        comparator=Comparator(said.get("comparator", "")),
    )


def printed_range(said: Mapping[str, Any]) -> PrintedRange:
    return PrintedRange(
        low=printed_number(said["low"]) if "low" in said else None,
        high=printed_number(said["high"]) if "high" in said else None,
        text=said.get("text", ""),
    )
