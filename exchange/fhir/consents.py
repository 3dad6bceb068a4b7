"""Permissions as FHIR R4 Consent, one resource for each thing that was said; codes of HL7's systems, and our own for our words."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import EventKind, Operation
from consent.models import ConsentEvent
from consent.purposes import data_categories, rule_of
from consent.queries import said_of
from patients.models import Patient

TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
OURS: Final = "urn:zhizhi"
STATUS: Final = {
    EventKind.REQUESTED: "proposed",
    EventKind.GRANTED: "active",
    EventKind.RENEWED: "active",
    EventKind.REFUSED: "rejected",
    EventKind.WITHDRAWN: "inactive",
    EventKind.EXPIRED: "inactive",
    EventKind.INVALIDATED: "entered-in-error",
    EventKind.SUPERSEDED: "inactive",
}
ACTIONS: Final = {
    Operation.USE: "use",
    Operation.SHARE: "disclose",
    Operation.PUBLISH: "disclose",
    Operation.CROSSBORDER: "disclose",
    Operation.AUTOMATED: "use",
}


def consents_of(clinic: Clinic, patient: Patient, at: datetime) -> dict[str, Any]:
    """Everything the person said, oldest first, as a Bundle of type collection."""
    ledger = said_of(patient).select_related("notice")
    ordered = ledger.order_by("occurred_at", "idem_key")
    deeds = [
        list(lines) for _deed, lines in groupby(ordered, key=lambda line: line.idem_key.rsplit(":", 2)[0])
    ]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": at.isoformat(),
        "entry": [_entry(consent_resource(clinic, lines)) for lines in deeds],
    }


def consent_resource(clinic: Clinic, lines: Sequence[ConsentEvent]) -> dict[str, Any]:
    """One deed as a resource: dictionaries, lists and texts alone, ready for JSON."""
    first = lines[0]
    event, rule = EventKind(first.event), rule_of(Purpose(first.purpose))
    says_yes = event in (EventKind.GRANTED, EventKind.RENEWED)
    resource: dict[str, Any] = {
        "resourceType": "Consent",
        "id": str(first.pk),
        "status": STATUS[event],
        "scope": _concept(f"{TERMINOLOGY}/consentscope", "patient-privacy"),
        "category": [_concept("http://loinc.org", "59284-0")],
        "patient": {"identifier": {"system": f"{OURS}:subject", "value": str(first.subject_id)}},
        "dateTime": first.occurred_at.isoformat(),
        "organization": [
            {"identifier": {"system": f"{OURS}:clinic", "value": str(clinic.pk)}, "display": clinic.name}
        ],
        "policy": [{"authority": "http://www.npc.gov.cn", "uri": f"urn:zhizhi:pipl:{rule.article}"}],
        "provision": {
            "type": "permit" if says_yes else "deny",
            "period": _period(first.valid_from, first.valid_until),
            "purpose": [_coding(f"{OURS}:purpose", first.purpose)],
            "class": [
                {**_coding(f"{OURS}:category", code), "display": data_categories()[code].name.en}
                for code in _each(line.data_category for line in lines)
            ],
            "action": [
                _concept(f"{TERMINOLOGY}/consentaction", code)
                for code in _each(ACTIONS[Operation(line.operation)] for line in lines)
            ],
        },
    }
    if first.recipient != "self":
        resource["provision"]["actor"] = [
            {
                "role": _concept(f"{TERMINOLOGY}/v3-ParticipationType", "IRCP"),
                "reference": {"identifier": {"system": f"{OURS}:recipient", "value": first.recipient}},
            }
        ]
    if first.notice is not None:
        resource["sourceAttachment"] = {
            "contentType": "text/plain",
            "language": first.notice.locale,
            "title": first.notice.title,
        }
    return resource


def _entry(resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def _period(begins: datetime, ends: datetime | None) -> dict[str, str]:
    return {"start": begins.isoformat()} | ({"end": ends.isoformat()} if ends else {})


def _each(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(codes))


def _coding(system: str, code: str) -> dict[str, Any]:
    return {"system": system, "code": code}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [_coding(system, code)]}
