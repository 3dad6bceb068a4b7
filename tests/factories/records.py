"""Reports for tests: whole bundles from `tests/fixtures/fhir`, and the dullest valid parts. Every person in them is invented."""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from records.catalogue import INDICATOR_SYSTEM, LOINC
from records.parsed import Coding, ParsedObservation, ParsedReport, PrintedNumber, PrintedRange, PrintedValue
from records.units import UCUM
from records.values import Comparator

FIXTURES = Path(__file__).parents[1] / "fixtures" / "fhir"
SAMPLES = (
    Path(os.environ.get("ZHIZHI_SAMPLES") or Path(__file__).parents[3] / "shared" / "samples")
    / "fhir-synthea"
)
TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
TAKEN_AT = datetime(2026, 11, 19, 0, 20, tzinfo=UTC)

_RELATIVE_DAY = re.compile(r'"@(-?\d+)d(T[0-9:]+)?"')


def fixture(name: str, *, on: date = TODAY) -> bytes:
    """A bundle of the fixtures. Its days are written as distances from `on`: "@-2dT08:20" is two days before, 08:20 in China."""
    text = (FIXTURES / f"{name}.json").read_text(encoding="utf-8")
    return _RELATIVE_DAY.sub(lambda found: f'"{_day(on, found)}"', text).encode()


def _day(on: date, found: re.Match[str]) -> str:
    day = (on + timedelta(days=int(found[1]))).isoformat()
    return f"{day}{found[2]}:00+08:00" if found[2] else day


def concept(code: str, name: str = "", system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": name}], "text": name or code}


def quantity(value: float | int, unit: str, code: str = "") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


def patient_resource(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "person",
        "name": [{"family": "陈", "given": ["雅琴"]}],
        "gender": "female",
        "birthDate": "1968-05-17",
        **changes,
    }


def observation_resource(source_id: str = "ldl", **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": source_id,
        "status": "final",
        "code": concept("13457-7", "LDL-C"),
        "subject": {"reference": "urn:uuid:person"},
        "effectiveDateTime": "2026-11-19T08:20:00+08:00",
        "valueQuantity": quantity(3.1, "mmol/L"),
        **changes,
    }


def without(resource: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in names}


def bundle(*resources: Mapping[str, Any], patient: Mapping[str, Any] | None = None, **changes: Any) -> bytes:
    """A bundle of one patient and these resources, each found by `urn:uuid:` and its id."""
    whole = [patient if patient is not None else patient_resource(), *(resources or [observation_resource()])]
    entries = [
        {"fullUrl": f"urn:uuid:{resource.get('id', place)}", "resource": resource}
        for place, resource in enumerate(whole)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **changes}).encode()


def printed_number(text: str, unit: str = "mmol/L", *, sign: str = "", unit_code: str = "") -> PrintedNumber:
    return PrintedNumber(
        text=text, number=Decimal(text), unit=unit, unit_code=unit_code, comparator=Comparator(sign)
    )


def printed_range(
    low: str | None = None, high: str | None = None, *, unit: str = "", text: str = ""
) -> PrintedRange:
    return PrintedRange(
        low=printed_number(low, unit) if low else None,
        high=printed_number(high, unit) if high else None,
        text=text,
    )


def parsed(key: str, value: PrintedValue, **changes: Any) -> ParsedObservation:
    """A result of an indicator of our catalogue; `codings` and everything else may be named."""
    facts: dict[str, Any] = {
        "source_id": key,
        "codings": (Coding(INDICATOR_SYSTEM, key),),
        "name": key,
        "taken_at": TAKEN_AT,
        "value": value,
    }
    return ParsedObservation(**{**facts, **changes})


def parsed_report(*observations: ParsedObservation, **changes: Any) -> ParsedReport:
    """A report of these results, by default one LDL cholesterol in range."""
    found = observations or (parsed("ldl", printed_number("3.10")),)
    facts: dict[str, Any] = {
        "source_system": "urn:invented:lab",
        "source_id": "visit-1",
        "taken_at": min(observation.taken_at for observation in found),
        "observations": found,
    }
    return ParsedReport(**{**facts, **changes})
