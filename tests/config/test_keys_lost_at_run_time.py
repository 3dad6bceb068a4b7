"""The keys go away while people work: what holds nothing sealed goes on, the rest says so, and all is well when they are back."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.acting import acting
from audit.actors import system_actor
from clinics.accounts.keys import seal_for
from clinics.models import User
from config.start import refuse_to_start
from crypto.keyfiles import read_or_create_key
from tests.crypto.vault_server import Authority, Fault, make_authority, running, status, too_late
from tests.factories.clinics import ClinicFactory
from tests.factories.lost_keys import Keys, KeysInFiles, KeysInVault
from tests.factories.patients import id_number
from tests.factories.vault import HASTE, use_vault
from tests.test_every_page import House, addresses, house, signed_in
from tests.walking import Walker

__all__ = ["house"]
pytestmark = pytest.mark.django_db
ILLNESSES: dict[str, str | Fault] = {
    "unreachable": "unreachable",
    "sealed": "sealed",
    "slow": too_late,
    "not permitted": status(403, "permission denied"),
}
NAME, PASSWORD = "陈雅琴", "a long enough password"
SENTENCES = {
    "zh-hans": "本系统的密钥暂不可用。请告知管理员。",
    "en": "The keys of this installation are not available. Please tell your administrator.",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(params=["file", *ILLNESSES])
def keys(
    request: pytest.FixtureRequest,
    settings: Settings,
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Keys]:
    """The installation's keys, wherever they are, and the way they will be lost."""
    if request.param == "file":
        settings.KEYS_DIR = tmp_path / "keys"
        settings.KEYS_DIR.mkdir(mode=0o700)
        yield KeysInFiles(settings.KEYS_DIR)
        return
    patience = SimpleNamespace(**asdict(replace(HASTE, rest=0.001)))
    monkeypatch.setattr("crypto.providers.vault_client.Patience", lambda: patience)
    with running(authority) as server:
        use_vault(settings, server, tmp_path / "token")
        yield KeysInVault(server, ILLNESSES[request.param], patience)


# Above the provider every loss is the same error; the dear walks are taken with the nearest and the slowest.
two_losses = pytest.mark.parametrize("keys", ["file", "slow"], indirect=True)


def get(client: Client, address: str, language: str = "zh-hans") -> tuple[int, str]:
    answer = client.get(address, headers={"accept-language": language})
    return answer.status_code, answer.content.decode()


def statuses(house: House, only: Collection[str] = ()) -> dict[str, tuple[int, str]]:
    """Every page of staff and of the patient, or only these, as it answers."""
    desk, phone = Walker(house.doctor), Walker(house.portal_user)
    pages = {name: (desk, address) for name, address in addresses(house.ids, audience="staff")}
    pages |= {
        f"portal {name}": (phone, address) for name, address in addresses(house.ids, audience="patient")
    }
    return {name: get(*page) for name, page in pages.items() if not only or name in only}


READABLE = """
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
AND has_table_privilege(oid, 'SELECT') AND relname !~ '^(audit|django)_'
"""


def rows() -> dict[str, int]:
    """How much stands in each table, but for the log, which notes what was refused."""
    with connection.cursor() as cursor:
        cursor.execute(READABLE)
        tables = [table for (table,) in cursor.fetchall()]
        counts = ", ".join(f'(SELECT count(*) FROM "{table}")' for table in tables)
        cursor.execute(f"SELECT {counts}")
        return dict(zip(tables, cursor.fetchone(), strict=True))


NOT_IN_THE_HOUSE = {"evidence_file", "paper", "share"}
"""Nobody signed on paper there, and the clinic asks nothing that a form could hold."""


@two_losses
def test_every_page_says_so_or_goes_on_and_is_whole_again_without_restart(keys: Keys, house: House) -> None:
    whole = statuses(house)
    other = {name for name, (code, _page) in whole.items() if code not in {200, 302, 403, 405}}
    assert other == NOT_IN_THE_HOUSE  # a page may first ask who it is

    keys.lose()
    lost = statuses(house)

    closed = {name for name, (code, _page) in lost.items() if code == 503}
    assert {name for name, (code, _page) in lost.items() if code != whole[name][0]} == closed
    assert {"workbench", "chart", "list", "portal home"} <= closed
    for name in closed:
        page = lost[name][1]
        assert SENTENCES["zh-hans"] in page, name
        assert "Traceback" not in page
    for name, (_code, page) in lost.items():
        assert NAME not in page, name
        assert "陈*琴" not in page, name
        assert "vault:v" not in page
        assert "‹sealed›" not in page, name

    code, page = get(signed_in(house.doctor), reverse("patients:list"), "en")
    assert (code, SENTENCES["en"] in page) == (503, True)

    keys.find()
    assert {name: code for name, (code, _page) in statuses(house, closed).items()} == {
        name: whole[name][0] for name in closed
    }


@pytest.mark.parametrize("keys", ["file"], indirect=True)
def test_signing_in_goes_on(keys: Keys) -> None:
    ClinicFactory("east")
    doctor = User.objects.create_user("doctor", PASSWORD, display_name="林晓")
    keys.lose()
    desk = Client()
    assert get(desk, reverse("account_login"))[0] == 200
    answer = desk.post(reverse("account_login"), {"login": "doctor", "password": PASSWORD})
    assert answer.status_code == 302
    assert desk.session["_auth_user_id"] == str(doctor.pk)
    assert get(Client(), reverse("portal:sign_in", args=["east"]))[0] == 200


@pytest.mark.parametrize("folder", ["empty", "another's"])
def test_the_second_factor_waits_for_the_folder_and_makes_no_other_key(
    settings: Settings, tmp_path: Path, folder: str
) -> None:
    settings.KEYS_DIR = tmp_path / "keys"
    settings.KEYS_DIR.mkdir(mode=0o700)
    ClinicFactory("east")
    doctor = User.objects.create_user("doctor", PASSWORD, display_name="林晓")
    seed = seal_for(doctor.pk, "second-factor", "JBSWY3DPEHPK3PXP")
    Authenticator.objects.create(user=doctor, type=Authenticator.Type.TOTP, data={"secret": seed})
    settings.KEYS_DIR.rename(tmp_path / "elsewhere")
    settings.KEYS_DIR.mkdir(mode=0o700)
    if folder == "another's":
        read_or_create_key(settings.KEYS_DIR / "sign-in.key")
    before = list(tmp_path.rglob("keys/*"))

    desk = Client()
    desk.raise_request_exception = False
    asked = desk.post(reverse("account_login"), {"login": "doctor", "password": PASSWORD})
    assert asked.headers["Location"] == reverse("mfa_authenticate")
    answer = desk.post(reverse("mfa_authenticate"), {"code": "000000"})

    assert (answer.status_code, SENTENCES["zh-hans"] in answer.content.decode()) == (503, True)
    assert list(tmp_path.rglob("keys/*")) == before


@two_losses
def test_nothing_sealed_is_written_and_nothing_is_half_written(keys: Keys, house: House) -> None:
    desk = signed_in(house.doctor)
    card: dict[str, Any] = {
        "name": "王小芳", "id_number": id_number("99010119600229002"), "phone": "138 0000 1234", "phone_owner": "self",
        "form_token": str(uuid4()),
    }  # fmt: skip
    note = {"outcome": "reached", "note": "说了很多"}
    todo = reverse("followups:done", args=[house.ids["follow_up_id"]])
    with acting(system_actor("test", house.clinic.pk), house.clinic.pk):
        before = rows()

    keys.lose()
    answers = [desk.post(reverse("patients:new"), card), desk.post(todo, note)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(SENTENCES["zh-hans"] in answer.content.decode() for answer in answers)
    with acting(system_actor("test", house.clinic.pk), house.clinic.pk):
        assert rows() == before

    keys.find()
    assert desk.post(reverse("patients:new"), card).status_code == 302
    assert desk.post(todo, note).status_code < 400


def test_the_watcher_is_told_that_the_keys_are_away_and_nothing_more(keys: Keys) -> None:
    ClinicFactory("east")
    assert Client().get("/health/").json()["broken"] == []
    keys.lose()
    answer = Client().get("/health/")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "broken": ["keys"], "late": []})
    keys.find()
    assert Client().get("/health/").status_code == 200


def test_no_process_starts_without_the_keys(keys: Keys) -> None:
    ClinicFactory("east")
    keys.lose()
    with pytest.raises(ImproperlyConfigured) as refusal:
        refuse_to_start()
    first, *lines = str(refusal.value).splitlines()
    assert first == "Zhizhi cannot start:"
    assert len(lines) == 1
    assert lines[0].endswith(".")
