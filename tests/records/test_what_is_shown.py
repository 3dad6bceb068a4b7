"""Results are shown with unit, time, source and the range in force then, and what is sealed whole only to whom it belongs."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.queries import patient_actor
from clinics.roles import Role
from patients.choices import PortalRelation
from patients.models import Patient
from patients.services import give_portal_access
from records.parsed import Coding, PrintedCodes, PrintedText
from records.queries import history_of, latest_results, results_table, timeline
from records.readings import SNOMED
from records.services import file_report
from records.shown import range_in_words
from records.values import Limits
from tests.factories.clinics import StaffFactory, StaffRoleFactory
from tests.factories.patients import PatientFactory
from tests.factories.records import NOW, TAKEN_AT, parsed, parsed_report, printed_number, printed_range
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
PAGE_QUERIES = 11  # however many results a page shows
NEVER = PrintedCodes((Coding(SNOMED, "266919005", "Never smoker"),), "Never smoker")


@laid_out
def filed(patient: Patient, nurse: Actor, clinic: Clinic) -> Patient:
    """Two years of results: lipids in two units, a critical potassium, an item sealed whole, an unknown one."""
    last_year = TAKEN_AT - timedelta(days=365)
    with acting(nurse, clinic.pk):
        before = parsed_report(
            parsed("ldl", printed_number("120", "mg/dL"), taken_at=last_year),
            parsed("k", printed_number("4.05"), taken_at=last_year),
            source_id="visit-0",
            title="年度健康体检",
        )
        now = parsed_report(
            parsed("ldl", printed_number("4.35"), range=printed_range(None, "3.37", unit="mmol/L")),
            parsed("k", printed_number("6.80")),
            parsed("hbsag", PrintedText("阳性")),
            parsed("tp", printed_number("71.2", "g/dL")),
            parsed("smoking_status", NEVER),
            parsed(
                "x",
                printed_number("23.1", "μg/L"),
                codings=(Coding("urn:lab", "LX-0417"),),
                name="骨碱性磷酸酶",
                range=printed_range("11.4", "24.6"),
            ),
            title="年度健康体检",
        )
        for report in (before, now):
            file_report(patient, report, by=nurse, at=NOW)
    return patient


def test_the_table_puts_items_in_rows_and_days_in_columns(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        table = results_table(at_work, filed)
        rows = {row.indicator.key: [cell.value if cell else None for cell in row.cells] for row in table.rows}
    assert [day.isoformat() for day in table.days] == ["2025-11-19", "2026-11-19"]
    assert rows["ldl"] == ["3.10", "4.35"]
    assert rows["hbsag"] == [None, "阳性"]
    assert [panel.group.name_zh for panel in table.panels] == [
        "血脂",
        "肝功",
        "电解质",
        "评估与生活方式",
        "感染标志物",
    ]
    assert [result.name for result in table.uncatalogued] == ["骨碱性磷酸酶"]


def test_what_is_out_of_range_now_stands_first_by_gravity(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        out = results_table(at_work, filed).newest_out_of_range
        assert [row.indicator.key for row in out] == ["k", "ldl", "hbsag"]


def test_a_value_says_what_stands_behind_it(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        newest, oldest = history_of(at_work, filed, "ldl")
    assert (newest.value, newest.unit, newest.reference) == ("4.35", "mmol/L", "≤\u00a03.37")
    assert newest.detail.reference_is_printed
    assert oldest.printed == "120\u00a0mg/dL"
    assert "×0.02586" in oldest.explanation
    assert oldest.printed in oldest.explanation


def test_an_implausible_value_is_shown_and_doubted(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        [result] = history_of(at_work, filed, "tp")
    assert result.value == "712.0"
    assert result.implausible
    assert result.printed in result.explanation


def test_an_uncatalogued_result_is_shown_as_printed_with_the_reason(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        [result] = results_table(at_work, filed).uncatalogued
    assert (result.printed, result.printed_reference, result.code) == (
        "23.1\u00a0μg/L",
        "11.4–24.6",
        "LX-0417",
    )
    assert result.why_uncatalogued is not None


def test_the_newest_result_of_every_item_is_found_sealed_ones_too(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        found = {result.detail.facts["indicator"]: result.value for result in latest_results(at_work, filed)}
    assert found["ldl"] == "4.35"
    assert found["smoking_status"] in {"从不吸烟", "Never smoked"}
    assert "hbsag" in found


def test_the_time_line_tells_reports_and_counts(filed: Patient, at_work: Actor) -> None:
    with access(Purpose.CARE, Kind.VIEWED):
        now, before = timeline(at_work, filed)
    assert (now.title, now.counts.stored, now.counts.critical, now.counts.uncatalogued_count) == (
        "年度健康体检",
        6,
        1,
        1,
    )
    assert before.counts.stored == 2


@pytest.mark.parametrize(("relation", "sees"), [(PortalRelation.SELF, True), (PortalRelation.PROXY, False)])
def test_items_sealed_whole_are_for_the_person_and_not_for_a_proxy(
    filed: Patient, nurse: Actor, clinic: Clinic, relation: PortalRelation, sees: bool
) -> None:
    with acting(nurse, clinic.pk):
        user = None
        if relation is not PortalRelation.SELF:
            user = give_portal_access(
                PatientFactory(clinic=clinic, by=nurse), PortalRelation.SELF, nurse, at=NOW
            ).user
        account = give_portal_access(filed, relation, nurse, at=NOW, user=user).user
    reader = patient_actor(account, clinic.pk)
    with acting(reader, clinic.pk), access(Purpose.CARE, Kind.VIEWED):
        keys = {result.detail.facts["indicator"] for result in latest_results(reader, filed)}
        assert ("hbsag" in keys) is sees
        assert bool(history_of(reader, filed, "hbsag")) is sees
        assert "ldl" in keys


@pytest.mark.parametrize(
    ("limits", "decimals", "words"),
    [
        (Limits(Decimal("3.5"), Decimal("5.3")), 2, "3.50–5.30"),
        (Limits(high=Decimal("5.172")), 2, "≤\u00a05.172"),
        (Limits(high=Decimal("5.18"), open_high=True), 2, "<\u00a05.18"),
        (Limits(low=Decimal("90")), 0, "≥\u00a090"),
        (Limits(), 0, ""),
    ],
)
def test_a_range_is_written_as_people_read_it(limits: Limits, decimals: int, words: str) -> None:
    assert range_in_words(limits, decimals) == words


# Pages


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


def test_the_results_page_shows_values_flags_and_ranges(desk: Client, filed: Patient) -> None:
    page = desk.get(reverse("records:results", args=[filed.pk])).content.decode()
    assert "4.35" in page
    assert "is-crit" in page
    assert "骨碱性磷酸酶" in page
    assert "≤\u00a03.37" in page
    assert "陈雅琴" not in page


def test_opening_the_page_is_one_viewed_event_for_care(
    desk: Client, filed: Patient, clinic: Clinic, nurse: Actor
) -> None:
    desk.get(reverse("records:results", args=[filed.pk]))
    with acting(nurse, clinic.pk):
        event = AuditEvent.objects.get(kind=Kind.VIEWED)
    assert event.purpose == Purpose.CARE


def test_the_chart_gets_a_part_and_not_a_page(desk: Client, filed: Patient) -> None:
    part = desk.get(
        reverse("records:results", args=[filed.pk]), headers={"HX-Request": "true"}
    ).content.decode()
    assert "<html" not in part
    assert "6.80" in part


def test_one_item_has_a_page_of_its_own(desk: Client, filed: Patient) -> None:
    page = desk.get(reverse("records:history", args=[filed.pk, "ldl"])).content.decode()
    assert "120\u00a0mg/dL" in page
    assert "3.10" in page


@pytest.mark.parametrize("indicator", ["hbsag", "hcvab", "nonsense", "tsh"])
def test_an_address_never_tells_of_an_item_sealed_whole(desk: Client, filed: Patient, indicator: str) -> None:
    assert desk.get(reverse("records:history", args=[filed.pk, indicator])).status_code == 404


def test_a_chart_without_results_says_what_to_do(desk: Client, patient: Patient) -> None:
    response = desk.get(reverse("records:results", args=[patient.pk]))
    assert response.status_code == 200
    assert (
        desk.get(reverse("records:results", args=[patient.pk]), headers={"HX-Request": "true"}).status_code
        == 200
    )


def test_a_nurse_outside_the_care_team_finds_nothing(client: Client, filed: Patient, clinic: Clinic) -> None:
    stranger = StaffFactory()
    StaffRoleFactory(user=stranger, clinic=clinic, role=Role.NURSE)
    client.force_login(stranger)
    assert client.get(reverse("records:results", args=[filed.pk])).status_code == 404


def test_the_front_desk_sees_no_results(client: Client, filed: Patient, clinic: Clinic) -> None:
    account = StaffFactory()
    StaffRoleFactory(user=account, clinic=clinic, role=Role.FRONT_DESK)
    client.force_login(account)
    assert client.get(reverse("records:results", args=[filed.pk])).status_code == 403


def test_the_page_costs_the_same_statements_for_few_and_many_results(
    desk: Client, filed: Patient, nurse: Actor, clinic: Clinic, django_assert_num_queries: Any
) -> None:
    address = reverse("records:results", args=[filed.pk])
    desk.get(address)
    with django_assert_num_queries(PAGE_QUERIES) as few:
        desk.get(address)
    with acting(nurse, clinic.pk):
        more = [parsed("ldl", printed_number("3.1"), source_id=f"o{n}") for n in range(80)]
        file_report(filed, parsed_report(*more, source_id="many"), by=nurse, at=NOW)
    with django_assert_num_queries(len(few)):
        desk.get(address)
