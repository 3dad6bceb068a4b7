"""What somebody had preserved is not destroyed before its day; what a person had restricted is used again when they say so."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from clinics.roles import Role
from consent.choices import GivenThrough, IdentityCheck, RequestKind
from consent.errors import IdentityUnknown
from consent.queries import check
from consent.requests import ask, grant_request, verify
from crypto.core.scopes import Scope
from exchange.choices import PreservationReason
from exchange.errors import NotLiftable
from exchange.models import Preservation
from exchange.services import Reason, erase_patient, plan_erasure
from exchange.services.preserving import end_preservation, lift_restriction, preserve
from exchange.sweeping import sweep
from patients.errors import PatientNotFound
from patients.models import Patient
from patients.queries import visible_patients
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.erasure import ERASED_AT, House, living_keys_of
from tests.factories.patients import PatientFactory

UNTIL = ERASED_AT + timedelta(days=90)
KEPT = "/privacy/kept/"


def keys_of(patient: Patient, house: House) -> set[str]:
    with acting(house.system):
        return set(living_keys_of(patient.subject_id).values())


@pytest.mark.requirement("PIPL-47b")
@pytest.mark.django_db(transaction=True)
def test_a_preserved_record_is_only_stored_whoever_asks_and_goes_when_the_day_is_over(house: House) -> None:
    with acting(house.officer):
        fresh = PatientFactory(clinic=house.clinic)  # nothing else is kept of them
        preservation = preserve(
            fresh.service_number, PreservationReason.LAWSUIT, until=UNTIL, by=house.officer, at=ERASED_AT
        )
        fate = plan_erasure(fresh, at=ERASED_AT)
        assert (fate.restricted, fate.kept_until) == (frozenset(Scope), UNTIL)
        assert plan_erasure(fresh, at=UNTIL).restricted == frozenset()
    erase_patient(fresh, reason=Reason.REQUEST, by=house.officer, at=ERASED_AT)
    assert keys_of(fresh, house) == {"held"}
    sweep(house.clinic, UNTIL - timedelta(seconds=1))
    assert keys_of(fresh, house) == {"held"}
    with acting(house.officer):
        for _twice in range(2):
            end_preservation(preservation.pk, by=house.officer, at=ERASED_AT + timedelta(days=2))
        assert AuditEvent.objects.filter(action="preservation.ended").count() == 1
        with pytest.raises(NotLiftable):
            lift_restriction(fresh.pk, IdentityCheck.PAPERS, by=house.officer, at=ERASED_AT)
    sweep(house.clinic, ERASED_AT + timedelta(days=3))
    assert keys_of(fresh, house) == set()


@pytest.mark.requirement("PIPL-44")
@pytest.mark.django_db
def test_a_restriction_ends_when_the_person_says_so_and_nothing_starts_again_by_itself(
    clinic: Clinic, client: Client
) -> None:

    with acting(system_actor("test", clinic.pk)) as house:
        patient = PatientFactory(clinic=clinic)
        ConsentFactory(patient, Purpose.FOLLOWUP, by=house)
        asked = ask(patient, RequestKind.RESTRICT, asked_through=GivenThrough.DESK, by=house, at=MONDAY)
        verify(asked.pk, IdentityCheck.PAPERS, by=house, at=MONDAY)
        grant_request(asked.pk, "", by=house, at=MONDAY)
        assert not visible_patients(house, clinic.pk).filter(pk=patient.pk).exists()
        with pytest.raises(IdentityUnknown):
            lift_restriction(patient.pk, IdentityCheck.PORTAL, by=house, at=MONDAY)

    officer = StaffFactory()
    StaffRoleFactory(user=officer, clinic=clinic, role=Role.PRIVACY_OFFICER)
    client.force_login(officer)
    assert [one.liftable for one in client.get(KEPT).context["stored"]] == [True]
    assert client.post(KEPT, {"patient": str(patient.pk), "how": "papers"}).status_code == 302

    with acting(system_actor("test", clinic.pk)) as house:
        assert visible_patients(house, clinic.pk).filter(pk=patient.pk).exists()
        assert not check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed
        assert AuditEvent.objects.get(action="patient.lifted").reason == "papers"


@pytest.mark.django_db
def test_the_privacy_officer_alone_preserves_and_only_in_their_clinic(clinic: Clinic) -> None:

    west = ClinicFactory("west")
    with acting(system_actor("test", clinic.pk)):
        patient = PatientFactory(clinic=clinic)
    said = {"number": patient.service_number, "reason": "dispute", "until": "2099-12-31"}
    for place, role, status in (
        (clinic, Role.DOCTOR, 403),
        (clinic, Role.MANAGER, 403),
        (west, Role.PRIVACY_OFFICER, 200),
        (clinic, Role.PRIVACY_OFFICER, 302),
    ):
        user = StaffFactory()
        StaffRoleFactory(user=user, clinic=place, role=role)
        client = Client()
        client.force_login(user)
        assert client.post(KEPT, said).status_code == status
    for wrong in ({"until": "2020-01-01"}, {"number": "123"}, {"reason": "whim"}):
        assert client.post(KEPT, {**said, **wrong}).status_code == 200
    assert client.post(KEPT, said).status_code == 302
    with acting(system_actor("test", clinic.pk)):
        preservation = Preservation.objects.get()
        assert (preservation.patient, preservation.reason) == (patient, "dispute")
        assert preservation.begun_by == user
    with acting(system_actor("test", west.pk)) as stranger, pytest.raises(PatientNotFound):
        preserve(patient.service_number, PreservationReason.LAWSUIT, until=UNTIL, by=stranger, at=ERASED_AT)
