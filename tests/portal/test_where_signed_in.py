"""A person sees where their pages are open and what changed lately, and ends it; the desk can too, and they are told."""

from datetime import timedelta

import time_machine
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from audit.acting import acting
from audit.models import AuditEvent, EventSubject
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.choices import CareRole
from patients.models import Patient
from patients.services import begin_care
from tests.factories.clinics import StaffFactory, StaffRoleFactory
from tests.factories.patients import PatientFactory
from tests.portal.conftest import Person, system
from tests.portal.test_passkeys import passkey_of

DEVICES, HOME = "/p/east/devices/", "/p/east/"
ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36"


def signed_in(user: User) -> Client:
    client = Client(HTTP_USER_AGENT=ANDROID)
    client.force_login(user)
    return client


def is_in(client: Client) -> bool:
    return client.get(HOME).status_code == 200


def told(client: Client) -> list[str]:
    """What the page says has changed, the newest first."""
    changes = client.get(DEVICES).context["changes"]
    with override("en"):
        return [str(change.words) for change in changes]


def events(clinic: Clinic, action: str) -> list[AuditEvent]:
    with acting(system(clinic)):
        return list(AuditEvent.objects.filter(action=action))


def employee(clinic: Clinic, role: Role, patient: Patient | None = None) -> Client:
    """Somebody at work, who looks after the person where one is given."""
    staff = StaffFactory()
    StaffRoleFactory(user=staff, clinic=clinic, role=role)
    if patient is not None:
        with acting(system(clinic)):
            begin_care(patient, role=CareRole.MANAGER, staff=staff, by=system(clinic), at=timezone.now())
    client = Client()
    client.force_login(staff)
    return client


def sign_out_address(person: Person) -> str:
    return f"/patients/{person.patient.pk}/portal/sign-out/"


def test_each_phone_is_listed_and_is_ended_alone(person: Person, clinic: Clinic) -> None:
    lost, mine, tablet = (signed_in(person.user) for _ in range(3))
    page = mine.get(DEVICES)
    here = page.context["this_session"]
    others = [one.pk for one in page.context["sessions"] if one.pk != here]

    assert len(page.context["sessions"]) == 3
    for session in others:
        assert mine.post(f"{DEVICES}{session}/end/").headers["Location"] == DEVICES
    assert [is_in(client) for client in (lost, mine, tablet)] == [False, True, False]
    assert len(events(clinic, "account.session_ended")) == 2


def test_a_session_of_somebody_else_is_not_theirs_to_end(person: Person, daughter: Person) -> None:
    mine, hers = signed_in(person.user), signed_in(daughter.user)
    session = hers.get(DEVICES).context["this_session"]

    assert mine.post(f"{DEVICES}{session}/end/").status_code == 404
    assert is_in(hers)


def test_a_session_that_is_over_by_itself_is_not_listed(person: Person) -> None:
    signed_in(person.user)
    with time_machine.travel(timezone.now() + timedelta(days=30), tick=False):
        page = signed_in(person.user).get(DEVICES)
        assert [one.pk for one in page.context["sessions"]] == [page.context["this_session"]]


def test_what_opens_the_pages_is_told_when_it_changes(person: Person) -> None:
    phone = signed_in(person.user)
    passkey = passkey_of(person.user)
    phone.post("/p/east/pin/", {"pin": "582914", "again": "582914"})
    phone.post("/p/east/pin/end/")
    phone.post(f"/p/east/passkeys/{passkey.pk}/end/")
    phone.post("/p/east/sign-out/", {"everywhere": "yes"})

    again = signed_in(person.user)
    assert "_news" in str([template.name for template in again.get(HOME).templates])
    assert DEVICES in again.get(HOME).content.decode()
    assert told(again) == [
        "Signed in on a phone or computer that is new to your pages",
        "You signed out on every phone and computer",
        "A passkey was removed",
        "The PIN for a shared phone was removed",
        "The PIN for a shared phone was set",
    ]
    assert DEVICES not in again.get(HOME).content.decode()


def test_the_first_phone_is_no_news(person: Person) -> None:
    first = signed_in(person.user)

    assert told(first) == []
    assert DEVICES not in first.get(HOME).content.decode()


def test_the_desk_signs_a_lost_phone_out_and_the_person_is_told(person: Person, clinic: Clinic) -> None:
    lost = signed_in(person.user)
    desk = employee(clinic, Role.HEALTH_MANAGER, person.patient)
    assert sign_out_address(person) in desk.get(f"/patients/{person.patient.pk}/").content.decode()
    answer = desk.post(sign_out_address(person))

    assert answer.headers["Location"] == f"/patients/{person.patient.pk}/"
    assert not is_in(lost)
    assert "The clinic signed you out on every phone and computer" in told(signed_in(person.user))
    (event,) = events(clinic, "account.sessions_ended")
    assert event.reason == "desk"
    with acting(system(clinic)):
        about = EventSubject.objects.filter(event_uid=event.uid).values_list("subject_id", flat=True)
        assert list(about) == [person.patient.subject_id]


def test_nobody_signs_out_whom_they_do_not_look_after_or_may_ask_nothing(
    person: Person, clinic: Clinic, other_clinic: Clinic
) -> None:
    phone = signed_in(person.user)
    stranger, elsewhere = employee(clinic, Role.HEALTH_MANAGER), employee(other_clinic, Role.HEALTH_MANAGER)
    caller = employee(clinic, Role.CALLER, person.patient)

    answers = [one.post(sign_out_address(person)).status_code for one in (stranger, elsewhere, caller)]
    assert answers == [404, 404, 403]
    assert phone.post(sign_out_address(person)).status_code == 404
    assert is_in(phone)


def test_somebody_without_pages_has_none_to_sign_out(clinic: Clinic) -> None:
    with acting(system(clinic)):
        patient = PatientFactory(clinic=clinic, phone=None)
    desk, address = employee(clinic, Role.HEALTH_MANAGER, patient), f"/patients/{patient.pk}/portal/sign-out/"

    assert address not in desk.get(f"/patients/{patient.pk}/").content.decode()
    assert desk.post(address).status_code == 409
