"""Entries of the log as FHIR R4 AuditEvent, one resource for each, for programs that read logs of several houses.

People are numbers as in the log itself: no name, no value. Systems: HL7's and DICOM's code systems, and our own for our words.
"""

from typing import Any, Final
from uuid import UUID

from audit.explorer import Told
from audit.kinds import SEEN, Kind
from audit.models import AuditEvent

DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
OURS: Final = "urn:zhizhi"
URI: Final = "urn:ietf:rfc:3986"  # the value is an address by itself: urn:uuid:…

PATIENT_RECORD: Final = ("110110", "Patient Record")
TYPES: Final[dict[str, tuple[str, str]]] = {
    Kind.EXPORTED: ("110106", "Export"),
    Kind.LISTED: ("110112", "Query"),
    Kind.MATCHED: ("110112", "Query"),
}
SIGNING_IN: Final = ("110114", "User Authentication")
LOG_USED: Final = ("110101", "Audit Log Used")
DEEDS: Final = {
    AuditEvent.Action.CREATE: "C",
    AuditEvent.Action.UPDATE: "U",
    AuditEvent.Action.DELETE: "D",
    AuditEvent.Action.ACCESS: "R",
}
OUTCOMES: Final = {
    "ok": "0",
    "refused": "4",
}  # success, minor failure; whatever else is "8": nothing came of it


def audit_event(told: Told) -> dict[str, Any]:
    """The entry as a resource. Dictionaries, lists and texts alone, ready for JSON."""
    entry = told.entry
    return {
        "resourceType": "AuditEvent",
        "id": entry["uid"],
        "type": _coding(DICOM, *_type(told)),
        "subtype": [_coding(f"{OURS}:action", entry["action"])]
        + ([_coding(f"{OURS}:kind", entry["kind"])] if entry["kind"] else []),
        "action": "R" if entry["kind"] in SEEN else DEEDS.get(entry["action"], "E"),
        "recorded": entry["at"],
        "outcome": OUTCOMES.get(entry["result"], "8"),
        **_said(
            "purposeOfEvent", [_concept(f"{OURS}:purpose", entry["purpose"])] if entry["purpose"] else []
        ),
        "agent": [_agent(entry)],
        "source": {
            "site": f"urn:uuid:{entry['log']}",
            "observer": _identified(f"{OURS}:log", entry["log"]),
            "type": [_coding(f"{TERMINOLOGY}/security-source-type", "4", "Application Server")],
        },
        **_said("entity", _entities(told)),
    }


def _type(told: Told) -> tuple[str, str]:
    action = told.event.action
    if action.startswith("account."):
        return SIGNING_IN
    if action == "log.viewed":
        return LOG_USED
    return TYPES.get(told.event.kind, PATIENT_RECORD)


def _agent(entry: dict[str, Any]) -> dict[str, Any]:
    kind, _colon, number = entry["actor"].partition(":")
    who = f"urn:uuid:{number}" if kind == "user" and _is_id(number) else entry["actor"]
    return {
        **_said("role", [_concept(f"{OURS}:role", role) for role in entry.get("roles", ())]),
        "who": _identified(URI if who.startswith("urn:") else f"{OURS}:actor", who),
        "requestor": True,
        **({"network": {"address": entry["address"], "type": "2"}} if entry["address"] else {}),
    }


def _entities(told: Told) -> list[dict[str, Any]]:
    """Whom it concerns, and which record it was about, with the names of the fields."""
    found: list[dict[str, Any]] = [
        {
            "what": _identified(URI, f"urn:uuid:{subject}"),
            "type": _coding(f"{TERMINOLOGY}/audit-entity-type", "1", "Person"),
            "role": _coding(f"{TERMINOLOGY}/object-role", "1", "Patient"),
        }
        for subject in told.subjects
    ]
    detail: list[Any] = [{"type": "field", "valueString": name} for name in told.fields]
    if told.entry["relation"]:
        detail.append({"type": "relation", "valueString": told.entry["relation"]})
    if told.entry["reason"]:
        detail.append({"type": "reason", "valueString": told.entry["reason"]})
    what = told.entry["object"]
    if what or detail:
        found.append(
            {
                **(
                    {"what": _identified(f"{OURS}:{what['type']}", what["id"] or what["type"])}
                    if what
                    else {}
                ),
                "type": _coding(f"{TERMINOLOGY}/audit-entity-type", "2", "System Object"),
                **_said("detail", detail),
            }
        )
    return found


def _said(name: str, values: list[Any]) -> dict[str, list[Any]]:
    """FHIR knows no empty list: an element without a value is left out."""
    return {name: values} if values else {}


def _coding(system: str, code: str, display: str = "") -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [_coding(system, code)]}


def _identified(system: str, value: str) -> dict[str, Any]:
    return {"identifier": {"system": system, "value": value}}


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
