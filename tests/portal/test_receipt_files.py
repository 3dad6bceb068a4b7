"""What a person takes away proves what they said, to anybody, without us; and is a FHIR Consent for programs."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client
from fhir.resources.R4B.bundle import Bundle

from audit.acting import acting
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough
from consent.models import ConsentEvent
from consent.services import withdraw_consent
from tests.audit.conftest import log_keys as log_keys
from tests.audit.outside import problems, verify
from tests.audit.sealing import seal
from tests.factories.consent import MONDAY, ConsentFactory
from tests.portal.conftest import Person, Register, system

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("log_keys")]


def said(person: Person, clinic: Clinic) -> ConsentEvent:
    """The person agreed to reminders, and took it back."""
    with acting(system(clinic)):
        events = ConsentFactory(person.patient, Purpose.FOLLOWUP, by=system(clinic))
        withdraw_consent(
            person.patient,
            Purpose.FOLLOWUP,
            by=system(clinic),
            at=MONDAY,
            given_through=GivenThrough.PORTAL,
        )
    return events[0]


@pytest.mark.requirement("PIPL-69")
def test_a_receipt_is_verified_outside_and_a_changed_one_is_found(
    person: Person, clinic: Clinic, phone_client: Client, tmp_path: Path
) -> None:
    event = said(person, clinic)
    address = f"/p/east/history/{event.pk}/receipt.json"
    assert phone_client.get(address).json()["proof"] is None
    seal()
    receipt = phone_client.get(address).json()
    assert receipt["schema_version"] == "ISO/IEC TS 27560:2023"
    assert [one["event_state"] for one in receipt["events"]] == ["consent given"] * 2
    assert receipt["pii_processing"][0]["privacy_notice"]["sha256"]
    assert "邓淑英" not in json.dumps(receipt, ensure_ascii=False)
    kept = tmp_path / "receipt.json"
    kept.write_text(json.dumps(receipt), "utf-8")
    assert verify(kept)[0] == 0
    for part, forged in (
        ("the purpose", {"pii_processing": [{**receipt["pii_processing"][0], "purpose": "marketing"}]}),
        ("who it is about", {"pii_principal_id": f"urn:uuid:{uuid4()}"}),
        ("how many lines", {"events": receipt["events"][:1]}),
        ("what was said", {"events": [{**e, "event_type": "refused"} for e in receipt["events"]]}),
    ):
        kept.write_text(json.dumps({**receipt, **forged}), "utf-8")
        status, words = verify(kept)
        assert status == 1, part
        assert problems(words) == [f"receipt.json: says otherwise than the entry of the log: {part}"]
    kept.write_text(json.dumps({**receipt, "proof": None}), "utf-8")
    assert verify(kept)[0] == 2


def test_somebody_elses_receipt_is_not_there(
    person: Person, clinic: Clinic, register: Register, client: Client
) -> None:
    event = said(person, clinic)
    client.force_login(register(clinic, phone="+8613800000002", name="王建国").user)
    assert client.get(f"/p/east/history/{event.pk}/receipt.json").status_code == 404
    assert client.get("/p/east/history/consents.json").json()["entry"] == []


@pytest.mark.requirement("PIPL-45a")
def test_everything_said_is_a_bundle_of_fhir_consents(
    person: Person, clinic: Clinic, phone_client: Client
) -> None:
    said(person, clinic)
    bundle = phone_client.get("/p/east/history/consents.json").json()
    Bundle.model_validate(bundle)
    given, withdrawn = (entry["resource"] for entry in bundle["entry"])
    assert (given["status"], given["provision"]["type"]) == ("active", "permit")
    assert (withdrawn["status"], withdrawn["provision"]["type"]) == ("inactive", "deny")
    assert [one["code"] for one in given["provision"]["class"]] == ["attr", "care"]
