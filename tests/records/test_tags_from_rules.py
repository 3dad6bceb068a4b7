"""Rules set and end tags on a chart, only where the patient permits it, and say why."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.participation import call
from audit.purposes import Purpose
from consent.choices import GivenThrough
from consent.services import withdraw_consent, would_stop
from patients.errors import PatientNotFound
from patients.models import Patient, PatientTag
from patients.queries import ShownTag, tags_of
from records.choices import Cause
from records.models import RecordsChange
from records.parsed import ParsedObservation
from records.participation import on_granted
from records.services import TagChange, apply_rules, file_report
from tests.factories.consent import ConsentFactory
from tests.factories.records import NOW, TAKEN_AT, parsed, parsed_report, printed_number

pytestmark = pytest.mark.django_db
PERMITTED_AT = NOW - timedelta(days=10)


@pytest.fixture
def permitted(patient: Patient, at_work: Actor) -> Patient:
    """The patient agreed to care and to automatic tags."""
    for purpose in (Purpose.CARE, Purpose.RISK):
        ConsentFactory(patient, purpose, by=at_work, at=PERMITTED_AT)
    return patient


@pytest.fixture
def rules(house: Actor, at_work: Actor) -> Iterator[Actor]:
    with acting(house):
        yield house


def file(
    patient: Patient, by: Actor, *results: ParsedObservation, number: str = "visit-1", at: datetime = NOW
) -> None:
    file_report(patient, parsed_report(*results, source_id=number), by=by, at=at)


def shown(patient: Patient, actor: Actor) -> dict[str, ShownTag]:
    with access(Purpose.CARE, Kind.VIEWED):
        return {tag.code: tag for tag in tags_of(actor, patient)}


def ldl(value: str, *, taken_at: datetime = TAKEN_AT) -> ParsedObservation:
    return parsed("ldl", printed_number(value), taken_at=taken_at)


def test_a_high_value_sets_its_tag_with_the_value_its_date_and_the_rules_version(
    permitted: Patient, rules: Actor
) -> None:
    file(permitted, rules, ldl("4.35"))
    changes = apply_rules(permitted.pk, at=NOW, by=rules)
    assert changes == [TagChange(code="lipid_high_ldl", is_set=True)]
    tag = shown(permitted, rules)["lipid_high_ldl"]
    assert tag.rule_version == "1"
    [evidence] = tag.facts["evidence"]
    assert (evidence["value"], evidence["unit"], evidence["test"]) == ("4.35", "mmol/L", ">= 4.1")
    assert evidence["taken_at"] == TAKEN_AT.isoformat()
    assert evidence["name_zh"] == "低密度脂蛋白胆固醇"


def test_the_same_facts_again_change_nothing(permitted: Patient, rules: Actor) -> None:
    file(permitted, rules, ldl("4.35"))
    apply_rules(permitted.pk, at=NOW, by=rules)
    assert apply_rules(permitted.pk, at=NOW + timedelta(hours=1), by=rules) == []
    assert PatientTag.objects.count() == 1


def test_a_later_usual_value_ends_the_tag(permitted: Patient, rules: Actor) -> None:
    file(permitted, rules, ldl("4.35", taken_at=TAKEN_AT - timedelta(days=90)), at=NOW - timedelta(days=80))
    apply_rules(permitted.pk, at=NOW - timedelta(days=8), by=rules)
    file(permitted, rules, ldl("2.90"), number="visit-2")
    assert apply_rules(permitted.pk, at=NOW, by=rules) == [TagChange(code="lipid_high_ldl", is_set=False)]
    assert shown(permitted, rules) == {}


def test_a_value_that_grew_too_old_leaves_the_tag_where_it_is(permitted: Patient, rules: Actor) -> None:
    file(permitted, rules, ldl("4.35"))
    apply_rules(permitted.pk, at=NOW, by=rules)
    later = NOW + timedelta(days=300)
    ConsentFactory(permitted, Purpose.RISK, by=rules, at=later)
    ConsentFactory(permitted, Purpose.CARE, by=rules, at=later)
    assert apply_rules(permitted.pk, at=NOW + timedelta(days=400), by=rules) == []
    assert "lipid_high_ldl" in shown(permitted, rules)


def test_without_the_permission_nothing_is_looked_at_and_nothing_set(patient: Patient, rules: Actor) -> None:
    file(patient, rules, ldl("4.35"))
    assert apply_rules(patient.pk, at=NOW, by=rules) == []
    assert PatientTag.objects.count() == 0
    assert not AuditEvent.objects.filter(purpose=Purpose.RISK).exists()


@pytest.mark.requirement("PIPL-24c")
def test_withdrawing_the_permission_takes_rule_tags_off_and_says_so(
    permitted: Patient, rules: Actor, nurse: Actor
) -> None:
    file(permitted, rules, ldl("4.35"), parsed("cea", printed_number("6.1", "ng/mL")))
    apply_rules(permitted.pk, at=NOW, by=rules)
    assert len(shown(permitted, rules)) == 2
    expected = would_stop(permitted, Purpose.RISK, NOW)
    withdrawal = withdraw_consent(permitted, Purpose.RISK, by=nurse, at=NOW, given_through=GivenThrough.DESK)
    assert [str(stopped) for stopped in withdrawal.stopped] == [str(stopped) for stopped in expected]
    assert [stopped.words.zh for stopped in withdrawal.stopped] == ["2 个自动标签"]
    assert shown(permitted, rules) == {}
    assert apply_rules(permitted.pk, at=NOW, by=rules) == []


def test_withdrawing_another_permission_leaves_the_tags(permitted: Patient, rules: Actor) -> None:
    file(permitted, rules, ldl("4.35"))
    apply_rules(permitted.pk, at=NOW, by=rules)
    call("on_withdrawn", patient_id=permitted.pk, purpose=Purpose.FOLLOWUP, at=NOW)
    assert "lipid_high_ldl" in shown(permitted, rules)


def test_a_permission_given_later_makes_what_is_known_news(patient: Patient, rules: Actor) -> None:
    on_granted(patient_id=patient.pk, purpose=Purpose.RISK, at=NOW)
    on_granted(patient_id=patient.pk, purpose=Purpose.FOLLOWUP, at=NOW)
    assert [change.cause for change in RecordsChange.objects.all()] == [Cause.CONSENT_GIVEN]


def test_a_tag_that_sealed_items_feed_is_sealed_with_its_code_and_reason(
    permitted: Patient, rules: Actor
) -> None:
    file(permitted, rules, parsed("cea", printed_number("6.1", "ng/mL")))
    assert apply_rules(permitted.pk, at=NOW, by=rules) == [
        TagChange(code="tumour_marker_recheck", is_set=True)
    ]
    assert shown(permitted, rules)["tumour_marker_recheck"].sealed
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, '') FROM patients_patienttag t")
        (plain,) = cursor.fetchone()
    assert "tumour" not in plain
    assert '"cea"' not in plain  # quoted: ciphertext in hex may hold the letters by chance


def test_an_implausible_value_sets_nothing(permitted: Patient, rules: Actor) -> None:
    file(permitted, rules, parsed("bmi", printed_number("290", "kg/m²")))
    assert apply_rules(permitted.pk, at=NOW, by=rules) == []


def test_a_critical_rule_says_what_must_happen(permitted: Patient, rules: Actor) -> None:
    now = NOW - timedelta(hours=2)
    file(
        permitted,
        rules,
        parsed("sbp", printed_number("186", "mmHg"), taken_at=now),
        parsed("dbp", printed_number("95", "mmHg"), taken_at=now),
    )
    [change] = apply_rules(permitted.pk, at=NOW, by=rules)
    assert (change.code, change.action) == ("bp_critical", "remeasure_then_class_A")


def test_a_patient_nobody_may_see_is_not_looked_at(permitted: Patient, rules: Actor) -> None:
    permitted.restricted_at = NOW
    permitted.save(update_fields=["restricted_at"])
    with pytest.raises(PatientNotFound):
        apply_rules(permitted.pk, at=NOW, by=rules)


def test_the_look_is_one_computed_event_for_risk(permitted: Patient, rules: Actor) -> None:
    file(permitted, rules, ldl("4.35"))
    apply_rules(permitted.pk, at=NOW, by=rules)
    event = AuditEvent.objects.get(purpose=Purpose.RISK, kind=Kind.COMPUTED)
    assert event.actor_ref == "system:records"


def test_a_value_converted_from_other_units_is_judged_unrounded(permitted: Patient, rules: Actor) -> None:
    assert Decimal("158.5") * Decimal("0.02586") < Decimal("4.1")
    file(permitted, rules, parsed("ldl", printed_number("158.5", "mg/dL")))
    assert apply_rules(permitted.pk, at=NOW, by=rules) == []
