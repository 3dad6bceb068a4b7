"""A person asks about their data on their own phone; the clock stands there, the answer too, and nobody else's request opens."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from clinics.models import Clinic
from consent.choices import RefusalReason, RequestKind, RequestState
from consent.models import PersonRequest, RequestedCorrection
from consent.requests import grant_request, refuse_request
from patients.choices import PortalRelation
from patients.services import give_portal_access
from tests.factories.patients import OPENED_AT
from tests.portal.conftest import Person, Register, about, system

DATA = "/p/east/data/"


def ask(client: Client, kind: str, **typed: str) -> int:
    return client.post(f"{DATA}ask/{kind}/", {**about(client), "words": "", **typed}).status_code


def only_request(clinic: Clinic) -> PersonRequest:
    with acting(system(clinic)):
        return PersonRequest.objects.defer("words", "answer").get()


@pytest.mark.parametrize("kind", sorted(set(RequestKind.values) - {"correct"}))
def test_everything_can_be_asked_for_and_the_clock_begins(
    person: Person, clinic: Clinic, phone_client: Client, kind: str
) -> None:
    assert phone_client.get(f"{DATA}ask/{kind}/").status_code == 200
    assert ask(phone_client, kind) == 302

    request = only_request(clinic)
    assert (request.kind, request.state) == (kind, RequestState.RECEIVED)
    assert request.verified_at  # signed in on their own phone: no more papers
    (waiting,) = phone_client.get(DATA).context["waiting"]
    assert (waiting.days_left, waiting.is_pressing) == (15, False)


def test_asked_twice_while_it_waits_it_is_one(person: Person, clinic: Clinic, phone_client: Client) -> None:
    ask(phone_client, "copy")
    ask(phone_client, "copy")

    assert only_request(clinic).kind == "copy"


def test_near_the_end_the_clock_presses(person: Person, phone_client: Client) -> None:
    ask(phone_client, "copy")
    with time_machine.travel(timezone.now() + timedelta(days=13)):
        later = Client()
        later.force_login(person.user)
        (waiting,) = later.get(DATA).context["waiting"]

    assert (waiting.days_left, waiting.is_pressing) == (2, True)


def test_a_correction_says_what_is_wrong_and_what_is_right(
    person: Person, clinic: Clinic, phone_client: Client
) -> None:
    assert ask(phone_client, "correct", field="name") == 200  # what is right is missing
    assert ask(phone_client, "correct", field="level", new="1") == 200  # nobody corrects that
    assert ask(phone_client, "correct", field="name", new="邓淑瑛") == 302

    with acting(system(clinic)):
        assert RequestedCorrection.objects.values_list("field", flat=True).get() == "name"


def test_the_answer_and_the_reason_stand_on_the_page(
    person: Person, clinic: Clinic, phone_client: Client
) -> None:
    by = system(clinic)
    for kind in ("explain", "delete"):
        ask(phone_client, kind)
    with acting(by):
        asked = {one.kind: one.pk for one in PersonRequest.objects.defer("words", "answer")}
        grant_request(asked["explain"], "林医生打电话讲过了。", by=by, at=timezone.now())
        refuse_request(
            asked["delete"], RefusalReason.RETENTION, "病历存到 2041 年。", by=by, at=timezone.now()
        )
    page = phone_client.get(DATA)
    text = page.content.decode()

    assert page.context["waiting"] == []
    assert "林医生打电话讲过了。" in text
    assert "病历存到 2041 年。" in text
    assert str(RefusalReason.RETENTION.label) in text


def test_a_request_is_taken_back_by_its_owner_alone(
    person: Person, clinic: Clinic, register: Register, phone_client: Client
) -> None:
    ask(phone_client, "copy")
    request = only_request(clinic)
    other = Client()
    other.force_login(register(clinic, phone="+8613800000002", name="李桂兰").user)
    back = f"{DATA}requests/{request.pk}/back/"

    assert other.post(back, about(other)).status_code == 404
    assert other.post(f"{DATA}requests/{uuid4()}/back/", about(other)).status_code == 404
    assert phone_client.post(back, about(phone_client)).status_code == 302
    assert only_request(clinic).state == RequestState.TAKEN_BACK


def test_what_a_proxy_asks_waits_until_the_clinic_knows_who_asks(
    person: Person, clinic: Clinic, register: Register, phone_client: Client
) -> None:
    by, mother = system(clinic), register(clinic, phone="+8613800000002", name="李桂兰")
    with acting(by):
        give_portal_access(mother.patient, PortalRelation.PROXY, by, at=OPENED_AT, user=person.user)
    phone_client.post("/p/east/people/", {"patient": str(mother.patient.pk)})
    ask(phone_client, "delete")

    request = only_request(clinic)
    assert (request.patient_id, request.asked_by, request.verified_at) == (mother.patient.pk, "agent", None)


def test_nobody_asks_for_what_does_not_exist(person: Person, phone_client: Client) -> None:
    assert phone_client.get(f"{DATA}ask/everything/").status_code == 404
