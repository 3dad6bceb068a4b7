"""Using data without a permission to save a life: for a reason, until an end, on the ledger; the person is told afterwards."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from consent.choices import Operation
from consent.errors import ConsentMissing
from consent.models import ConsentEvent, Disclosure, Recipient
from consent.queries import check
from consent.recipients import give
from consent.services import withdraw_everything
from patients.choices import GlassReason, PortalRelation
from patients.models import BreakGlass, Patient
from patients.services import give_portal_access
from patients.services.glass import LASTS, Sought, break_glass
from tests.factories.consent import MONDAY, ConsentFactory, RecipientFactory
from tests.factories.patients import actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]
REVIEW = "/patients/emergency/review/"


@laid_out
def doctor(clinic: Clinic, hire: Hire) -> Actor:
    """Of no team: the patient is not in their care."""
    return actor_for(hire(clinic, role=Role.DOCTOR), clinic)


@laid_out
def hospital(clinic: Clinic, nurse: Actor) -> Recipient:
    with acting(nurse):
        return RecipientFactory(clinic, Purpose.EMERGENCY, by=nurse)


def emergency(patient: Patient, by: Actor) -> BreakGlass:
    found = break_glass(
        Sought(service_number=patient.service_number),
        reason=GlassReason.EMERGENCY,
        note="晕倒在前台",
        by=by,
        at=MONDAY,
    )
    assert found.glass is not None
    return found.glass


def send_to_hospital(patient: Patient, by: Actor) -> Disclosure:
    return give(
        patient,
        "hospital",
        Purpose.EMERGENCY,
        op=Operation.SHARE,
        data=frozenset({"health"}),
        what="report",
        by=by,
        at=MONDAY,
    )


@pytest.mark.requirement("PIPL-13", "PIPL-18")
def test_without_any_permission_data_are_given_to_who_helps_once_somebody_said_why(
    hospital: Recipient, patient: Patient, doctor: Actor
) -> None:
    with acting(doctor):
        with pytest.raises(ConsentMissing):
            send_to_hospital(patient, doctor)
        glass = emergency(patient, doctor)
        given = send_to_hospital(patient, doctor)

        assert given.decision is not None
        assert (given.decision.event, given.decision.legal_basis) == ("invoked", "emergency")
        assert (given.decision.expressed_by, given.decision.valid_until) == ("clinic", glass.valid_until)


def test_it_ends_by_itself_opens_no_other_purpose_and_is_written_once(
    patient: Patient, doctor: Actor
) -> None:
    with acting(doctor):
        emergency(patient, doctor)
        emergency_again = break_glass(
            Sought(service_number=patient.service_number),
            reason=GlassReason.EMERGENCY,
            note="仍在抢救",
            by=doctor,
            at=MONDAY,
        )
        assert emergency_again.glass is None
        lasting = check(patient.pk, Purpose.EMERGENCY, at=MONDAY + LASTS - timedelta(seconds=1))
        over = check(patient.pk, Purpose.EMERGENCY, at=MONDAY + LASTS)
        other = check(patient.pk, Purpose.MARKETING, at=MONDAY)

        assert (lasting.reason, over.reason, other.allowed) == ("in_emergency", "break_glass", False)
        assert ConsentEvent.objects.filter(purpose=Purpose.EMERGENCY).count() == 6
        assert AuditEvent.objects.filter(action="consent.invoked").count() == 1


def test_a_no_to_everything_does_not_stop_it_and_an_erasure_does(
    patient: Patient, doctor: Actor, nurse: Actor
) -> None:
    with acting(nurse):
        ConsentFactory(patient, Purpose.CARE, by=nurse, granted=False)
    with acting(doctor):
        emergency(patient, doctor)
        assert check(patient.pk, Purpose.EMERGENCY, at=MONDAY).allowed
        assert not check(patient.pk, Purpose.CARE, at=MONDAY).allowed
    with acting(system_actor("test", patient.clinic_id)) as house:
        withdraw_everything(patient, by=house, at=MONDAY)
        assert not check(patient.pk, Purpose.EMERGENCY, at=MONDAY).allowed


@pytest.mark.requirement("PIPL-18")
def test_the_person_reads_of_it_on_their_own_page_and_that_is_written_down(
    patient: Patient, doctor: Actor, clinic: Clinic, client: Client
) -> None:
    with acting(doctor):
        glass = emergency(patient, doctor)
    with acting(system_actor("test", clinic.pk)) as house:
        own = give_portal_access(patient, PortalRelation.SELF, by=house, at=MONDAY).user
        proxy = give_portal_access(patient, PortalRelation.PROXY, by=house, at=MONDAY).user
    client.force_login(own)
    home, page = client.get("/p/east/"), client.get("/p/east/emergencies/")
    assert home.context["untold"] == page.context["found"] == [glass]
    for answer in (home, page):
        assert 'action="/p/east/emergencies/"' in answer.content.decode()
        assert "晕倒在前台" not in answer.content.decode()
    assert client.post("/p/east/emergencies/", {"about": str(patient.pk)}).status_code == 302
    assert client.get("/p/east/").context["untold"] == []
    with acting(system_actor("test", clinic.pk)):
        glass.refresh_from_db()
        assert (glass.told_how, glass.told_by_id) == ("portal", own.pk)
        assert AuditEvent.objects.get(action="glass.told").reason == "portal"
    # nobody said it, so it is no word of the person's and needs no receipt
    assert client.get("/p/east/history/").context["history"] == []
    assert client.get("/p/east/history/consents.json").json()["entry"] == []
    client.force_login(proxy)
    assert client.get("/p/east/emergencies/").status_code == 404
    assert client.get("/p/east/").context["untold"] == []


@pytest.mark.requirement("PIPL-18")
def test_whoever_has_no_page_is_told_by_the_clinic_and_waits_on_a_list_until_then(
    patient: Patient, doctor: Actor, clinic: Clinic, hire: Hire, client: Client
) -> None:
    with acting(doctor):
        glass = emergency(patient, doctor)
    officer = hire(clinic, role=Role.PRIVACY_OFFICER)
    client.force_login(officer)
    assert list(client.get(REVIEW).context["to_tell"]) == [glass]
    for how in ("portal", "told_nobody"):  # nobody reads in somebody's place
        client.post(REVIEW, {"glass": str(glass.pk), "told": how})
    assert list(client.get(REVIEW).context["to_tell"]) == [glass]
    for how in ("phone", "letter"):
        client.post(REVIEW, {"glass": str(glass.pk), "told": how})
    assert list(client.get(REVIEW).context["to_tell"]) == []
    with acting(system_actor("test", clinic.pk)):
        glass.refresh_from_db()
        assert (glass.told_how, glass.told_by_id, glass.finding) == ("phone", officer.pk, "")
