"""A form of the own pages says whom it is about, and is carried out on nobody else."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.models import Complaint, ConsentEvent
from consent.queries import check
from patients.models import PortalAccess
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.patients import PatientFactory
from tests.portal.conftest import Person, about, as_proxy, system

FOLLOWUP = "/p/east/permissions/followup/"
PEOPLE = "/p/east/people/"
COMPLAINT = "/p/east/complaint/"
OF_THE_ACCOUNT = {"sign_out", "sign_in", "passkey_sign_in", "code", "who_are_you", "join", "people", "reading", "passkeys",
                  "end_passkey", "end_device", "pin", "end_pin", "stop"}  # fmt: skip
_FORM = re.compile(r'<form (?:[^<]*? )?method="post".*?</form>', re.DOTALL)


@pytest.fixture(autouse=True)
def on_monday() -> Iterator[None]:
    with time_machine.travel(MONDAY, tick=False):
        yield


@pytest.fixture
def hers(daughter: Person, person: Person, given: PortalAccess, clinic: Clinic) -> Client:
    """The daughter's phone, turned to the person's pages. Both allow follow-up calls."""
    by = system(clinic)
    with acting(by):
        for one in (person, daughter):
            ConsentFactory(one.patient, Purpose.FOLLOWUP, by=by, at=MONDAY)
    return as_proxy(daughter, person)


def form_of(phone: Client, page: str) -> dict[str, str]:
    """The hidden fields of a page's form about somebody, as a browser sends them."""
    (form,) = [one for one in _FORM.findall(phone.get(page).content.decode()) if 'name="about"' in one]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def allowed(clinic: Clinic, *people: Person) -> list[bool]:
    with acting(system(clinic)):
        return [check(one.patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed for one in people]


def said(clinic: Clinic) -> int:
    with acting(system(clinic)):
        return ConsentEvent.objects.count()


def test_on_the_pages_it_was_opened_on_it_is_carried_out(
    hers: Client, person: Person, daughter: Person, clinic: Clinic
) -> None:
    assert hers.post(FOLLOWUP, {**form_of(hers, FOLLOWUP), "answer": "no"}).status_code == 200
    assert allowed(clinic, person, daughter) == [False, True]


# --- attacks, and accidents -------------------------------------------------------------------------------------------------


def test_a_no_for_a_person_whose_pages_were_closed_meanwhile_is_nobody_elses_no(
    hers: Client, given: PortalAccess, person: Person, daughter: Person, clinic: Clinic, phone_client: Client
) -> None:
    form = form_of(hers, FOLLOWUP)
    phone_client.post(f"/p/east/proxies/{given.pk}/end/", about(phone_client))
    before = said(clinic)
    answer = hers.post(FOLLOWUP, {**form, "answer": "no"}, headers={"Accept-Language": "zh-hans"})

    assert answer.status_code == 409
    assert "什么都没有改动" in (page := answer.content.decode())
    assert 'href="/p/east/"' in page
    assert "邓淑英" not in page  # she may no longer be seen
    assert (allowed(clinic, person, daughter), said(clinic)) == ([True, True], before)
    assert hers.get("/p/east/").context["screen"].shown.patient == daughter.patient
    with acting(system(clinic)):
        assert AuditEvent.objects.filter(action="access.denied", reason="AnotherPerson").count() == 1


def test_a_yes_in_one_tab_is_not_the_yes_of_the_person_whom_another_tab_turned_to(
    hers: Client, person: Person, daughter: Person, clinic: Clinic
) -> None:
    hers.post(FOLLOWUP, {**form_of(hers, FOLLOWUP), "answer": "no"})
    form = form_of(hers, FOLLOWUP)  # the first tab asks about the person
    hers.post(PEOPLE, {"patient": str(daughter.patient.pk)})  # the second one turns to oneself
    hers.post(FOLLOWUP, {**form_of(hers, FOLLOWUP), "answer": "no"})
    before = said(clinic)

    assert hers.post(FOLLOWUP, {**form, "answer": "yes"}).status_code == 409
    assert (allowed(clinic, person, daughter), said(clinic)) == ([False, False], before)


def test_whoever_is_guessed_the_answer_is_the_same(
    person: Person, clinic: Clinic, phone_client: Client
) -> None:
    """The attack: ids are tried, to learn which are somebody's here; and the field is left out."""
    with acting(system(clinic)):
        stranger = PatientFactory(clinic=clinic, name="陈桂兰")
    guesses: tuple[dict[str, str], ...] = (
        {"about": str(stranger.pk)},
        {"about": str(uuid4())},
        {"about": ""},
        {"about": "邓淑英"},
        {},
    )
    answers = [phone_client.post(COMPLAINT, {**guess, "words": "等太久"}) for guess in guesses]

    assert {answer.status_code for answer in answers} == {409}
    assert len({re.sub(r'nonce="[^"]+"', "", answer.content.decode()) for answer in answers}) == 1
    with acting(system(clinic)):
        assert not Complaint.objects.exists()


def test_every_form_of_these_pages_says_whom_it_is_about_or_is_the_accounts_own() -> None:
    forms = [
        (page.name, form)
        for page in sorted(Path(settings.BASE_DIR, "templates/portal").glob("*.html"))
        for form in _FORM.findall(page.read_text())
    ]
    assert len(forms) > 20
    for page, form in forms:
        view = re.search(r'action="{% url "portal:(\w+)"', form)
        of_the_account = (view[1] if view else page.removesuffix(".html")) in OF_THE_ACCOUNT
        assert ("portal/_about.html" in form) != of_the_account, (page, form)
