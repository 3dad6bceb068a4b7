"""Erasing a person: what goes, what is only stored, what stays; who may; and that once is enough."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.attribution import unattributed
from audit.kinds import Kind
from audit.models import AuditEvent, RowChange
from audit.purposes import Purpose
from clinics.roles import Role
from consent.choices import EventKind, GivenThrough, IdentityCheck, RequestKind
from consent.errors import IdentityUnknown
from consent.models import ConsentEvent
from consent.requests import ask, verify
from crypto import ledger
from crypto.core.scopes import Scope
from crypto.errors import HoldMissing, KeyDestroyed, KeyRestricted, SealBroken
from crypto.files import read_chunks
from crypto.hold import read_private_half
from crypto.models import SealedFile
from crypto.resealing import FIRST_ROW
from exchange import soundness
from exchange.choices import BatchState
from exchange.errors import ErasureNotAllowed, NotHeld
from exchange.models import ImportBatch
from exchange.services import Reason, erase_patient, plan_erasure, release_hold, try_file
from exchange.services.requests import delete_as_asked
from followups.models import FollowUp, Message, Outbox
from patients.choices import GrantReason, PortalRelation
from patients.errors import PatientNotFound
from patients.models import (
    Patient,
    PatientAccess,
    PatientSearch,
    PatientSearchPerson,
    PatientTag,
    PortalAccess,
    TwinOverride,
)
from patients.queries import patient_for, portal_accounts_by_phone, search_patients
from portal.models import SignInCode
from records.models import ExamReport, Observation
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.factories.consent import MONDAY
from tests.factories.erasure import ERASED_AT, PHONE, House, living_keys_of, the_line
from tests.factories.patients import actor_for
from tests.factories.records import bundle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.requirement("PIPL-47a")
def test_a_card_without_records_is_destroyed_whole(house: House) -> None:
    patient = house.opened(name="王小芳", phone=PHONE)
    erased = house.erase(patient)
    assert erased.fate.destroyed == frozenset(Scope)
    with acting(house.system), access(Purpose.CARE, Kind.COMPUTED):
        assert living_keys_of(patient.subject_id) == {}
        left = Patient.objects.get(pk=patient.pk)
        assert (left.sex, left.birth_year, left.phone_owner) == ("unknown", None, "self")
        assert left.restricted_at == ERASED_AT
        assert left.service_number == patient.service_number
        with pytest.raises(KeyDestroyed):
            left.identity.name  # noqa: B018


@pytest.mark.requirement("PIPL-47b")
def test_a_record_the_law_keeps_is_stored_and_opens_to_nobody_here(house: House, in_care: Patient) -> None:
    erased = house.erase(in_care)
    assert erased.fate.restricted == {Scope.IDENTITY, Scope.RECORD}
    assert erased.fate.because is not None
    assert erased.fate.because.code == "checkup"
    assert erased.fate.kept_until is not None
    assert erased.fate.kept_until.year == MONDAY.year + 15
    with acting(house.system), access(Purpose.CARE, Kind.COMPUTED):
        assert living_keys_of(in_care.subject_id) == {Scope.IDENTITY: "held", Scope.RECORD: "held"}
        for opening in (
            lambda: Patient.objects.get(pk=in_care.pk).identity.name,
            lambda: Observation.objects.get(patient=in_care).detail,
            lambda: list(read_chunks(SealedFile.objects.get(scope=Scope.RECORD), "exam.attachment")),
        ):
            with pytest.raises(KeyRestricted):
                opening()
        assert SealedFile.objects.get(scope=Scope.CONSENTED).destroyed_at is not None
        assert ExamReport.objects.filter(patient=in_care).exists()


@pytest.mark.requirement("NDR-24")
def test_whatever_led_to_the_person_is_gone(house: House, in_care: Patient, settings: Any) -> None:
    with acting(house.system):
        account = PortalAccess.objects.get(patient=in_care, relation=PortalRelation.SELF).user
        assert PatientTag.objects.filter(patient=in_care).exists()
        assert Outbox.objects.exists()
        assert SignInCode.objects.filter(user=account).exists()
    phone = Client()
    phone.force_login(account)
    assert account.known_devices.exists()
    house.erase(in_care)
    with acting(house.system):
        found = search_patients(house.system, house.clinic.pk, "王小")
        assert in_care.pk not in {match.patient.pk for match in found}
        assert not PatientSearchPerson.objects.filter(subject_id=in_care.subject_id).exists()
        assert not PatientSearch.objects.exclude(
            search_id__in=PatientSearchPerson.objects.values("pk")
        ).exists()
        assert not TwinOverride.objects.exists()
        assert not PatientTag.objects.filter(patient=in_care).exists()
        assert not Outbox.objects.exists()
        assert not SignInCode.objects.exists()
        assert not PatientAccess.objects.filter(patient=in_care).exists()
        assert portal_accounts_by_phone(house.clinic, PHONE) == []
        assert {message.state for message in Message.objects.all()} <= {"cancelled", "sent"}
        assert {follow_up.state for follow_up in FollowUp.objects.all()} <= {"cancelled", "done"}
        last = ConsentEvent.objects.filter(patient=in_care).order_by("purpose", "data_category", "-version")
        assert {e.event for e in last.distinct("purpose", "data_category")} == {EventKind.WITHDRAWN}
    account.refresh_from_db()
    assert not account.is_active
    assert not Session.objects.exists()
    assert not account.known_devices.exists()
    folders = [path for path in Path(settings.FILES_DIR).rglob("*") if path.is_file()]
    assert len(folders) == 1  # the scan, which belongs to the record


def test_pages_answer_as_for_somebody_who_never_was(house: House, in_care: Patient) -> None:
    desk = Client()
    desk.force_login(house.nurse_account)
    chart = reverse("desk:chart", args=[in_care.pk])
    assert desk.get(chart).status_code == 200
    house.erase(in_care)
    erased, missing = desk.get(chart), desk.get(reverse("desk:chart", args=[house.clinic.pk]))
    assert (erased.status_code, missing.status_code) == (404, 404)
    with acting(house.nurse, house.clinic.pk), pytest.raises(PatientNotFound):
        patient_for(house.nurse, in_care.pk)


def test_the_ledger_holds_ids_alone_and_the_database_follows_it(house: House, in_care: Patient) -> None:
    line = the_line(house.erase(in_care))
    text = ledger.ledger_file().read_text()
    assert json.loads(text)["subjects"] == [str(in_care.subject_id)]
    for told in ("王", PHONE[3:], in_care.service_number, "1960"):
        assert told not in text
    assert ledger.ledger_file().stat().st_mode & 0o777 == 0o600
    assert ledger.known() == (1, line.head)


def test_every_row_the_erasure_changed_is_named_in_the_log(house: House, in_care: Patient) -> None:
    house.erase(in_care)
    with acting(house.system):
        erasure = AuditEvent.objects.get(action="patient.erased")
        assert (erasure.reason, erasure.actor_ref) == ("request", house.officer.ref)
        told = AuditEvent.objects.filter(txid=erasure.txid)
        assert not any("1960" in str(event.changes) for event in told)
        changes = list(RowChange.objects.filter(txid=erasure.txid))
        assert unattributed(erasure.txid, erasure.txid + 1) == []
        assert [
            page.findings for check in soundness.checks() if (page := check(house.clinic.pk, FIRST_ROW)).read
        ] == [[], []]
    assert len(changes) > 10
    assert "subject_key" in {change.tbl for change in changes}


def test_a_neighbour_keeps_everything(house: House, in_care: Patient) -> None:
    neighbour = house.opened(name="李四光", phone=PHONE)
    house.erase(in_care)
    with acting(house.system), access(Purpose.CARE, Kind.COMPUTED):
        assert Patient.objects.get(pk=neighbour.pk).identity.phone == PHONE
        assert [match.patient.pk for match in search_patients(house.system, house.clinic.pk, PHONE)] == [
            neighbour.pk
        ]


def test_twice_changes_nothing_more(house: House, in_care: Patient) -> None:
    assert house.erase(in_care).line is not None
    again = house.erase(in_care, at=ERASED_AT + timedelta(days=1))
    assert again.line is None
    with acting(house.system):
        assert AuditEvent.objects.filter(action="patient.erased").count() == 1
        assert Patient.objects.get(pk=in_care.pk).restricted_at == ERASED_AT
    assert ledger.read().length == 1


@pytest.mark.requirement("GBT35273-6.1")
def test_when_the_time_of_keeping_is_over_the_rest_goes_too(
    house: House, in_care: Patient, settings: Any
) -> None:
    house.erase(in_care)
    later = ERASED_AT.replace(year=ERASED_AT.year + 16)
    assert (
        the_line(erase_patient(in_care, reason=Reason.RETENTION_OVER, by=house.officer, at=later)).number == 2
    )
    with acting(house.system):
        assert living_keys_of(in_care.subject_id) == {}
        for model in (Observation, ExamReport, FollowUp, Message):
            assert not model.objects.filter(patient=in_care).exists()
        assert Patient.objects.get(pk=in_care.pk).birth_year is None
    assert [path for path in Path(settings.FILES_DIR).rglob("*") if path.is_file()] == []


def test_an_undecided_file_about_the_person_goes_and_one_about_somebody_else_stays(house: House) -> None:
    with acting(house.nurse, house.clinic.pk):
        of_other = try_file(bundle(), clinic=house.clinic, by=house.nurse, at=MONDAY)
    patient = house.opened(name="王小芳", phone=PHONE)
    resource = {
        "resourceType": "Patient",
        "id": "person",
        "name": [{"text": "王小芳"}],
        "gender": "female",
        "birthDate": "1960-02-29",
        "telecom": [{"system": "phone", "value": PHONE}],
    }
    with acting(house.nurse, house.clinic.pk):
        own = try_file(bundle(patient=resource), clinic=house.clinic, by=house.nurse, at=MONDAY)
    line = the_line(house.erase(patient))
    with acting(house.system):
        states = dict(ImportBatch.objects.values_list("pk", "state"))
        assert states == {of_other.pk: BatchState.TRIED, own.pk: BatchState.DISCARDED}
        assert living_keys_of(own.pk) == {}
        assert len(living_keys_of(of_other.pk)) == 3
    assert len(line.key_ids) == 6


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.ADMINISTRATOR])
def test_another_role_may_not(house: House, role: Role) -> None:
    patient = house.opened()
    account = StaffFactory()
    StaffRoleFactory(user=account, clinic=house.clinic, role=role)
    with pytest.raises(ErasureNotAllowed):
        erase_patient(patient, reason=Reason.REQUEST, by=actor_for(account, house.clinic), at=ERASED_AT)
    assert ledger.read().length == 0
    with acting(house.system):
        denied = AuditEvent.objects.get(action="access.denied")
        assert (denied.actor_id, denied.reason) == (account.pk, "role")


def test_another_clinic_may_not(house: House) -> None:
    patient, west = house.opened(), ClinicFactory("west")
    account = StaffFactory()
    StaffRoleFactory(user=account, clinic=west, role=Role.PRIVACY_OFFICER)
    for by in (actor_for(account, west), system_actor("erasure", west.pk)):
        with pytest.raises(PatientNotFound):
            erase_patient(patient, reason=Reason.REQUEST, by=by, at=ERASED_AT)
    with acting(house.system):
        assert len(living_keys_of(patient.subject_id)) == 3


def test_without_a_hold_pair_nothing_of_a_kept_record_happens(
    house: House, in_care: Patient, settings: Any
) -> None:
    (Path(settings.KEYS_DIR) / "hold.pub").unlink()
    with pytest.raises(HoldMissing):
        house.erase(in_care)
    assert ledger.read().length == 0
    with acting(house.system):
        assert Patient.objects.get(pk=in_care.pk).restricted_at is None
        assert Outbox.objects.exists()


def test_when_the_event_cannot_be_written_nothing_happened(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = house.opened()

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the log is away")

    monkeypatch.setattr("exchange.services.erasure.record", refuse)
    with pytest.raises(RuntimeError):
        house.erase(patient)
    assert ledger.read().length == 0
    with acting(house.system):
        assert len(living_keys_of(patient.subject_id)) == 3


def test_inside_another_unit_of_work_it_is_refused(house: House) -> None:
    patient = house.opened()
    with acting(house.officer, house.clinic.pk), pytest.raises(RuntimeError, match="commits by itself"):
        house.erase(patient)


@pytest.mark.requirement("PIPL-47b")
def test_the_holder_of_the_private_half_opens_the_record_to_one_account_and_to_nobody_else(
    house: House, in_care: Patient, tmp_path: Path
) -> None:
    now = timezone.now()
    house.erase(in_care, at=now)
    inspector, private = StaffFactory(), read_private_half(house.private)
    StaffRoleFactory(user=inspector, clinic=house.clinic, role=Role.DOCTOR)

    def release(key: bytes) -> int:
        with acting(house.officer, house.clinic.pk):
            return release_hold(
                in_care,
                private=key,
                to=inspector,
                reason=GrantReason.COMPLAINT,
                by=house.officer,
                at=now,
            )

    with pytest.raises(SealBroken):
        release(bytes(32)[:-1] + b"\x01")
    assert release(private) == 2
    seer = actor_for(inspector, house.clinic)
    with acting(seer, house.clinic.pk), access(Purpose.CARE, Kind.VIEWED):
        assert patient_for(seer, in_care.pk).identity.name == "王小芳"
    with acting(house.nurse, house.clinic.pk), pytest.raises(PatientNotFound):
        patient_for(house.nurse, in_care.pk)
    with pytest.raises(NotHeld):
        release(private)
    assert the_line(house.erase(in_care, at=timezone.now())).number == 2
    with acting(seer, house.clinic.pk), pytest.raises(PatientNotFound):
        patient_for(seer, in_care.pk)


def test_the_plan_changes_nothing(house: House, in_care: Patient) -> None:
    with acting(house.officer, house.clinic.pk):
        fate = plan_erasure(in_care, at=ERASED_AT)
    assert fate.destroyed == {Scope.CONSENTED}
    with connection.cursor() as cursor:
        cursor.execute("SELECT counter, ledger_length FROM crypto_epoch")
        assert cursor.fetchone()[1] == 0


@pytest.mark.requirement("PIPL-47a")
def test_a_person_who_asks_for_it_is_deleted_and_the_answer_says_what_a_law_keeps(
    house: House, in_care: Patient
) -> None:
    with acting(house.officer):
        request = ask(
            in_care, RequestKind.DELETE, asked_through=GivenThrough.DESK, by=house.officer, at=ERASED_AT
        )
    with pytest.raises(IdentityUnknown):
        delete_as_asked(request.pk, by=house.officer, clinic_id=in_care.clinic_id, at=ERASED_AT)
    with acting(house.officer):
        verify(request.pk, IdentityCheck.PAPERS, by=house.officer, at=ERASED_AT)
    answered = delete_as_asked(request.pk, by=house.officer, clinic_id=in_care.clinic_id, at=ERASED_AT)
    assert (answered.state, answered.refusal) == ("refused", "retention")
    with acting(house.system):
        assert Patient.objects.get(pk=in_care.pk).restricted_at is not None
