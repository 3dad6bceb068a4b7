"""Breaking the glass: for a reason, for four hours, on the log and reviewed by another; whoever is not there looks the same until then."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import Alarm, AuditEvent
from clinics.calendar import next_working_day
from clinics.models import CareTeam, Clinic, SpecialDay, User
from clinics.roles import Role
from patients.choices import GlassFinding, GlassReason
from patients.errors import GlassFindsNobody, GlassNotFound, GlassTooOften, OwnGlass
from patients.models import BreakGlass, Patient
from patients.queries import patient_for, visible_patients
from patients.services.glass import LASTS, Sought, break_glass, review_glass, sought
from patients.services.searching import MOST_EMERGENCIES_AN_HOUR
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]
ADDRESS = "/patients/emergency/"
SAID = {"reason": "emergency", "note": "晕倒在前台，需要知道用药"}


@laid_out
def patient(clinic: Clinic, team: CareTeam) -> Patient:
    """In the care of a team that nobody here belongs to."""
    with acting(system_actor("test", clinic.pk)):
        return PatientFactory(clinic=clinic, team=team, name="邓淑英", phone="+8613800001111")


@laid_out
def doctor(clinic: Clinic, hire: Hire, other_team: Any) -> User:
    return hire(clinic, other_team, role=Role.DOCTOR)


@laid_out
def actor(doctor: User, clinic: Clinic) -> Actor:
    return actor_for(doctor, clinic)


@pytest.fixture
def browser(doctor: User, client: Client) -> Client:
    client.force_login(doctor)
    return client


def events(clinic: Clinic, **filters: Any) -> list[AuditEvent]:
    with acting(system_actor("test", clinic.pk)):
        return list(AuditEvent.objects.filter(**filters).order_by("uid"))


def opened(patient: Patient, by: Actor, *, at: datetime | None = None) -> BreakGlass:
    with acting(by):
        found = break_glass(
            Sought(service_number=patient.service_number),
            reason=GlassReason.EMERGENCY,
            note="晕倒在前台",
            by=by,
            at=at or timezone.now(),
        )
    assert found.glass is not None
    return found.glass


@pytest.mark.requirement("GBT39725-11.1")
def test_the_chart_opens_for_four_hours_and_closes_by_itself(
    patient: Patient, actor: Actor, clinic: Clinic
) -> None:
    glass = opened(patient, actor)

    with acting(actor):
        assert patient_for(actor, patient.pk) == patient
        for later, seen in ((LASTS - timedelta(seconds=1), True), (LASTS, False)):
            at = glass.opened_at + later
            assert visible_patients(actor, clinic.pk, at=at).filter(pk=patient.pk).exists() is seen


@pytest.mark.requirement("HIPAA-312a2ii")
def test_it_is_opened_from_the_page_and_the_log_tells_how_the_reader_stands(
    patient: Patient, browser: Client, clinic: Clinic, doctor: User
) -> None:
    answer = browser.post(ADDRESS, {"number": patient.service_number, **SAID})

    assert answer["Location"] == f"/patients/{patient.pk}/"
    assert browser.get(answer["Location"]).status_code == 200
    (broken,) = events(clinic, action="glass.broken")
    assert (broken.reason, broken.actor_ref) == ("emergency", f"user:{doctor.pk}")
    assert {event.relation for event in events(clinic, action="access", kind="viewed")} == {"break_glass"}


def test_the_whole_name_and_the_phone_find_the_same_person(patient: Patient, browser: Client) -> None:
    answer = browser.post(ADDRESS, {"name": "邓淑英", "phone": "138 0000 1111", **SAID})

    assert answer["Location"] == f"/patients/{patient.pk}/"


@pytest.mark.parametrize(
    "who", [{"name": "邓淑英"}, {"phone": "13800001111"}, {"name": "邓", "phone": "13"}, {"number": "12"}, {}]
)
def test_a_part_of_a_person_is_not_even_looked_for(
    who: dict[str, str], patient: Patient, browser: Client, clinic: Clinic
) -> None:
    answer = browser.post(ADDRESS, {**who, **SAID})

    assert answer.status_code == 200
    assert events(clinic, action__startswith="glass.") == []


@pytest.mark.parametrize("missing", ["reason", "note"])
def test_without_a_reason_nobody_learns_whether_there_is_a_card(
    missing: str, patient: Patient, browser: Client, clinic: Clinic
) -> None:
    said = {key: value for key, value in SAID.items() if key != missing}
    pages = []
    for number in (patient.service_number, "ZZ-0000-0001"):
        page = browser.post(ADDRESS, {"number": number, **said})
        pages.append((page.status_code, page.context["form"].errors))

    assert pages[0] == pages[1]
    assert BreakGlass.objects.count() == 0


def test_whoever_is_not_there_is_told_after_the_reason_and_the_try_is_on_the_log(
    patient: Patient, other_clinic: Clinic, actor: Actor, clinic: Clinic
) -> None:
    """Missing, another clinic's, and only stored: one answer for the three."""
    with acting(system_actor("test", other_clinic.pk)):
        elsewhere = PatientFactory(clinic=other_clinic)
    with acting(system_actor("test", clinic.pk)):
        Patient.objects.filter(pk=patient.pk).update(restricted_at=timezone.now())
    for number in ("ZZ-0000-0001", elsewhere.service_number, patient.service_number):
        with pytest.raises(GlassFindsNobody), acting(actor):
            break_glass(
                Sought(service_number=number),
                reason=GlassReason.SAFETY,
                note="危险",
                by=actor,
                at=timezone.now(),
            )

    assert [event.result for event in events(clinic, action="glass.refused")] == ["refused"] * 3


def test_numbers_cannot_be_tried_one_after_another(actor: Actor) -> None:
    at = timezone.now()

    def try_one(number: int) -> None:
        with acting(actor):
            break_glass(
                Sought(service_number=f"ZZ-0000-{number:04d}"),
                reason=GlassReason.EMERGENCY,
                note="试",
                by=actor,
                at=at,
            )

    for number in range(MOST_EMERGENCIES_AN_HOUR):
        with pytest.raises(GlassFindsNobody):
            try_one(number)
    with pytest.raises(GlassTooOften):
        try_one(9999)


def test_whoever_sees_the_patient_anyway_makes_no_emergency_of_it(
    clinic: Clinic, nurse: Actor, patient: Patient
) -> None:
    with acting(nurse):
        own = PatientFactory(clinic=clinic, by=nurse)
        found = break_glass(
            Sought(service_number=own.service_number),
            reason=GlassReason.EMERGENCY,
            note="已在照护中",
            by=nurse,
            at=timezone.now(),
        )

    assert (found.patient, found.glass) == (own, None)


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CALLER, Role.MANAGER, Role.ADMINISTRATOR])
def test_a_role_without_it_is_refused(
    role: Role, clinic: Clinic, hire: Hire, patient: Patient, client: Client
) -> None:
    client.force_login(hire(clinic, role=role))

    assert client.post(ADDRESS, {"number": patient.service_number, **SAID}).status_code == 403
    assert BreakGlass.objects.count() == 0


def test_the_privacy_officer_reviews_it_once_and_sees_a_number_and_no_name(
    patient: Patient, actor: Actor, clinic: Clinic, hire: Hire, client: Client
) -> None:
    officer = hire(clinic, role=Role.PRIVACY_OFFICER)
    glass = opened(patient, actor)
    client.force_login(officer)

    page = client.get("/patients/emergency/review/").content.decode()
    assert patient.service_number in page
    assert "晕倒在前台" in page
    assert "邓淑英" not in page
    for finding in ("not_justified", "justified"):
        client.post("/patients/emergency/review/", {"glass": str(glass.pk), "finding": finding})

    with acting(system_actor("test", clinic.pk)):
        glass.refresh_from_db()
        assert not Alarm.objects.filter(actor_ref=f"user:{officer.pk}").exists(), "reading why is their duty"
    assert (glass.finding, glass.reviewed_by_id) == (GlassFinding.NOT_JUSTIFIED, officer.pk)
    assert len(events(clinic, action="glass.reviewed")) == 1


def test_nobody_reviews_their_own_emergency_and_nobody_another_clinics(
    patient: Patient, actor: Actor, clinic: Clinic, other_clinic: Clinic, hire: Hire
) -> None:
    glass = opened(patient, actor)
    elsewhere = actor_for(hire(other_clinic, role=Role.PRIVACY_OFFICER), other_clinic)

    with acting(actor), pytest.raises(OwnGlass):
        review_glass(glass.pk, GlassFinding.JUSTIFIED, by=actor, at=timezone.now())
    with acting(elsewhere), pytest.raises(GlassNotFound):
        review_glass(glass.pk, GlassFinding.JUSTIFIED, by=elsewhere, at=timezone.now())


@pytest.mark.requirement("PIPL-18")
def test_it_is_reviewed_by_the_next_working_day(clinic: Clinic) -> None:
    friday = date(2026, 3, 6)
    with acting(system_actor("test", clinic.pk)):
        assert next_working_day(clinic.pk, friday) == date(2026, 3, 9)

        SpecialDay.objects.create(clinic=clinic, day=date(2026, 3, 9), name="馆庆")
        assert next_working_day(clinic.pk, friday) == date(2026, 3, 10)

        SpecialDay.objects.create(clinic=clinic, day=date(2026, 3, 7), at_work=True, name="调休上班")
        assert next_working_day(clinic.pk, friday) == date(2026, 3, 7)


def test_what_is_due_counts_the_clinics_day_and_not_the_servers(patient: Patient, actor: Actor) -> None:
    late_on_sunday = datetime(2026, 3, 8, 17, 30, tzinfo=UTC)  # half past one on Monday in the clinic
    assert opened(patient, actor, at=late_on_sunday).review_due_on == date(2026, 3, 10)


def test_what_was_typed_is_read_as_people_write_it() -> None:
    assert sought("zz-1234-5678", "", "") == Sought(service_number="ZZ-1234-5678")
    assert sought("", " 邓 淑英 ", "138-0000-1111") == Sought(name="邓 淑英", phone="+8613800001111")
    assert sought("", "邓淑英", "12") is None


def test_when_the_log_cannot_be_written_nothing_is_open(
    patient: Patient, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.errors import LogUnavailable

    def no_log(*args: object, **kwargs: object) -> None:
        raise LogUnavailable("test")

    monkeypatch.setattr("patients.services.glass.record", no_log)
    with pytest.raises(LogUnavailable):
        opened(patient, actor)

    with acting(actor):
        assert not visible_patients(actor, patient.clinic_id).filter(pk=patient.pk).exists()
