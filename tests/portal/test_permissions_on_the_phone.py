"""Withdrawing takes no more taps than agreeing, tells at once what stopped, and stops it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import time_machine
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.models import ConsentEvent
from consent.queries import check
from followups.choices import MessageState
from patients.choices import PortalRelation
from patients.services import give_portal_access
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, messages_of, take
from tests.factories.patients import OPENED_AT
from tests.laid_out import laid_out
from tests.portal.conftest import Person, Register, about, system

PERMISSIONS = "/p/east/permissions/"
FOLLOWUP = "/p/east/permissions/followup/"


@laid_out
def agreed(person: Person, clinic: Clinic) -> Person:
    """The person agreed, a report came, and a reminder waits."""
    by = system(clinic)
    with acting(by):
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK):
            ConsentFactory(person.patient, purpose, by=by, at=MONDAY)
        file_results(person.patient, by=by, ldl=HIGH_LDL)
    take(clinic)
    return person


@pytest.fixture(autouse=True)
def on_monday() -> Iterator[None]:
    with time_machine.travel(MONDAY, tick=False):
        yield


def allowed(person: Person, clinic: Clinic) -> bool:
    with acting(system(clinic)):
        return check(person.patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed


def answer(client: Client, word: str, path: str = FOLLOWUP, token: str | None = None) -> object:
    return client.post(path, {**about(client), "answer": word, "token": token or uuid4().hex})


def test_every_purpose_that_is_asked_for_is_a_card(agreed: Person, phone_client: Client) -> None:
    page = phone_client.get(PERMISSIONS).context["page"]

    shown = [standing.rule.purpose for group in page.groups for standing in group.standings]
    assert {Purpose.CARE, Purpose.FOLLOWUP, Purpose.REPORT, Purpose.RISK} <= set(shown)
    assert (page.granted, page.not_granted) == (4, len(shown) - 4)
    assert all(not rule.needs_consent for rule in page.required)


def test_the_question_names_what_would_stop_and_changes_nothing(
    agreed: Person, clinic: Clinic, phone_client: Client
) -> None:
    page = phone_client.get(FOLLOWUP)

    assert page.context["will_stop"]
    assert allowed(agreed, clinic)


def test_withdrawing_cancels_the_waiting_reminder_at_once(
    agreed: Person, clinic: Clinic, phone_client: Client
) -> None:
    with acting(system(clinic)):
        before = messages_of(agreed.patient)
    answer(phone_client, "no")

    with acting(system(clinic)):
        after = messages_of(agreed.patient)
    assert before
    assert {message.state for message in after} == {MessageState.CANCELLED}
    assert not allowed(agreed, clinic)


def test_the_page_after_says_by_name_what_stopped_and_what_goes_on(
    agreed: Person, phone_client: Client
) -> None:
    page = answer(phone_client, "no")

    withdrawal = page.context["withdrawal"]  # type: ignore[attr-defined]
    text = page.content.decode()  # type: ignore[attr-defined]
    assert withdrawal.stopped
    assert withdrawal.keeps
    assert all(str(stopped) in text for stopped in withdrawal.stopped)
    assert str(page.context["receipt"].pk) in text  # type: ignore[attr-defined]


def test_sent_twice_it_withdraws_once(agreed: Person, clinic: Clinic, phone_client: Client) -> None:
    token = uuid4().hex
    answer(phone_client, "no", token=token)
    again = answer(phone_client, "no", token=token)

    assert again.status_code == 200  # type: ignore[attr-defined]
    with acting(system(clinic)):
        assert (
            ConsentEvent.objects.filter(patient=agreed.patient, purpose="followup", event="withdrawn").count()
            == 2
        )


def test_sent_again_after_a_new_yes_it_is_a_new_no(
    agreed: Person, clinic: Clinic, phone_client: Client
) -> None:
    token = uuid4().hex
    answer(phone_client, "no", token=token)
    answer(phone_client, "yes")
    assert allowed(agreed, clinic)
    assert answer(phone_client, "no", token=token).status_code == 200  # type: ignore[attr-defined]
    assert not allowed(agreed, clinic)


def test_a_form_without_its_token_is_refused(agreed: Person, clinic: Clinic, phone_client: Client) -> None:
    assert phone_client.post(FOLLOWUP, {**about(phone_client), "answer": "no"}).status_code == 404
    assert allowed(agreed, clinic)


def test_agreeing_again_takes_the_same_two_taps(agreed: Person, clinic: Clinic, phone_client: Client) -> None:
    answer(phone_client, "no")
    notice = phone_client.get(FOLLOWUP)
    done = answer(phone_client, "yes")

    assert len(notice.context["items"]) == 11
    assert done.headers["Location"] == PERMISSIONS  # type: ignore[attr-defined]
    assert allowed(agreed, clinic)


def test_the_ledger_says_it_came_from_the_persons_own_phone(
    agreed: Person, clinic: Clinic, phone_client: Client
) -> None:
    answer(phone_client, "no")

    with acting(system(clinic)):
        event = ConsentEvent.objects.filter(patient=agreed.patient, event="withdrawn").first()
        logged = AuditEvent.objects.filter(action="consent.withdrawn", actor_ref=f"user:{agreed.user.pk}")
        assert logged.exists()
    assert event
    assert (event.given_through, event.started_by, event.actor_ref) == (
        "portal",
        "person",
        f"user:{agreed.user.pk}",
    )


def test_a_proxys_word_says_that_it_is_a_proxys(
    person: Person, register: Register, clinic: Clinic, phone_client: Client
) -> None:
    mother = register(clinic, phone="+8613800000002", name="李桂兰")
    with acting(system(clinic)):
        give_portal_access(
            mother.patient, PortalRelation.PROXY, by=system(clinic), at=OPENED_AT, user=person.user
        )
    phone_client.post("/p/east/people/", {"patient": str(mother.patient.pk)})
    answer(phone_client, "yes")
    answer(phone_client, "no")

    with acting(system(clinic)):
        events = list(ConsentEvent.objects.filter(patient=mother.patient))
        assert not ConsentEvent.objects.filter(patient=person.patient).exists()
    assert {(event.event, event.expressed_by) for event in events} == {
        ("granted", "agent"),
        ("withdrawn", "agent"),
    }


def test_what_the_law_requires_has_no_switch(agreed: Person, phone_client: Client) -> None:
    for purpose in ("statutory", "security", "emergency", "nonsense"):
        assert phone_client.get(f"/p/east/permissions/{purpose}/").status_code == 404
        assert answer(phone_client, "no", path=f"/p/east/permissions/{purpose}/").status_code == 404  # type: ignore[attr-defined]


def test_a_get_never_withdraws(agreed: Person, clinic: Clinic, phone_client: Client) -> None:
    phone_client.get(FOLLOWUP, {"answer": "no", "token": uuid4().hex})

    assert allowed(agreed, clinic)
