"""A report is filed whole and once, with its flags and the range in force, and what is sensitive is sealed whole."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from crypto.errors import NoAccessScope, SealBroken
from patients.models import Patient
from records.choices import Cause, Flag
from records.details import Detail
from records.errors import RecordClosed, ReportChanged, TakenBeforeBirth, TakenInTheFuture
from records.models import ExamReport, Observation, RecordsChange
from records.parsed import Coding, ParsedObservation, ParsedReport, PrintedText
from records.services import FiledReport, file_report
from tests.factories.records import NOW, TAKEN_AT, parsed, parsed_report, printed_number, printed_range

pytestmark = pytest.mark.django_db
File = Callable[..., FiledReport]
QUERIES = 12  # however many results a report holds


@pytest.fixture
def file(patient: Patient, at_work: Actor) -> File:
    def file(report: ParsedReport | None = None, **changes: Any) -> FiledReport:
        return file_report(patient, report or parsed_report(**changes), by=at_work, at=NOW)

    return file


def details() -> list[Detail]:
    with access(Purpose.CARE, Kind.VIEWED):
        return [Detail(row.detail) for row in Observation.objects.order_by("pk")]


UNKNOWN = parsed(
    "x",
    printed_number("23.1", "μg/L"),
    codings=(Coding("urn:lab", "LX-0417"),),
    range=printed_range("11.4", "24.6"),
)
HBSAG = parsed("hbsag", PrintedText("阳性"))
POTASSIUM = parsed("k", printed_number("6.80"))
LDL = parsed("ldl", printed_number("4.35"), range=printed_range(None, "3.37", unit="mmol/L"))


def test_filing_stores_every_result_with_its_flag(file: File, patient: Patient) -> None:
    filed = file(parsed_report(LDL, POTASSIUM, UNKNOWN, HBSAG))
    rows = Observation.objects.filter(report=filed.report)
    assert {(row.indicator, row.flag) for row in rows} == {
        ("ldl", Flag.HIGH),
        ("k", Flag.CRITICAL_HIGH),
        ("", ""),
    }
    assert (filed.counts.stored, filed.counts.flagged, filed.counts.critical) == (4, 2, 1)
    assert dict(filed.counts.uncatalogued) == {"LX-0417": 1}
    assert filed.counts.sealed_whole == 1
    assert filed.report.observation_count == 4
    assert {row.patient_id for row in rows} == {patient.pk}


def test_an_item_sealed_whole_looks_like_an_uncatalogued_one_from_outside(file: File) -> None:
    file(parsed_report(UNKNOWN, HBSAG))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(o) - 'id' - 'detail' - 'source_key' FROM records_observation o")
        rows = [row for (row,) in cursor.fetchall()]
    assert rows[0] == rows[1]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o::text, r::text FROM records_observation o JOIN records_examreport r ON r.id = o.report_id"
        )
        plain = str(cursor.fetchall())
    assert "hbsag" not in plain
    assert "LX-0417" not in plain
    assert "visit-1" not in plain


def test_the_value_as_printed_and_the_range_in_force_are_kept(file: File) -> None:
    file(
        parsed_report(
            parsed("tc", printed_number("227.00", "mg/dL"), range=printed_range(None, "200", unit="mg/dL"))
        )
    )
    [detail] = details()
    assert detail.facts["printed"] == {"kind": "number", "text": "227.00", "unit": "mg/dL"}
    assert str(detail.value) == "5.8702200"
    assert detail.conversion == "×0.02586"
    assert detail.reference_is_printed
    assert detail.limits is not None
    assert str(detail.limits.high) == "5.17200"
    assert detail.facts["catalogue"] == 1


def test_a_critical_value_keeps_its_class_and_action(file: File) -> None:
    file(parsed_report(POTASSIUM))
    [detail] = details()
    assert (detail.clinical_class, detail.action) == ("A", "class_A")


def test_a_result_does_not_open_without_a_scope(file: File) -> None:
    file()
    with pytest.raises(NoAccessScope):
        _ = Observation.objects.get().detail


def test_the_same_report_again_changes_nothing(file: File) -> None:
    first = file(parsed_report(LDL, HBSAG))
    before = (AuditEvent.objects.filter(action="report.filed").count(), RecordsChange.objects.count())
    again = file(parsed_report(LDL, HBSAG))
    assert not again.changed
    assert again.report == first.report
    assert (again.counts.stored, again.counts.same) == (0, 2)
    assert Observation.objects.count() == 2
    assert (AuditEvent.objects.filter(action="report.filed").count(), RecordsChange.objects.count()) == before


@pytest.mark.parametrize(
    "changed",
    [
        parsed("ldl", printed_number("4.53"), range=printed_range(None, "3.37", unit="mmol/L")),
        parsed("ldl", printed_number("4.350"), range=printed_range(None, "3.37", unit="mmol/L")),
        parsed("ldl", printed_number("4.35"), range=printed_range(None, "3.40", unit="mmol/L")),
        parsed("ldl", printed_number("4.35", "mg/dL"), range=printed_range(None, "3.37", unit="mmol/L")),
        parsed(
            "ldl",
            printed_number("4.35"),
            range=printed_range(None, "3.37", unit="mmol/L"),
            taken_at=TAKEN_AT + timedelta(hours=1),
        ),
        parsed(
            "ldl",
            printed_number("4.35"),
            range=printed_range(None, "3.37", unit="mmol/L"),
            codings=(Coding("urn:lab", "ldl"),),
        ),
    ],
)
def test_another_value_under_the_same_number_is_refused_and_nothing_changes(
    file: File, changed: ParsedObservation
) -> None:
    file(parsed_report(LDL))
    with pytest.raises(ReportChanged) as refusal, transaction.atomic():
        file(parsed_report(changed, POTASSIUM))
    assert refusal.value.source_ids == ["ldl"]
    assert "4." not in str(refusal.value)
    assert Observation.objects.count() == 1


def test_results_that_come_later_complete_the_report(file: File) -> None:
    first = file(parsed_report(LDL))
    completed = file(parsed_report(LDL, POTASSIUM))
    assert completed.report == first.report
    assert (completed.counts.stored, completed.counts.same) == (1, 1)
    report = ExamReport.objects.get()
    assert report.observation_count == 2
    with access(Purpose.CARE, Kind.VIEWED):
        assert report.summary["counts"]["critical"] == 1


def test_two_senders_may_use_the_same_number(file: File) -> None:
    file(parsed_report(LDL))
    file(parsed_report(LDL, source_system="urn:invented:other-lab"))
    assert ExamReport.objects.count() == 2


def test_a_report_is_found_again_after_the_patients_keys_were_changed(file: File) -> None:
    first = file(parsed_report(LDL))
    ExamReport.objects.update(source_key="c:made under an older key")
    Observation.objects.update(source_key="c:made under an older key")
    again = file(parsed_report(LDL))
    assert (again.report, again.changed) == (first.report, False)
    file(parsed_report(LDL, POTASSIUM))
    assert (ExamReport.objects.count(), Observation.objects.count()) == (1, 2)


def test_what_the_sender_calls_itself_is_sealed(file: File) -> None:
    file(parsed_report(LDL, source_system="urn:invented:check-up of Zhang San"))
    report = ExamReport.objects.get()
    row = ExamReport.objects.filter(pk=report.pk).values().get()
    assert "Zhang" not in str(row)
    with access(Purpose.CARE, Kind.VIEWED):
        assert report.summary["sender"] == "urn:invented:check-up of Zhang San"


def test_filing_is_news_for_whoever_stands_above(file: File, patient: Patient) -> None:
    file()
    change = RecordsChange.objects.get()
    assert (change.patient_id, change.cause, change.at) == (patient.pk, Cause.REPORT_FILED, NOW)


def test_a_report_about_the_dead_is_kept_and_is_no_news(file: File) -> None:
    file(about_the_dead=True)
    assert Observation.objects.count() == 1
    assert RecordsChange.objects.count() == 0


def test_filing_is_on_the_log_with_its_count(file: File, patient: Patient) -> None:
    filed = file(parsed_report(LDL, POTASSIUM))
    report, results = (AuditEvent.objects.get(action=action) for action in ("report.filed", "results.filed"))
    assert report.object_pk == str(filed.report.pk)
    assert results.count == 2


def test_when_the_log_cannot_be_written_nothing_is_filed(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise IntegrityError("the log is full")

    monkeypatch.setattr("records.services.filing.record", fails)
    with pytest.raises(IntegrityError), transaction.atomic():
        file()
    assert ExamReport.objects.count() == 0
    assert RecordsChange.objects.count() == 0


def test_a_result_from_the_future_is_refused(file: File) -> None:
    with pytest.raises(TakenInTheFuture), transaction.atomic():
        file(parsed_report(parsed("ldl", printed_number("3"), taken_at=NOW + timedelta(days=2))))
    assert file(parsed_report(parsed("ldl", printed_number("3"), taken_at=NOW + timedelta(hours=20)))).changed


def test_a_result_from_before_the_birth_is_refused(file: File) -> None:
    born_later = parsed("ldl", printed_number("3"), taken_at=TAKEN_AT.replace(year=1960))
    with pytest.raises(TakenBeforeBirth), transaction.atomic():
        file(parsed_report(born_later))


def test_a_record_that_is_only_kept_takes_no_entry(file: File, patient: Patient) -> None:
    patient.restricted_at = NOW
    patient.save(update_fields=["restricted_at"])
    with pytest.raises(RecordClosed), transaction.atomic():
        file()
    assert Observation.objects.count() == 0


def test_the_catalogues_range_follows_the_birth_date_on_the_card(file: File) -> None:
    file(parsed_report(parsed("crea", printed_number("75", "μmol/L"))))
    [detail] = details()
    assert detail.limits is not None
    assert str(detail.limits.high) == "73"


def test_another_clinic_sees_none_of_it(file: File, nurse: Actor) -> None:
    file()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('zhizhi.clinics', '', true)")
    assert not ExamReport.objects.exists()
    assert not Observation.objects.exists()
    assert not RecordsChange.objects.exists()


def test_a_sealed_result_moved_to_another_row_does_not_open(file: File) -> None:
    file(parsed_report(LDL, POTASSIUM))
    one, other = Observation.objects.order_by("pk")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE records_observation SET detail = (SELECT detail FROM records_observation WHERE id = %s) WHERE id = %s",
            [one.pk, other.pk],
        )
    moved = Observation.objects.get(pk=other.pk)
    with access(Purpose.CARE, Kind.VIEWED), pytest.raises(SealBroken):
        _ = moved.detail


def test_a_flag_needs_an_item(file: File) -> None:
    file()
    with pytest.raises(IntegrityError), transaction.atomic():
        Observation.objects.update(indicator="")


def test_filing_costs_the_same_statements_for_few_and_many_results(
    patient: Patient, nurse: Actor, clinic: Clinic, django_assert_num_queries: Any
) -> None:
    many = [parsed("ldl", printed_number("3.1"), source_id=f"o{number}") for number in range(60)]
    with acting(nurse, clinic.pk):
        file_report(patient, parsed_report(source_id="warm-up"), by=nurse, at=NOW)
        with django_assert_num_queries(QUERIES) as few:
            file_report(patient, parsed_report(source_id="few"), by=nurse, at=NOW)
        with django_assert_num_queries(len(few)):
            file_report(patient, parsed_report(*many, source_id="many"), by=nurse, at=NOW)
