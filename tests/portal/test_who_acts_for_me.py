"""Who looks after a chart sees it until the day that was said, or until the person ends it; and never more than was given."""

from datetime import timedelta
from uuid import uuid4

import time_machine
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.models import AuditEvent
from clinics.models import Clinic
from patients.choices import PortalRelation
from patients.models import PortalAccess
from patients.services import give_portal_access
from tests.factories.patients import OPENED_AT
from tests.portal.conftest import Person, about, as_proxy, system

PROXIES = "/p/east/proxies/"


def end(access: PortalAccess) -> str:
    return f"{PROXIES}{access.pk}/end/"


def test_the_person_sees_who_acts_for_them_half_hidden(given: PortalAccess, phone_client: Client) -> None:
    page = phone_client.get(PROXIES)

    assert [proxy.access for proxy in page.context["proxies"]] == [given]
    assert "邓*雨" in page.content.decode()
    assert "邓小雨" not in page.content.decode()


def test_ending_it_closes_the_pages_at_once_and_is_on_the_log(
    given: PortalAccess, person: Person, daughter: Person, clinic: Clinic, phone_client: Client
) -> None:
    theirs = as_proxy(daughter, person)
    phone_client.post(end(given), about(phone_client))

    assert theirs.get("/p/east/").context["screen"].shown.patient == daughter.patient
    assert theirs.post("/p/east/people/", {"patient": str(person.patient.pk)}).status_code == 404
    with acting(system(clinic)):
        assert AuditEvent.objects.filter(action="portal.access_ended").count() == 1


def test_after_its_last_day_a_proxy_sees_and_decides_nothing(
    given: PortalAccess, person: Person, daughter: Person, clinic: Clinic
) -> None:
    theirs = as_proxy(daughter, person)
    with acting(system(clinic)):
        given.valid_until = timezone.now() + timedelta(hours=1)
        given.save(update_fields=["valid_until"])
    with time_machine.travel(given.valid_until + timedelta(seconds=1)):
        assert theirs.post("/p/east/people/", {"patient": str(person.patient.pk)}).status_code == 404
        assert theirs.get("/p/east/").context["screen"].shown.patient == daughter.patient
        assert theirs.get("/p/east/").context["screen"].others == []


def test_a_proxy_sees_neither_who_looked_nor_who_else_acts(
    given: PortalAccess, person: Person, daughter: Person
) -> None:
    theirs = as_proxy(daughter, person)

    for address in ("/p/east/looked/", PROXIES):
        assert theirs.get(address).status_code == 404
    assert theirs.post(end(given), about(theirs)).status_code == 404


def test_nobody_ends_their_own_access_or_that_to_somebody_else(
    given: PortalAccess, person: Person, daughter: Person, clinic: Clinic, phone_client: Client
) -> None:
    with acting(system(clinic)):
        own = PortalAccess.objects.get(patient=person.patient, relation=PortalRelation.SELF)
        others = PortalAccess.objects.get(patient=daughter.patient)

    for access_id in (own.pk, others.pk, uuid4()):
        assert phone_client.post(f"{PROXIES}{access_id}/end/", about(phone_client)).status_code == 404
    assert phone_client.get("/p/east/").status_code == 200


def test_whoever_only_looks_after_others_is_offered_no_pin_of_their_own(
    person: Person, daughter: Person, given: PortalAccess, clinic: Clinic
) -> None:
    by = system(clinic)
    with acting(by):
        neighbour = give_portal_access(person.patient, PortalRelation.PROXY, by, at=OPENED_AT).user
    offered = {}
    for who in (daughter.user, neighbour):
        phone = Client()
        phone.force_login(who)
        offered[who] = "/p/east/pin/" in phone.get("/p/east/data/").content.decode()
        assert phone.get("/p/east/pin/").status_code == (200 if offered[who] else 404)

    assert list(offered.values()) == [True, False]
