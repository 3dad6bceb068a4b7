"""A person's record as a FHIR R4 Bundle: who they are, what was measured, what they permitted. For them to take along.

What `parse_bundle` reads, this writes: another house of ours, or anybody who knows FHIR, reads it in. Numbers leave digit for digit
as they were printed.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from clinics.models import Clinic
from crypto.reading import Unreadable, shown
from exchange.fhir.consents import OURS, TERMINOLOGY, consents_of
from patients.models import Patient
from records.shown import Result

ID_CARD: Final = "urn:oid:2.16.156.10011.1.3"
UCUM: Final = "http://unitsofmeasure.org"
_DIGITS: Final = (
    "\x1f{}\x1f"  # a text that becomes a number once the rest is written: a float would lose digits
)
_AS_DIGITS: Final = re.compile(r'"\\u001f(-?[0-9]+(?:\.[0-9]+)?)\\u001f"')


def record_of(clinic: Clinic, patient: Patient, results: Sequence[Result], at: datetime) -> dict[str, Any]:
    """The Bundle. `results` are those its reader may have; what cannot be read says so. Inside an access scope."""
    consents = consents_of(clinic, patient, at)
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": {"source": f"{OURS}:clinic:{clinic.pk}"},
        "timestamp": at.isoformat(),
        "entry": [
            entry(patient.subject_id, _person(patient)),
            *(entry(result.id, _observation(result, patient)) for result in results),
            *_reports(results, patient),
            *consents["entry"],
        ],
    }


def as_json(bundle: Mapping[str, Any]) -> str:
    """The text of the file."""
    return _AS_DIGITS.sub(r"\1", json.dumps(bundle, ensure_ascii=False, indent=1))


def entry(number: object, resource: dict[str, Any]) -> dict[str, Any]:
    """One resource in its place in a Bundle."""
    return {"fullUrl": f"urn:uuid:{number}", "resource": {**resource, "id": str(number)}}


def _person(patient: Patient) -> dict[str, Any]:
    said = {part: _read(patient, part) for part in ("name", "birth_date", "id_number", "phone", "email")}
    identifiers = [{"system": f"{OURS}:service-number", "value": patient.service_number}]
    if said["id_number"]:
        identifiers.append({"system": ID_CARD, "value": said["id_number"]})
    return _without_nothing(
        {
            "resourceType": "Patient",
            "identifier": identifiers,
            "name": [{"text": said["name"]}] if said["name"] else None,
            "telecom": [
                {"system": system, "value": said[system]} for system in ("phone", "email") if said[system]
            ],
            "gender": patient.sex,
            "birthDate": said["birth_date"],
        }
    )


def _read(patient: Patient, part: str) -> str | None:
    value = shown(lambda: patient.identity.read(part))
    return None if isinstance(value, Unreadable) else value


def _observation(result: Result, patient: Patient) -> dict[str, Any]:
    facts = result.detail.facts
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "status": facts.get("status", "final"),
        "code": _concept(facts.get("codes", []), result.name),
        "subject": {"reference": f"urn:uuid:{patient.subject_id}"},
        "effectiveDateTime": result.taken_at.isoformat(),
        **_value(facts.get("printed", {})),
    }
    if facts.get("printed_range"):
        resource["referenceRange"] = [_range(facts["printed_range"])]
    if facts.get("printed_flag"):
        resource["interpretation"] = [{"text": facts["printed_flag"]}]
    return resource


def _value(printed: Mapping[str, Any]) -> dict[str, Any]:
    match printed.get("kind"):
        case "number":
            return {"valueQuantity": _quantity(printed)}
        case "codes":
            return {"valueCodeableConcept": _concept(printed.get("codes", []), printed.get("text", ""))}
        case "text":
            return {"valueString": printed["text"]}
    return {"dataAbsentReason": _concept([[f"{TERMINOLOGY}/data-absent-reason", "error", ""]], "")}


def _quantity(printed: Mapping[str, Any]) -> dict[str, Any]:
    code = printed.get("unit_code")
    return _without_nothing(
        {
            "value": _DIGITS.format(format(Decimal(printed["text"]), "f")),
            "comparator": printed.get("sign"),
            "unit": printed.get("unit"),
            "system": UCUM if code else None,
            "code": code,
        }
    )


def _range(printed: Mapping[str, Any]) -> dict[str, Any]:
    edges = {name: _quantity(printed[name]) for name in ("low", "high") if name in printed}
    return _without_nothing({**edges, "text": printed.get("text")})


def _reports(results: Sequence[Result], patient: Patient) -> Iterable[dict[str, Any]]:
    """One for each occasion, with what was measured on it."""
    occasions: dict[Any, list[Result]] = {}
    for result in results:
        occasions.setdefault(result.report_id, []).append(result)
    for report_id, measured in occasions.items():
        yield entry(
            report_id,
            {
                "resourceType": "DiagnosticReport",
                "status": "final",
                "code": {"text": measured[0].taken_at.date().isoformat()},
                "subject": {"reference": f"urn:uuid:{patient.subject_id}"},
                "effectiveDateTime": measured[0].taken_at.isoformat(),
                "result": [{"reference": f"urn:uuid:{result.id}"} for result in measured],
            },
        )


def _concept(codes: Sequence[Sequence[str]], text: str) -> dict[str, Any]:
    codings = [
        _without_nothing({"system": system, "code": code, "display": display})
        for system, code, display in codes
    ]
    return _without_nothing({"coding": codings, "text": text})


def _without_nothing(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value not in (None, "", [], {})}
