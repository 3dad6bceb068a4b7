"""Everything the clinic holds of a person leaves as one archive for them: to read, and for programs that read it in again."""

import io
import json
import zipfile
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from exchange.fhir import parse_bundle
from patients.choices import PortalRelation, TagLevel
from patients.services import TagDefinition, give_portal_access, set_rule_tag
from records.parsed import PrintedNumber
from tests.factories.consent import ConsentFactory
from tests.factories.followups import file_results, take
from tests.factories.patients import OPENED_AT
from tests.laid_out import laid_out
from tests.portal.conftest import Person, Register, about, system

pytestmark = pytest.mark.django_db
COPY = "/p/east/data/copy/"


@laid_out
def measured(person: Person, clinic: Clinic) -> Person:
    with acting(system(clinic)) as by:
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.RISK):
            ConsentFactory(person.patient, purpose, by=by, at=timezone.now())
        file_results(person.patient, by=by, at=timezone.now(), k="7.10", ldl="4.60")
    return person


@pytest.mark.requirement("PIPL-45a", "HIPAA-524/526")
def test_a_page_to_read_and_a_bundle_that_is_read_in_again_digit_for_digit(
    measured: Person, clinic: Clinic, phone_client: Client
) -> None:
    assert COPY in phone_client.get("/p/east/data/ask/copy/").content.decode()
    answer = phone_client.post(COPY, about(phone_client))
    files = zipfile.ZipFile(io.BytesIO(answer.content))
    page, bundle = files.read("record.html").decode(), files.read("record.json")

    assert "邓淑英" in page
    assert "<script" not in page
    found = parse_bundle(bundle)
    assert (found.person.name, found.person.phone) == ("邓淑英", "+8613800000001")
    values = [one.value for report in found.reports for one in report.observations]
    printed = {value.text: value for value in values if isinstance(value, PrintedNumber)}
    assert {"7.10", "4.60"} <= printed.keys()
    assert printed["7.10"].number == Decimal("7.10")
    assert b'"Consent"' in bundle
    with acting(system(clinic)):
        events = AuditEvent.objects.filter(
            action="access", kind="exported", actor_ref=f"user:{measured.user.pk}"
        )
        assert {event.purpose for event in events} == {"care"}


def test_marks_what_comes_up_and_what_was_asked_go_along(
    measured: Person, clinic: Clinic, phone_client: Client
) -> None:
    with acting(system(clinic)) as by, access(Purpose.RISK, Kind.COMPUTED):
        mark = TagDefinition(
            code="depression_screen_pos",
            name_zh="情绪筛查阳性",
            name_en="Mood screening positive",
            group="心理",
            level=TagLevel.WARN,
            sealed=True,
        )
        set_rule_tag(measured.patient, mark, reason={}, rule_version="1", at=OPENED_AT, by=by)
        take(clinic, timezone.now())
    phone_client.post("/p/east/data/ask/explain/", {**about(phone_client), "words": "这个指标是什么意思"})
    files = zipfile.ZipFile(io.BytesIO(phone_client.post(COPY, about(phone_client)).content))
    page, bundle = files.read("record.html").decode(), json.loads(files.read("record.json"))

    resources = {one["resource"]["resourceType"]: one["resource"] for one in bundle["entry"]}
    flags = [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Flag"]
    assert "情绪筛查阳性" in {flag["code"]["text"] for flag in flags}
    assert resources["Task"]["description"] == "这个指标是什么意思"
    (coming_up, *_others) = resources["CarePlan"]["activity"]
    for words in ("情绪筛查阳性", "这个指标是什么意思", coming_up["detail"]["code"]["text"]):
        assert words in page
    assert parse_bundle(files.read("record.json")).person.name == "邓淑英"


def test_looking_exports_nothing_and_a_proxy_takes_nothing_along(
    measured: Person, clinic: Clinic, register: Register
) -> None:
    daughter = register(clinic, phone="+8613800000002", name="邓小雨")
    with acting(system(clinic)) as by:
        give_portal_access(measured.patient, PortalRelation.PROXY, by, at=OPENED_AT, user=daughter.user)
    phone = Client()
    phone.force_login(daughter.user)
    phone.post("/p/east/people/", {"patient": str(measured.patient.pk)})
    assert phone.get(COPY).status_code == 405
    assert phone.post(COPY, about(phone)).status_code == 404
    assert COPY not in phone.get("/p/east/data/ask/copy/").content.decode()
