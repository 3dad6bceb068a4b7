"""Whether the log is whole: told to the privacy officer, checked on request, by who may see that log."""

from html import unescape
from typing import Any

import pytest
from django.test import Client

from audit.acting import acting
from audit.checks import carry_out
from audit.models import Check
from clinics.models import Clinic, User
from clinics.roles import Role
from tests.desk.conftest import Hire, system

PAGE = "/privacy/seals/"


@pytest.fixture
def privacy(hire: Hire) -> Client:
    officer: User = hire(Role.PRIVACY_OFFICER, in_team=False)
    browser = Client()
    browser.force_login(officer)
    return browser


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is this test."""
    monkeypatch.setattr("audit.checks._wake", lambda check: None)


def check_of(clinic: Clinic) -> Check:
    with acting(system(clinic)):
        return Check.objects.get()


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.PRIVACY_OFFICER}))
def test_nobody_else_sees_the_seals_or_asks_for_a_check(role: Role, hire: Hire, client: Client) -> None:
    client.force_login(hire(role))

    assert client.get(PAGE).status_code == 403
    assert client.post(f"{PAGE}verify/").status_code == 403


def test_before_the_first_seal_the_page_says_so(privacy: Client, other_clinic: Clinic) -> None:
    page = privacy.get(PAGE)

    assert [seal.is_system for seal in page.context["seals"]] == [False]
    assert page.context["seals"][0].checkpoint == ""
    assert privacy.get("/privacy/").context["seal"].is_broken is False


def test_pressed_twice_it_is_one_check_whose_progress_is_told_until_it_ends(
    privacy: Client, clinic: Clinic, settings: Any, tmp_path: Any
) -> None:
    settings.SEQUENCER_KEY_FILE = str(tmp_path / "none.key")
    for _press in range(2):
        assert privacy.post(f"{PAGE}verify/").status_code == 302
    check = check_of(clinic)
    with acting(system(clinic)):
        Check.objects.update(done=40, total=100)
    under_way = privacy.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert ('value="40"' in under_way, 'max="100"' in under_way, "hx-trigger" in under_way) == (True,) * 3
    assert "<html" not in under_way

    carry_out(clinic.pk, check.pk)
    ended = privacy.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in ended
    assert "the log's public key cannot be read" in unescape(ended)
    assert privacy.get("/privacy/").context["seal"].is_broken


def test_who_answers_for_every_clinic_sees_the_seals_of_the_installation_and_verifies_only_their_own(
    privacy: Client,
) -> None:
    page = privacy.get(PAGE)

    assert [seal.is_system for seal in page.context["seals"]] == [False, True]
    assert page.content.decode().count('action="/privacy/seals/verify/"') == 1


def test_a_check_of_the_sister_clinic_is_not_told_here(privacy: Client, other_clinic: Clinic) -> None:
    with acting(system(other_clinic)):
        Check.objects.create(
            log_id=other_clinic.pk, asked_by="system:test", started_at="2026-03-02T00:00:00Z"
        )

    assert privacy.get(PAGE).context["seals"][0].check is None
