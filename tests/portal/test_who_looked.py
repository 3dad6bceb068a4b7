"""Who looked at my record: each look in plain words, the name once asked for, lists and jobs as a number; nobody else's eyes."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.access import access, relate
from audit.acting import acting
from audit.kinds import Kind
from audit.models import AuditEvent, NamesTold
from audit.names import set_names_told
from audit.purposes import Purpose
from audit.relations import Relation
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.choices import PortalRelation
from patients.models import Patient, PatientSearchPerson
from patients.services import give_portal_access
from portal.looks import LooksPage
from tests.factories.clinics import CareTeamFactory, StaffFactory, StaffRoleFactory, TeamMemberFactory
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for
from tests.laid_out import laid_out
from tests.portal.conftest import Person, Register, about, system

PAGE = "/p/east/looked/"


@laid_out
def nurse(clinic: Clinic) -> User:
    user: User = StaffFactory(display_name="王敏")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    TeamMemberFactory(team=CareTeamFactory(clinic=clinic, name="一组"), user=user)
    return user


def look(
    patient: Patient, by: User, kind: Kind = Kind.VIEWED, *, tie: Relation = Relation.OWN, reason: str = ""
) -> UUID:
    with acting(actor_for(by, patient.clinic)), access(Purpose.CARE, kind, reason=reason):
        relate(patient.subject_id, tie)
        assert Patient.objects.get(pk=patient.pk).identity.phone
    with acting(system(patient.clinic)):
        uid: UUID = (
            AuditEvent.objects.filter(action="access").order_by("-uid").values_list("uid", flat=True)[0]
        )
    return uid


def page_of(phone: Client) -> LooksPage:
    page: LooksPage = phone.get(PAGE).context["page"]
    return page


def told(phone: Client) -> list[tuple[str, str, str]]:
    return [(shown.who, shown.what, shown.why) for _day, looks in page_of(phone).days for shown in looks]


def test_a_look_says_role_team_what_and_why_and_no_name(
    person: Person, nurse: User, phone_client: Client
) -> None:
    look(person.patient, nurse)
    (who, what, why) = told(phone_client)[0]

    assert who == f"{Role.NURSE.label} 一组"
    assert what == "电话"
    assert why
    assert "王敏" not in phone_client.get(PAGE).content.decode()


def test_the_name_is_said_once_the_person_has_asked_and_the_asking_is_on_the_log(
    person: Person, nurse: User, phone_client: Client
) -> None:
    uid = look(person.patient, nurse)
    answer = phone_client.post(f"{PAGE}{uid}/who/", about(phone_client))

    assert answer.status_code == 302
    assert told(phone_client)[0][0] == "王敏"
    with acting(system(person.patient.clinic)):
        (event,) = AuditEvent.objects.filter(action="name.asked")
    assert (event.actor_ref, event.object_pk) == (f"user:{person.user.pk}", str(nurse.pk))


def test_names_are_told_as_the_clinic_says(person: Person, nurse: User, phone_client: Client) -> None:
    uid = look(person.patient, nurse)
    officer = system(person.patient.clinic)

    with acting(officer):
        set_names_told(NamesTold.BY_OFFICER, officer, timezone.now())
    answer = phone_client.get(PAGE)
    assert (answer.context["page"].by_officer, "王敏" in answer.content.decode()) == (True, False)
    assert f"{uid}/who/" not in answer.content.decode()
    assert phone_client.post(f"{PAGE}{uid}/who/", about(phone_client)).status_code == 404

    with acting(officer):
        set_names_told(NamesTold.AT_ONCE, officer, timezone.now())
    assert told(phone_client)[0][0] == "王敏"
    assert f"{uid}/who/" not in phone_client.get(PAGE).content.decode()


@pytest.mark.requirement("PIPL-18")
def test_views_of_a_day_stand_together_and_what_is_out_of_the_ordinary_stands_alone(
    person: Person, nurse: User, phone_client: Client
) -> None:
    for _time in range(3):
        look(person.patient, nurse)
    for _time in range(2):
        look(person.patient, nurse, Kind.REVEALED, reason="call")
        look(person.patient, nurse, tie=Relation.BREAK_GLASS)
    page = page_of(phone_client)

    assert sorted(len(look.entries) for look in page.looks.looks) == [1, 1, 1, 1, 3]
    assert (page.looks.times, len(page.looks.actors)) == (7, 1)
    assert sum(look.is_unusual for look in page.looks.looks) == 2


def test_lists_and_jobs_are_a_number_and_what_a_search_compared_is_nothing(
    person: Person, nurse: User, phone_client: Client
) -> None:
    for kind in (Kind.LISTED, Kind.LISTED, Kind.COMPUTED, Kind.MATCHED):
        look(person.patient, nurse, kind)
    page = page_of(phone_client)

    assert (page.looks.listed, page.looks.computed, page.looks.looks) == (2, 1, [])


def test_ones_own_looks_are_left_out_and_those_of_the_log_are_told(
    person: Person, phone_client: Client, clinic: Clinic
) -> None:
    phone_client.get("/p/east/")
    assert told(phone_client) == []

    officer = StaffFactory()
    StaffRoleFactory(user=officer, clinic=clinic, role=Role.PRIVACY_OFFICER)
    browser = Client()
    browser.force_login(officer)
    browser.get("/privacy/log/", {"patient": str(person.patient.pk)})
    ((who, what, _why),) = told(phone_client)
    assert (who, what) == (str(Role.PRIVACY_OFFICER.label), "关于您的记录")


def test_an_export_is_told_and_its_absence_too(person: Person, nurse: User, phone_client: Client) -> None:
    assert page_of(phone_client).exported == 0
    look(person.patient, nurse, Kind.EXPORTED)
    assert page_of(phone_client).exported == 1


def test_thirty_days_are_told_and_the_way_leads_to_earlier_ones(
    person: Person, nurse: User, phone_client: Client
) -> None:
    look(person.patient, nurse)
    today = timezone.localdate()
    earlier = phone_client.get(PAGE, {"before": str(today - timedelta(days=29))})
    later = phone_client.get(PAGE, {"before": str(today + timedelta(days=400))})

    assert earlier.context["page"].looks.looks == []
    assert not earlier.context["page"].is_latest
    assert later.context["page"].is_latest
    assert phone_client.get(PAGE, {"before": "13900001111"}).context["page"].is_latest


def test_whoever_had_two_cards_that_became_one_sees_the_looks_at_both(
    clinic: Clinic, person: Person, nurse: User, phone_client: Client
) -> None:
    with acting(system(clinic)):
        twin = PatientFactory(clinic=clinic, name="陈桂兰")
    uid = look(twin, nurse)
    assert told(phone_client) == []
    with acting(system(clinic)):
        PatientSearchPerson.objects.filter(subject_id=twin.subject_id).update(patient=person.patient)
    assert len(told(phone_client)) == 1
    assert phone_client.post(f"{PAGE}{uid}/who/", about(phone_client)).status_code == 302


# --- attacks ----------------------------------------------------------------------------------------------------------------


def test_who_looks_after_somebody_does_not_see_who_looked_at_them(
    clinic: Clinic, person: Person, nurse: User, client: Client
) -> None:
    """The attack: a daughter, or a parent, with the pages of the patient on her phone, opens the address by hand."""
    with acting(system(clinic)):
        mother = PatientFactory(clinic=clinic, name="陈桂兰")
        child = PatientFactory(clinic=clinic, birth_date=timezone.localdate() - timedelta(days=5 * 365))
        for relation, patient in ((PortalRelation.PROXY, mother), (PortalRelation.GUARDIAN, child)):
            helper = give_portal_access(patient, relation, by=system(clinic), at=OPENED_AT).user
            uid = look(patient, nurse)
            client.force_login(helper)
            assert client.get("/p/east/").status_code == 200
            assert client.get(PAGE).status_code == 404
            assert client.post(f"{PAGE}{uid}/who/", about(client)).status_code == 404


def test_a_name_is_told_of_a_look_at_oneself_alone(
    clinic: Clinic, person: Person, nurse: User, phone_client: Client
) -> None:
    """The attack: a patient edits the address to learn who looked at somebody else, or who did anything at all."""
    with acting(system(clinic)):
        other = PatientFactory(clinic=clinic, name="陈桂兰")
    at_other = look(other, nurse)
    listed = look(person.patient, nurse, Kind.LISTED)

    for uid in (at_other, listed, uuid4()):
        assert phone_client.post(f"{PAGE}{uid}/who/", about(phone_client)).status_code == 404
    look(person.patient, nurse)
    assert "王敏" not in phone_client.get(PAGE).content.decode()


def test_a_look_in_the_sister_clinic_is_told_there(
    clinic: Clinic,
    other_clinic: Clinic,
    person: Person,
    register: Register,
    nurse: User,
    phone_client: Client,
) -> None:
    there = register(other_clinic, phone="+8613800000002")
    doctor = StaffFactory()
    StaffRoleFactory(user=doctor, clinic=other_clinic, role=Role.DOCTOR)
    look(there.patient, doctor)

    assert told(phone_client) == []
    assert phone_client.get("/p/west/looked/").status_code == 404


def test_the_page_costs_the_same_for_one_look_and_for_many(
    person: Person, clinic: Clinic, nurse: User, phone_client: Client
) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as ran:
            phone_client.get(PAGE)
        return len(ran)

    look(person.patient, nurse)
    cost()
    few = cost()
    for _time in range(5):
        colleague = StaffFactory()
        StaffRoleFactory(user=colleague, clinic=clinic, role=Role.DOCTOR)
        look(person.patient, colleague)
    assert cost() == few
