"""What stands around every staff page: only the ways a role may go, the clinics a person works in, the way out."""

import re
from http import HTTPStatus

import pytest
from django.http import HttpRequest
from django.template import RequestContext
from django.test import Client

from clinics.models import Clinic, User
from clinics.roles import Role
from desk.templatetags.frame import piece
from tests.desk.conftest import Hire
from tests.factories.clinics import StaffRoleFactory


@pytest.mark.parametrize(
    ("role", "ways"),
    [
        (Role.HEALTH_MANAGER, ["/", "/patients/", "/patients/new/", "/requests/", "/import/"]),
        (Role.NUTRITIONIST, ["/", "/patients/"]),
        (Role.FRONT_DESK, ["/", "/patients/", "/patients/new/", "/requests/"]),
        (Role.ADMINISTRATOR, ["/", "/clinic/accounts/"]),
    ],
)
def test_the_rail_has_only_ways_the_role_may_go(
    role: Role, ways: list[str], hire: Hire, client: Client
) -> None:
    client.force_login(hire(role))

    assert [stop.url for stop in client.get("/").context["frame"].stops] == ways


def test_the_way_of_the_page_on_the_screen_is_marked(desk: Client) -> None:
    stops = desk.get("/patients/").context["frame"].stops

    assert [stop.url for stop in stops if stop.current] == ["/patients/"]


def test_the_search_box_is_there_for_those_who_see_patients(hire: Hire, client: Client) -> None:
    client.force_login(hire(Role.FRONT_DESK))
    assert 'id="omnibox"' in client.get("/").content.decode()

    client.force_login(hire(Role.MANAGER))
    assert 'id="omnibox"' not in client.get("/").content.decode()


def test_a_person_of_two_clinics_changes_between_them(
    desk: Client, manager: User, clinic: Clinic, other_clinic: Clinic
) -> None:
    StaffRoleFactory(user=manager, clinic=other_clinic, role=Role.HEALTH_MANAGER)
    assert [one.pk for one in desk.get("/").context["frame"].other_clinics] == [other_clinic.pk]

    desk.post("/clinic/switch/", {"clinic": str(other_clinic.pk)})

    assert desk.get("/").context["frame"].clinic.pk == other_clinic.pk


def test_a_person_of_one_clinic_has_nothing_to_change(desk: Client) -> None:
    assert desk.get("/").context["frame"].other_clinics == ()


def test_no_page_carries_an_inline_style_or_script(desk: Client) -> None:
    for path in ("/", "/patients/", "/patients/new/"):
        text = desk.get(path).content.decode()
        assert " style=" not in text
        assert "<style" not in text
        assert "<script>" not in text
        assert " onclick=" not in text


def test_no_page_of_a_patient_or_a_clinic_is_kept_by_the_browser(desk: Client, clinic: Clinic) -> None:
    for path in ("/", "/patients/", "/p/east/sign-in/"):
        assert "no-store" in desk.get(path).headers["Cache-Control"]


def test_what_is_kept_of_a_frame_is_one_person_s_and_has_no_token(hire: Hire) -> None:
    people = [hire(Role.NURSE), hire(Role.NURSE)]
    for name, person in zip(("林晓", "周敏"), people, strict=True):
        User.objects.filter(pk=person.pk).update(display_name=name)
    pages, tokens = [], []
    for person in people:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(person)
        pages.append(browser.get("/").content.decode())
        tokens.append(set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', pages[-1])))
        (token,) = tokens[-1]
        assert browser.post("/account/lock/", {"csrfmiddlewaretoken": token}).status_code == HTTPStatus.FOUND

    assert not tokens[0] & tokens[1]
    assert "林晓" in pages[0]
    assert "周敏" not in pages[0]
    assert "周敏" in pages[1]
    assert "林晓" not in pages[1]


def test_what_is_a_page_s_own_is_escaped_and_goes_with_the_page() -> None:
    pages = [
        piece(RequestContext(HttpRequest()), "components/pager.html", shown=50, own_next_url=address)
        for address in ("/patients/?after=<b>", "/patients/?after=2", "")
    ]

    assert 'href="/patients/?after=&lt;b&gt;"' in pages[0]
    assert 'href="/patients/?after=2"' in pages[1]
    assert "after=" not in pages[2]
