"""A file's person is matched or gets a card, their reports are filed, and a refusal changes nothing."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import transaction

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from crypto.errors import ClinicError
from exchange.errors import CardContradicts, NobodyMatches, PersonIncomplete, ReportUnreadable, SeveralMatch
from exchange.identity import Note
from exchange.services import ImportResult, import_report
from patients.choices import Sex
from patients.models import Patient
from records.errors import ReportChanged
from records.models import ExamReport, Observation, RecordsChange
from tests.factories.clinics import ClinicFactory
from tests.factories.patients import PatientFactory
from tests.factories.records import NOW, bundle, fixture, observation_resource, patient_resource, quantity

pytestmark = pytest.mark.django_db
Bring = Callable[..., ImportResult]
PAPERS = "990101196805170049"


@pytest.fixture
def bring(clinic: Clinic, at_work: Actor) -> Bring:
    def bring(data: bytes, *, open_card: bool = False, dry_run: bool = False) -> ImportResult:
        return import_report(data, clinic=clinic, open_card=open_card, by=at_work, at=NOW, dry_run=dry_run)

    return bring


def refused(bring: Bring, error: type[ClinicError], data: bytes, **options: Any) -> None:
    before = (
        Patient.objects.count(),
        ExamReport.objects.count(),
        Observation.objects.count(),
        RecordsChange.objects.count(),
    )
    with pytest.raises(error), transaction.atomic():
        bring(data, **options)
    assert (
        Patient.objects.count(),
        ExamReport.objects.count(),
        Observation.objects.count(),
        RecordsChange.objects.count(),
    ) == before


def telecom(number: str) -> list[dict[str, str]]:
    return [{"system": "phone", "value": number}]


def test_a_check_up_opens_a_card_and_files_every_result(bring: Bring, clinic: Clinic) -> None:
    result = bring(fixture("checkup"), open_card=True)
    assert result.opens_card
    assert result.patient is not None
    with access(Purpose.CARE, Kind.VIEWED):
        identity = result.patient.identity
        assert (identity.name, identity.birth_date, identity.phone, identity.id_number) == (
            "陈雅琴", "1968-05-17", "+8613800001234", PAPERS,
        )  # fmt: skip
    counts = result.counts
    assert (counts.stored, counts.sealed_whole, counts.implausible, counts.critical) == (17, 2, 1, 0)
    assert counts.flagged == 3  # LDL and total cholesterol, uric acid
    assert dict(counts.uncatalogued) == {"LX-0417": 1, "33914-3": 1}
    assert Observation.objects.filter(patient=result.patient).count() == 17


def test_a_critical_potassium_is_counted_as_critical(bring: Bring) -> None:
    result = bring(fixture("critical_potassium"), open_card=True)
    assert result.counts.critical == 1
    assert Observation.objects.critical().get().indicator == "k"


def test_the_same_file_twice_changes_nothing(bring: Bring) -> None:
    bring(fixture("checkup"), open_card=True)
    before = (Patient.objects.count(), Observation.objects.count(), RecordsChange.objects.count())
    again = bring(fixture("checkup"))
    assert not again.opens_card
    assert (again.counts.stored, again.counts.same) == (0, 17)
    assert [line.outcome for line in again.lines] == ["same"]
    assert (Patient.objects.count(), Observation.objects.count(), RecordsChange.objects.count()) == before


def test_the_years_of_one_person_come_together_on_one_card(bring: Bring) -> None:
    first = bring(fixture("checkup_last_year"), open_card=True)
    second = bring(fixture("checkup"))
    assert second.patient == first.patient
    assert ExamReport.objects.count() == 2


def test_a_changed_value_under_the_same_number_is_refused(bring: Bring) -> None:
    bring(fixture("checkup"), open_card=True)
    refused(bring, ReportChanged, fixture("checkup").replace(b"4.35", b"4.53"))


def test_nobody_is_matched_and_no_card_is_opened_unasked(bring: Bring) -> None:
    refused(bring, NobodyMatches, fixture("checkup"))


def test_a_broken_file_changes_nothing(bring: Bring) -> None:
    refused(
        bring,
        ReportUnreadable,
        bundle(observation_resource("a"), observation_resource("b", code={})),
        open_card=True,
    )


def test_when_a_later_report_of_the_file_is_refused_the_earlier_ones_are_not_kept(bring: Bring) -> None:
    good = observation_resource("a", effectiveDateTime="2025-11-19T08:00:00+08:00")
    from_the_future = observation_resource("b", effectiveDateTime="2031-01-01")
    refused(bring, ClinicError, bundle(good, from_the_future), open_card=True)


def test_a_dry_run_says_the_same_and_writes_nothing(bring: Bring) -> None:
    tried = bring(fixture("checkup"), open_card=True, dry_run=True)
    assert tried.patient is None
    assert Patient.objects.count() == 0
    written = bring(fixture("checkup"), open_card=True)
    assert tried.counts == written.counts
    again = bring(fixture("checkup"), dry_run=True)
    assert (again.counts.stored, again.counts.same) == (0, 17)


# Matching


@pytest.mark.parametrize(
    "told",
    [
        {"birthDate": "1968-05-17"},
        {"birthDate": "1968-05", "telecom": telecom("138 0000 1234")},
        {"birthDate": "1968-05-17", "telecom": telecom("139 9999 9999")},
        {"birthDate": "1968-05-17", "gender": "unknown"},
    ],
)
def test_the_same_name_with_the_birth_date_or_the_phone_is_the_same_person(
    bring: Bring, patient: Patient, told: dict[str, Any]
) -> None:
    assert bring(bundle(patient=patient_resource(**told))).patient == patient


@pytest.mark.parametrize(
    "told",
    [
        {"name": [{"text": "陈雅静"}], "telecom": telecom("138 0000 1234")},
        {"birthDate": "1999-01-01", "telecom": telecom("138 0000 1234")},
        {"birthDate": "1968-05-17", "gender": "male"},
        {"birthDate": "1968-05-18"},
    ],
)
def test_a_shared_phone_or_a_shared_name_alone_is_somebody_else(
    bring: Bring, patient: Patient, told: dict[str, Any]
) -> None:
    refused(bring, NobodyMatches, bundle(patient=patient_resource(**told)))
    result = bring(bundle(patient=patient_resource(**told)), open_card=True)
    assert result.opens_card
    assert result.patient != patient


def test_the_same_id_number_decides_even_where_nothing_else_is_told(
    bring: Bring, clinic: Clinic, at_work: Actor
) -> None:
    holder = PatientFactory(
        clinic=clinic, by=at_work, name="陈雅琴", id_number=PAPERS, birth_date=date(1968, 5, 17), phone=None
    )
    PatientFactory(
        clinic=clinic,
        by=at_work,
        name="陈雅琴",
        birth_date=date(1968, 5, 17),
        id_number="990101196805170022",
        phone=None,
    )
    told = patient_resource(
        identifier=[{"system": "urn:oid:2.16.156.10011.1.3", "value": PAPERS}], telecom=[]
    )
    assert bring(bundle(patient=told)).patient == holder


def test_a_card_with_the_same_id_number_and_another_name_stops_the_import(
    bring: Bring, clinic: Clinic, at_work: Actor
) -> None:
    PatientFactory(clinic=clinic, by=at_work, name="林晓梅", id_number=PAPERS, birth_date=date(1968, 5, 17))
    refused(bring, CardContradicts, fixture("checkup"), open_card=True)


def test_two_cards_that_fit_stop_the_import(
    bring: Bring, clinic: Clinic, at_work: Actor, patient: Patient
) -> None:
    PatientFactory(
        clinic=clinic, by=at_work, name="陈雅琴", birth_date=date(1968, 5, 17), phone="+8613900009999"
    )
    refused(bring, SeveralMatch, bundle(), open_card=True)


@pytest.mark.parametrize("changes", [{"birthDate": "1970-01-01"}, {"gender": "male"}])
def test_papers_that_contradict_the_file_stop_the_import(bring: Bring, changes: dict[str, str]) -> None:
    told = patient_resource(identifier=[{"system": "urn:oid:2.16.156.10011.1.3", "value": PAPERS}], **changes)
    refused(bring, CardContradicts, bundle(patient=told), open_card=True)


@pytest.mark.parametrize("told", [{"name": []}, {"birthDate": "1968"}])
def test_a_person_who_is_not_told_enough_gets_no_card(bring: Bring, told: dict[str, Any]) -> None:
    refused(bring, PersonIncomplete, bundle(patient=patient_resource(**told)), open_card=True)


def test_a_patient_outside_the_importers_care_is_found_all_the_same(
    bring: Bring, clinic: Clinic, nurse: Actor
) -> None:
    house = system_actor("test", clinic.pk)
    other = PatientFactory(clinic=clinic, by=house, team=None, name="陈雅琴", birth_date=date(1968, 5, 17))
    other.care_relationships.all().delete()
    assert bring(bundle()).patient == other


def test_a_card_of_another_clinic_is_never_found(bring: Bring, at_work: Actor) -> None:
    west = ClinicFactory("west")
    house = system_actor("test", west.pk)
    with acting(house, west.pk):
        PatientFactory(clinic=west, by=house, name="陈雅琴", birth_date=date(1968, 5, 17))
    refused(bring, NobodyMatches, bundle())


def test_candidates_are_matched_and_told_to_nobody(bring: Bring, patient: Patient) -> None:
    bring(bundle())
    matched = AuditEvent.objects.filter(kind=Kind.MATCHED)
    assert matched.exists()
    assert {event.actor_ref for event in matched} == {"system:import"}


def test_a_phone_nobody_can_call_is_left_out_with_a_note(bring: Bring) -> None:
    result = bring(bundle(patient=patient_resource(telecom=telecom("12345"))), open_card=True)
    assert result.notes == (Note.PHONE_LEFT_OUT,)
    assert result.patient is not None
    with access(Purpose.CARE, Kind.VIEWED):
        assert result.patient.identity.phone is None


def test_of_the_dead_results_are_kept_and_nothing_starts(bring: Bring) -> None:
    result = bring(fixture("has_died"), open_card=True)
    assert result.notes == (Note.HAS_DIED,)
    assert result.counts.flagged == 1
    assert RecordsChange.objects.count() == 0


def test_a_child_gets_a_card_and_is_flagged_by_the_printed_range_alone(bring: Bring) -> None:
    result = bring(fixture("child"), open_card=True)
    assert result.patient is not None
    assert result.patient.sex == Sex.FEMALE
    flags = dict(Observation.objects.values_list("indicator", "flag"))
    assert flags == {"height": "unflagged", "bmi": "unflagged", "hgb": "normal"}


def test_every_report_of_a_long_history_is_filed_by_its_day(bring: Bring) -> None:
    years = [
        observation_resource(
            f"o{year}", effectiveDateTime=f"{year}-05-01", valueQuantity=quantity(3, "mmol/L")
        )
        for year in range(2015, 2026)
    ]
    result = bring(bundle(*years), open_card=True)
    assert [line.taken_at.year for line in result.lines] == list(range(2015, 2026))
    assert {line.outcome for line in result.lines} == {"new"}
