"""The receipt of one thing a person said: a record in the shape of ISO/IEC TS 27560, with the proof that it stands in the log.

Whoever holds it needs nothing of ours: `tools/verify_audit.py` reads it without a network. It names the person by their
pseudonym alone. Sections and words as in the guide of the W3C's DPVCG to ISO/IEC TS 27560:2023.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from audit.errors import NotSealedYet
from audit.models import AuditEvent
from audit.proofs import proof_of
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import EventKind
from consent.models import ConsentEvent
from consent.purposes import PurposeRule, data_categories, rule_of
from consent.queries import said_of
from patients.models import Patient

SCHEMA: Final = "ISO/IEC TS 27560:2023"
SENSITIVE: Final = frozenset({"L4", "L5"})
STATES: Final = {
    EventKind.REQUESTED: "consent requested",
    EventKind.GRANTED: "consent given",
    EventKind.RENEWED: "consent given again",
    EventKind.REFUSED: "consent refused",
    EventKind.WITHDRAWN: "consent withdrawn",
    EventKind.EXPIRED: "consent expired",
    EventKind.INVALIDATED: "consent invalidated",
    EventKind.SUPERSEDED: "consent superseded",
}


def lines_of_deed(patient: Patient, event_id: UUID) -> tuple[ConsentEvent, ...]:
    """The lines that one deed left, found by any of them; none for anybody else's. Two statements."""
    ledger = said_of(patient).select_related("notice")
    line = ledger.filter(pk=event_id).first()
    if line is None:
        return ()
    deed = line.idem_key.rsplit(":", 2)[0]  # the last two parts are the kind of data and the operation
    return tuple(
        ledger.filter(idem_key__startswith=f"{deed}:").order_by("data_category", "operation", "channel")
    )


def receipt_of(clinic: Clinic, lines: Sequence[ConsentEvent]) -> dict[str, Any]:
    """The receipt of the lines of one deed, ready for JSON. `proof` is None until the log has been sealed beyond it."""
    first = lines[0]
    rule = rule_of(Purpose(first.purpose))
    return {
        "schema_version": SCHEMA,
        "record_id": f"urn:uuid:{first.pk}",
        "pii_principal_id": f"urn:uuid:{first.subject_id}",
        "pii_processing": [_processing(clinic, rule, lines)],
        "party_identification": [
            {
                "party_id": f"urn:uuid:{clinic.pk}",
                "party_role": "PII controller",
                "party_name": clinic.name,
                "party_contact": clinic.phone,
            }
        ],
        "events": [_event(line) for line in lines],
        "proof": _proof(lines),
    }


def _processing(clinic: Clinic, rule: PurposeRule, lines: Sequence[ConsentEvent]) -> dict[str, Any]:
    first = lines[0]
    return {
        "privacy_notice": _notice(clinic, first),
        "purpose": rule.purpose.value,
        "purpose_description": {"zh": rule.what.zh, "en": rule.what.en},
        "lawful_basis": first.legal_basis,
        "lawful_basis_articles": f"PIPL {rule.article}",
        "pii_information": [
            {
                "pii_type": code,
                "pii_name": {"zh": data_categories()[code].name.zh, "en": data_categories()[code].name.en},
                "sensitive_pii": data_categories()[code].level in SENSITIVE,
            }
            for code in dict.fromkeys(line.data_category for line in lines)
        ],
        "processing_methods": list(dict.fromkeys(line.operation for line in lines)),
        "recipients": [kind.code for kind in rule.recipients],
        "recipient": first.recipient,
        "jurisdiction": "CN",
        "storage_location": "CN",
        "withdrawal_method": f"{settings.PUBLIC_URL}/p/{clinic.code}/permissions/{rule.purpose}/",
        "on_withdrawal": {"zh": rule.if_withdrawn.zh, "en": rule.if_withdrawn.en},
    }


def _notice(clinic: Clinic, line: ConsentEvent) -> dict[str, Any] | None:
    notice = line.notice
    if notice is None:
        return None
    address = f"{settings.PUBLIC_URL}/p/{clinic.code}/notices/{notice.code}/{notice.version}/{notice.locale}/"
    return {
        "address": address,
        "version": notice.version,
        "language": notice.locale,
        "sha256": bytes(notice.body_sha256).hex(),
    }


def _event(line: ConsentEvent) -> dict[str, Any]:
    return {
        "event_id": f"urn:uuid:{line.pk}",
        "event_time": line.occurred_at.isoformat(),
        "event_state": STATES[EventKind(line.event)],
        "event_type": line.event,
        "pii_type": line.data_category,
        "processing_method": line.operation,
        "channel": line.channel,
        "valid_from": line.valid_from.isoformat(),
        "valid_until": line.valid_until.isoformat() if line.valid_until else None,
        "entity": line.expressed_by,
        "method": line.method,
        "given_through": line.given_through,
    }


def _proof(lines: Sequence[ConsentEvent]) -> str | None:
    entry = AuditEvent.objects.filter(
        consent_decision__in=[line.pk for line in lines], action=f"consent.{lines[0].event}"
    ).first()
    try:
        return proof_of(entry.uid) if entry else None
    except NotSealedYet:
        return None
