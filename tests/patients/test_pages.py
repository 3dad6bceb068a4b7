"""The pages at the desk: the list, the search and opening a card, as a browser without scripts sees them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from audit.acting import acting
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import AuditEvent
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from patients.choices import TwinReason
from patients.models import Card, Patient, TwinOverride
from tests.factories.patients import OPENED_AT, PatientFactory, id_number

pytestmark = pytest.mark.django_db
Hire = Callable[..., User]
Queries = Callable[..., Any]
NAME, PHONE, PAPERS = "邓淑英", "+8613800001234", id_number("99010119600229002")


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    """The nurse's browser, signed in."""
    client.force_login(nurse_account)
    return client


def typed(**changed: str) -> dict[str, str]:
    """A card form as the desk fills it in."""
    return {
        "name": NAME,
        "id_number": PAPERS,
        "phone": "138 0000 1234",
        "phone_owner": "self",
        "form_token": str(uuid4()),
        **changed,
    }


def events_of(clinic: Clinic, nurse: Actor, **which: object) -> list[AuditEvent]:
    with acting(nurse):
        return list(AuditEvent.objects.filter(**which).order_by("uid"))


# The list


@pytest.mark.requirement("GBT35273-7.2")
def test_the_list_shows_masked_people_of_ones_care_and_says_so_to_the_log(
    clinic: Clinic, other_team: CareTeam, nurse: Actor, desk: Client
) -> None:
    with acting(nurse):
        mine = PatientFactory(clinic=clinic, by=nurse, name=NAME, phone=PHONE)
        PatientFactory(clinic=clinic, team=other_team, name="王建国", phone="+8613900005678")

    page = desk.get(reverse("patients:list")).content.decode()

    assert "邓*英" in page
    assert "138****1234" in page
    assert mine.service_number in page
    assert NAME not in page
    assert "13800001234" not in page
    assert "王" not in page
    (event,) = events_of(clinic, nurse, action="access", kind=Kind.LISTED)
    assert (event.count, event.purpose) == (1, "care")


def test_the_list_costs_the_same_for_one_patient_and_for_fifty(
    clinic: Clinic, nurse: Actor, desk: Client, django_assert_num_queries: Queries
) -> None:
    with acting(nurse):
        for _ in range(3):
            PatientFactory(clinic=clinic, by=nurse, birth_date=None)
    desk.get(reverse("patients:list"))
    with django_assert_num_queries(LIST_QUERIES):
        desk.get(reverse("patients:list"))
    with acting(nurse):
        for _ in range(20):
            PatientFactory(clinic=clinic, by=nurse, birth_date=None)
    desk.get(reverse("patients:list"))
    with django_assert_num_queries(LIST_QUERIES):
        desk.get(reverse("patients:list"))


LIST_QUERIES = 10


def test_pages_of_the_list_follow_each_other_and_their_addresses_say_nothing(
    clinic: Clinic, nurse: Actor, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("patients.views.PAGE_SIZE", 2)
    with acting(nurse):
        numbers = [
            PatientFactory(clinic=clinic, by=nurse, at=OPENED_AT + timedelta(days=day)).service_number
            for day in range(5)
        ]
    address, shown = reverse("patients:list"), []
    for _ in range(3):
        page = desk.get(address).content.decode()
        shown += re.findall(r"ZZ-\d{4}-\d{4}", page)
        following = re.search(r'href="([^"]*\?after=[0-9a-f-]+)"', page)
        address = following[1] if following else ""

    assert shown == numbers[::-1]
    assert address == ""


@pytest.mark.parametrize("after", ["", "x", "1-2", "zz-" + "0" * 32, "-", "9" * 40 + "-" + "0" * 32])
def test_an_address_that_was_cut_short_shows_the_first_page(desk: Client, after: str) -> None:
    assert desk.get(reverse("patients:list"), {"after": after}).status_code == 200


def test_an_empty_list_says_what_to_do(desk: Client) -> None:
    page = desk.get(reverse("patients:list")).content.decode()

    assert "zz-empty" in page


def test_a_role_without_patients_is_refused_and_the_refusal_is_logged(
    clinic: Clinic, hire: Hire, nurse: Actor, client: Client
) -> None:
    client.force_login(hire(clinic, role=Role.MANAGER))

    assert client.get(reverse("patients:list")).status_code == 403
    assert client.post(reverse("patients:search"), {"q": "1234"}).status_code == 403
    assert client.get(reverse("patients:new")).status_code == 403
    assert len(events_of(clinic, nurse, action="access.denied")) == 3


def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client) -> None:
    assert client.get(reverse("patients:list")).status_code == 302


# The search


def test_a_search_is_posted_and_shows_masked_matches(clinic: Clinic, nurse: Actor, desk: Client) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, name=NAME, phone=PHONE)

    answer = desk.post(reverse("patients:search"), {"q": "淑英"})
    page = answer.content.decode()

    assert answer.status_code == 200
    assert "邓*英" in page
    assert "138****1234" in page
    assert NAME not in page
    assert desk.get(reverse("patients:search"), {"q": "淑英"}).status_code == 405


def test_htmx_gets_the_matches_alone(clinic: Clinic, nurse: Actor, desk: Client) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, name=NAME)

    part = desk.post(
        reverse("patients:search"), {"q": "dsy"}, headers={"HX-Request": "true"}
    ).content.decode()

    assert "邓*英" in part
    assert "<html" not in part


def test_no_match_offers_to_open_a_card_with_what_was_typed(desk: Client) -> None:
    page = desk.post(reverse("patients:search"), {"q": "138 0000 1234"}).content.decode()

    assert re.search(r'name="typed" value="138 0000 1234"', page)
    register = desk.post(reverse("patients:new"), {"typed": "138 0000 1234"}).content.decode()
    assert re.search(
        r'value="138 0000 1234"[^>]*id="id_phone"|id="id_phone"[^>]*value="138 0000 1234"', register
    )


@pytest.mark.parametrize(
    ("said", "field"), [("邓淑英", "name"), (PAPERS, "id_number"), ("dsy", ""), ("1234", "")]
)
def test_what_was_typed_lands_in_its_field(desk: Client, said: str, field: str) -> None:
    form = desk.post(reverse("patients:new"), {"typed": said}).context["form"]

    assert form.initial == ({field: said} if field else {})


def test_the_front_desk_searches_and_opens_cards(
    clinic: Clinic, team: CareTeam, hire: Hire, client: Client
) -> None:
    client.force_login(hire(clinic, team, role=Role.FRONT_DESK))

    assert client.post(reverse("patients:new"), typed()).status_code == 302
    assert "邓*英" in client.post(reverse("patients:search"), {"q": "淑英"}).content.decode()


def test_one_character_is_answered_with_a_sentence(clinic: Clinic, nurse: Actor, desk: Client) -> None:
    answer = desk.post(reverse("patients:search"), {"q": "d"})

    assert answer.status_code == 200
    assert answer.context["too_short"]


# Opening a card


def test_a_card_opens_and_the_way_leads_to_consent(clinic: Clinic, nurse: Actor, desk: Client) -> None:
    answer = desk.post(reverse("patients:new"), typed())

    with acting(nurse):
        patient = Patient.objects.get()
    assert answer.headers["Location"] == reverse("consent:record", args=[patient.pk])
    assert (patient.sex, patient.birth_year) == ("female", 1960)
    assert len(events_of(clinic, nurse, action="card.opened")) == 1


def test_a_double_click_opens_one_card(clinic: Clinic, nurse: Actor, desk: Client) -> None:
    form = typed()

    answers = [desk.post(reverse("patients:new"), form).headers["Location"] for _ in range(2)]

    assert answers[0] == answers[1]
    with acting(nurse):
        assert Card.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "张3"}, "name"),
        ({"name": "!!@@"}, "name"),
        ({"id_number": "990101196002290021"}, "id_number"),
        ({"phone": "12345"}, "phone"),
        ({"id_number": ""}, "birth_date"),
        ({"birth_date": "1971-05-01"}, "birth_date"),
        ({"sex": "male"}, "sex"),
        ({"id_number": "", "sex": "male", "birth_date": "2099-01-01"}, "birth_date"),
        ({"id_number": "", "sex": "male", "birth_date": "1066-01-01"}, "birth_date"),
        ({"email": "nobody"}, "email"),
        ({"phone_owner": "neighbour"}, "phone_owner"),
    ],
)
def test_bad_input_changes_nothing_and_says_what_is_wrong(
    clinic: Clinic, nurse: Actor, desk: Client, wrong: dict[str, str], field: str
) -> None:
    answer = desk.post(reverse("patients:new"), typed(**wrong))

    assert answer.status_code == 200
    assert field in answer.context["form"].errors
    assert wrong.get("phone", "138 0000 1234") in answer.content.decode()  # nothing typed is lost
    with acting(nurse):
        assert not Patient.objects.exists()


def test_a_twin_is_shown_beside_and_a_reason_opens_the_card(
    clinic: Clinic, nurse: Actor, desk: Client
) -> None:
    with acting(nurse):
        mother = PatientFactory(clinic=clinic, by=nurse, name="邓淑兰", phone=PHONE)
    form = typed()

    page = desk.post(reverse("patients:new"), form).content.decode()
    assert mother.service_number in page
    assert "邓*兰" in page
    assert "邓淑兰" not in page

    answer = desk.post(reverse("patients:new"), {**form, "twin_reason": TwinReason.SHARED_PHONE})
    assert answer.status_code == 302
    with acting(nurse):
        assert TwinOverride.objects.get().reason == TwinReason.SHARED_PHONE


def test_while_the_form_is_filled_in_twins_and_papers_are_shown(
    clinic: Clinic, nurse: Actor, desk: Client
) -> None:
    with acting(nurse):
        mother = PatientFactory(clinic=clinic, by=nurse, name="邓淑兰", phone=PHONE)

    half_filled = {"phone": "138 0000 1234", "id_number": PAPERS, "form_token": str(uuid4())}
    part = desk.post(reverse("patients:check"), half_filled).content.decode()

    assert mother.service_number in part
    assert "1960-02-29" in part
    assert 'name="twin_reason"' in part
    assert "zz-err" not in part
    nobody = desk.post(reverse("patients:check"), {"name": "王建国"}).content.decode()
    assert "twin_reason" not in nobody
    with acting(nurse):
        assert Patient.objects.count() == 1


def test_a_reason_that_is_the_programs_own_cannot_be_chosen(
    clinic: Clinic, nurse: Actor, desk: Client
) -> None:
    answer = desk.post(reverse("patients:new"), typed(twin_reason=TwinReason.NOT_SHOWN))

    assert "twin_reason" in answer.context["form"].errors


def test_every_form_carries_the_token_against_forgery(clinic: Clinic, nurse_account: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(nurse_account)

    def send(page: str, address: str, **fields: str) -> Any:
        form = next(
            part
            for part in page.split("<form")[1:]
            if f'action="{address}"' in part and 'id="omnibox"' not in part
        )
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        return browser.post(address, {**fields, "csrfmiddlewaretoken": token[1] if token else ""})

    first = browser.get(reverse("patients:new")).content.decode()
    looked = send(first, reverse("patients:search"), q="邓淑英")
    register = send(looked.content.decode(), reverse("patients:new"), typed="邓淑英")
    opened = send(register.content.decode(), reverse("patients:new"), **typed())

    assert [looked.status_code, register.status_code, opened.status_code] == [200, 200, 302]


def test_no_name_phone_or_id_number_stands_in_any_address(clinic: Clinic, nurse: Actor, desk: Client) -> None:
    with acting(nurse):
        PatientFactory(clinic=clinic, by=nurse, name=NAME, phone=PHONE, id_number=PAPERS)
    pages = [
        desk.get(reverse("patients:list")),
        desk.get(reverse("patients:new")),
        desk.post(reverse("patients:search"), {"q": "淑英"}),
        desk.post(reverse("patients:new"), {"typed": "邓淑英"}),
    ]

    for page in pages:
        body = page.content.decode()
        addresses = " ".join(re.findall(r'(?:href|action|src|hx-[a-z]+)="([^"]*)"', body))
        for secret in (NAME, "淑英", "13800001234", "1234", PAPERS):
            assert secret not in addresses
        assert not re.search(r'<form(?![^>]*method="post")', body)
        assert " style=" not in body
        assert "<script>" not in body


def test_nobody_comes_back_to_the_address_of_a_button(desk: Client) -> None:
    """It is no page: who signs in again is where the button stood, and who comes to it all the same reads what to do."""
    button, page = reverse("patients:call", args=[uuid4()]), reverse("patients:list")
    here, elsewhere = ({"referer": f"http://{host}{page}"} for host in ("testserver", "elsewhere.example"))

    assert Client().post(button, headers=here)["Location"] == f"/accounts/login/?next={page}"
    assert Client().post(button, headers=elsewhere)["Location"] == "/accounts/login/?next=/"
    answer = desk.get(button)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert 'href="/"' in answer.content.decode()
