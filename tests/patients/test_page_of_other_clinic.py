"""A page is for the clinic it was made in: what was typed there is carried out there, or nowhere."""

import re
from html import unescape
from http import HTTPStatus
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent
from clinics.models import CareTeam, Clinic, StaffRole, User
from clinics.roles import Role
from patients.models import Patient
from tests.factories.clinics import StaffRoleFactory

pytestmark = pytest.mark.django_db
NEW, SWITCH, IMPORT = "/patients/new/", "/clinic/switch/", "/import/"
TYPED = {"name": "邓淑英", "sex": "female", "birth_date": "1960-02-29", "phone": "13800000077", "phone_owner": "self"}  # fmt: skip
_FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.DOTALL)
_FIELD = re.compile(r'<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"')


@pytest.fixture
def both(nurse_account: User, other_clinic: Clinic) -> User:
    """A nurse of both clinics."""
    StaffRoleFactory(user=nurse_account, clinic=other_clinic, role=Role.NURSE)
    return nurse_account


@pytest.fixture
def desk(client: Client, both: User, clinic: Clinic, other_team: CareTeam) -> Client:
    client.force_login(both)
    go_to(client, clinic)
    return client


def go_to(desk: Client, clinic: Clinic) -> None:
    assert desk.post(SWITCH, {"clinic": str(clinic.pk)}).status_code == HTTPStatus.FOUND


def hidden(page: Any, mark: str) -> dict[str, list[str]]:
    """What the form with this in its tag sends without a word typed, but for the token, which is new each time."""
    form = next(body for tag, body in _FORM.findall(page.content.decode()) if f'"{mark}"' in tag)
    fields: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(form):
        fields.setdefault(unescape(name), []).append(unescape(value))
    assert fields.pop("csrfmiddlewaretoken")
    return fields


def card_form(desk: Client) -> dict[str, list[str]]:
    """The form of a new card, filled in."""
    return {
        **hidden(desk.post(NEW, {"typed": "邓淑英"}), NEW),
        **{name: [value] for name, value in TYPED.items()},
    }


def cards(*clinics: Clinic) -> list[int]:
    counts = []
    for clinic in clinics:
        with acting(system_actor("test", clinic.pk)):
            counts.append(Patient.objects.filter(clinic=clinic).count())
    return counts


def test_a_form_filled_in_at_one_clinic_is_not_carried_out_in_another(
    desk: Client, clinic: Clinic, other_clinic: Clinic
) -> None:
    form = card_form(desk)
    go_to(desk, other_clinic)  # in another tab

    refused = desk.post(NEW, form)

    assert refused.status_code == HTTPStatus.CONFLICT
    assert "no-store" in refused.headers["Cache-Control"]
    assert (
        f"本页是在“{clinic.name}”打开的，而您当前在“{other_clinic.name}”。没有保存任何内容。"
        in refused.content.decode()
    )
    assert cards(clinic, other_clinic) == [0, 0]
    with acting(system_actor("test", other_clinic.pk)):
        assert AuditEvent.objects.filter(action="access.denied", reason="PageOfOtherClinic").count() == 1


def test_what_was_typed_goes_back_to_its_clinic_and_is_sent_there_by_hand(
    desk: Client, clinic: Clinic, other_clinic: Clinic
) -> None:
    form = card_form(desk)
    go_to(desk, other_clinic)
    refused = desk.post(NEW, form)

    waiting = desk.post(SWITCH, hidden(refused, SWITCH))

    assert cards(clinic, other_clinic) == [0, 0]
    again = hidden(waiting, NEW)
    assert {name: again[name][-1:] for name in form} == form
    assert desk.post(NEW, again).status_code == HTTPStatus.FOUND
    assert cards(clinic, other_clinic) == [1, 0]


def test_a_form_is_taken_where_it_was_filled_in(desk: Client, clinic: Clinic, other_clinic: Clinic) -> None:
    form = card_form(desk)
    assert form["page_clinic"] == [str(clinic.pk)]
    go_to(desk, other_clinic)
    go_to(desk, clinic)

    assert desk.post(NEW, form).status_code == HTTPStatus.FOUND

    assert cards(clinic, other_clinic) == [1, 0]


def test_a_form_of_a_clinic_where_one_works_no_more_is_not_carried_out_in_the_one_that_is_left(
    desk: Client, both: User, clinic: Clinic, other_clinic: Clinic
) -> None:
    form = card_form(desk)
    with acting(system_actor("test", clinic.pk)):
        StaffRole.objects.get(user=both, clinic=clinic).delete()

    refused = desk.post(NEW, form)

    assert refused.status_code == HTTPStatus.CONFLICT
    assert SWITCH not in refused.content.decode()
    assert "邓淑英" not in refused.content.decode()
    assert cards(clinic, other_clinic) == [0, 0]


def test_a_part_of_a_page_is_asked_for_the_clinic_of_its_frame(
    desk: Client, clinic: Clinic, other_clinic: Clinic
) -> None:
    frame = desk.get(NEW).content.decode()
    assert f'"X-Page-Clinic": "{clinic.pk}"' in frame
    go_to(desk, other_clinic)
    sent: dict[str, Any] = {"headers": {"hx-request": "true", "X-Page-Clinic": str(clinic.pk)}}

    refused = desk.post(reverse("patients:search"), {"q": "邓淑英"}, **sent)

    assert refused.status_code == HTTPStatus.CONFLICT
    assert "本页是在另一家诊所打开的" in refused.content.decode()


def test_a_file_chosen_for_one_clinic_is_not_read_in_another(
    client: Client, clinic: Clinic, other_clinic: Clinic, both: User
) -> None:
    StaffRole.objects.filter(user=both).update(role=Role.HEALTH_MANAGER)
    client.force_login(both)
    go_to(client, clinic)
    form = hidden(client.get(IMPORT), "multipart/form-data")
    go_to(client, other_clinic)

    refused = client.post(IMPORT, {**form, "file": SimpleUploadedFile("results.json", b"{}")})

    assert refused.status_code == HTTPStatus.CONFLICT
    assert "文件无法一同带回，回去后请重新选择。" in refused.content.decode()


def test_the_way_to_another_clinic_is_open_from_a_page_of_any(
    desk: Client, clinic: Clinic, other_clinic: Clinic
) -> None:
    old = hidden(desk.get("/"), SWITCH)
    go_to(desk, other_clinic)

    assert desk.post(SWITCH, {**old, "clinic": str(clinic.pk)}).status_code == HTTPStatus.FOUND
    assert desk.get("/").context["frame"].clinic.pk == clinic.pk
