"""The main job in a browser, from the first sign-in to the verified log, on the whole product as people start it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from config.demo.__main__ import Demo
from config.embedded.places import REPOSITORY
from exchange.demo.house import PASSWORD
from followups.messaging import forbidden_words
from tests.e2e.conftest import Visit
from tests.factories.records import fixture

pytestmark = pytest.mark.e2e

NAME, PHONE, BORN = "欧阳若兰", "19955500123", "1971-05-02"
PATIENCE = 30.0  # seconds for a loop that turns every two


def database(demo: Demo, role: str) -> "psycopg2.extensions.connection":
    """A connection to the running product's database, as one of its roles."""
    passwords = json.loads((Path(demo.variables["ZHIZHI_DATA"]) / "secrets.json").read_text())["roles"]
    parts = urlsplit(demo.variables["DATABASE_URL"])
    address = parts._replace(netloc=f"{role}:{passwords[role]}@{parts.hostname}:{parts.port}")
    connection = psycopg2.connect(urlunsplit(address))
    connection.autocommit = True
    return connection


def ask(demo: Demo, question: str, *values: object, role: str = "zhizhi_backup") -> list[tuple[object, ...]]:
    with database(demo, role) as connection, connection.cursor() as cursor:
        cursor.execute(question, values)
        return list(cursor.fetchall()) if cursor.description else []


def in_time(look: Callable[[], bool], what: str) -> None:
    """Waits for what another process does; fails with `what`."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def verify(demo: Demo) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "manage.py"), "audit_verify"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **demo.variables},
    )


def report_of_the_person() -> bytes:
    """The invented check-up of two days ago, about the person whose card is opened here."""
    found = json.loads(fixture("checkup", on=timezone.localdate()))
    for entry in found["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"].update(
                name=[{"text": NAME}],
                telecom=[{"system": "phone", "value": PHONE}],
                birthDate=BORN,
                gender="female",
            )
            entry["resource"].pop("identifier", None)
    return json.dumps(found, ensure_ascii=False).encode()


def test_the_main_job_from_the_first_sign_in_to_the_verified_log(
    demo: Demo, visit: Visit, browser: Browser, tmp_path: Path
) -> None:
    page = visit.page

    # 1 Staff sign in
    visit.go("/")
    visit.look("sign-in")
    page.locator("[name=login]").fill("linxiao")
    page.locator("[name=password]").fill(PASSWORD)
    with page.expect_navigation():
        page.locator("[name=password]").press("Enter")
    expect(page.get_by_role("heading", name="林晓")).to_be_visible()
    visit.look("workbench")

    # 2 Open a card: nobody is found, what was typed carries over
    visit.go("/patients/new/")
    visit.look("look first")
    page.locator("#main [name=q]").fill(PHONE)
    with page.expect_navigation():
        page.locator("#main [name=q]").press("Enter")
    visit.press(page.locator("#main form[action='/patients/new/']:has([name=typed]) button"))
    page.locator("[name=name]").fill(NAME)
    page.locator("[name=sex]").select_option("female")
    page.locator("[name=birth_date]").fill(BORN)
    expect(page.locator("[name=phone]")).to_have_value(PHONE)
    visit.look("register")
    visit.press(page.locator("#card button[type=submit]"))

    # 3 The notice is shown; consent is recorded, each purpose by itself
    expect(page).to_have_url(re.compile(r"/patients/[0-9a-f-]{36}/consent/$"))
    patient_id = page.url.split("/patients/")[1].split("/")[0]
    visit.look("consent")
    for switch in page.locator("[role=switch]").all():
        expect(switch).not_to_be_checked()
    for purpose in ("care", "report", "followup", "risk"):
        page.locator(f"[name=yes_{purpose}]").check()
    page.locator("[name=told]").check()
    page.locator("[name=method][value=verbal_witnessed]").check()
    page.locator("[name=witness]").fill("王敏")
    visit.press(page.locator(".zz-savebar button[type=submit]"))
    expect(page.locator("#standing")).to_be_visible()
    ledger = ask(
        demo, "SELECT DISTINCT purpose, event FROM consent_event WHERE patient_id = %s ORDER BY 1", patient_id
    )
    assert ledger == [(purpose, "granted") for purpose in ("care", "followup", "report", "risk")]

    # found again by phone, by two characters of the name, by pinyin initials; masked
    visit.go("/")
    for typed in (PHONE, "若兰", "oyrl"):
        page.locator("#omnibox").fill(typed)
        expect(page.locator("#omnibox-results")).to_contain_text("欧阳*兰")
    assert NAME not in page.content()

    # the portal is opened for the person's own phone
    visit.go(f"/patients/{patient_id}/")
    visit.look("chart before results")
    visit.press(page.locator(f"form[action='/patients/{patient_id}/portal/'] button"))
    expect(page.get_by_role("status").first).to_be_visible()

    # 4 A report arrives: tried, written, and the same file again changes nothing
    file = tmp_path / "report.json"
    file.write_bytes(report_of_the_person())
    visit.go("/import/")
    visit.look("import")
    page.locator("[name=file]").set_input_files(file)
    visit.press(page.locator("#main form[enctype] button"))
    expect(page).to_have_url(re.compile(r"/import/[0-9a-f-]{36}/"))
    visit.look("trial")
    visit.press(page.locator("form[action$='/write/'] button"))
    page.wait_for_load_state()
    stored = ask(demo, "SELECT count(*) FROM records_observation WHERE patient_id = %s", patient_id)
    assert stored[0][0]
    visit.go("/import/")
    page.locator("[name=file]").set_input_files(file)
    visit.press(page.locator("#main form[enctype] button"))
    expect(page.locator("form[action$='/write/']")).to_have_count(0)
    visit.press(page.locator("form[action$='/discard/'] button"))
    assert ask(demo, "SELECT count(*) FROM records_observation WHERE patient_id = %s", patient_id) == stored

    broken = tmp_path / "broken.json"
    broken.write_bytes(report_of_the_person()[:-900])
    visit.go("/import/")
    page.locator("[name=file]").set_input_files(broken)
    visit.press(page.locator("#main form[enctype] button"))
    expect(page.locator("#wrong")).to_be_visible()
    visit.look("broken file")

    # 5 A rule sets a tag with its reason, a pathway enrols, a to-do appears
    in_time(
        lambda: bool(
            ask(
                demo,
                "SELECT 1 FROM followups_enrolment WHERE patient_id = %s AND pathway = 'lipid_recheck'",
                patient_id,
            )
        ),
        "the pathway did not begin",
    )
    visit.go("/")
    (service_number,) = ask(demo, "SELECT service_number FROM patients_patient WHERE id = %s", patient_id)[0]
    expect(page.locator("#main")).to_contain_text(str(service_number))
    visit.look("workbench with to-dos")
    visit.go(f"/patients/{patient_id}/")
    expect(page.locator("#main")).to_contain_text("低密度脂蛋白升高")
    visit.look("chart")
    visit.go(f"/patients/{patient_id}/results/")
    visit.look("results")

    # 6 A reminder becomes due: the loop claims it, passes the gate and sends it; it tells nothing of health
    in_time(lambda: bool(visit.newest_letter_to(PHONE)), "the reminder did not arrive")
    letter = visit.newest_letter_to(PHONE)
    assert "欧阳" in letter
    assert [word for word in forbidden_words() if word in letter.replace("健康", "")] == []
    assert NAME not in letter

    # 7 The patient signs in on the phone, sees plan and results, withdraws the reminders
    phone = browser.new_context(
        locale="zh-CN", timezone_id="Asia/Shanghai", viewport={"width": 390, "height": 844}
    )
    theirs = Visit(phone.new_page(), visit.base, visit.mailbox)
    theirs.page.add_init_script("window.__violations = [];")
    theirs.go("/p/chengdong/")
    theirs.look("portal sign-in")
    theirs.page.locator("[name=phone]").fill(PHONE)
    theirs.press(theirs.page.locator("#main button[type=submit]").first)
    theirs.look("portal code")
    in_time(lambda: bool(re.search(r"\d{6}", theirs.newest_letter_to(PHONE))), "no code arrived")
    theirs.page.locator("[name=code]").fill(theirs.newest_code_to(PHONE))
    theirs.press(theirs.page.locator("#main button[type=submit]").first)
    expect(theirs.page.locator("#main")).to_contain_text("空腹复查血脂")
    theirs.look("portal home")
    theirs.go("/p/chengdong/results/")
    expect(theirs.page.locator("#main")).to_contain_text("4.35")
    theirs.look("portal results")
    theirs.go("/p/chengdong/looked/")
    expect(theirs.page.locator("#main")).to_contain_text("健康管理师")
    theirs.press(theirs.page.locator("form[action$='/who/'] button").first)
    expect(theirs.page.locator(".pt-look").first).to_contain_text("林晓")
    theirs.look("portal who looked")
    planned = (
        "SELECT count(*) FROM followups_message WHERE patient_id = %s AND state IN ('planned', 'queued')"
    )
    assert ask(demo, planned, patient_id)[0][0]
    theirs.go("/p/chengdong/permissions/")
    theirs.look("portal permissions")
    theirs.press(theirs.page.locator("form[action$='/permissions/followup/'] button"))
    theirs.look("portal withdraw")
    theirs.press(theirs.page.locator("button[name=answer][value=no]"))
    expect(theirs.page.locator("#main")).to_contain_text("要发的提醒")
    assert ask(demo, planned, patient_id)[0][0] == 0
    theirs.look("portal stopped")
    phone.close()

    # 8 Every step is an event; the sequencer seals them; the log verifies; an edited row is named
    told = {
        row[0]
        for row in ask(
            demo,
            "SELECT DISTINCT action FROM audit_event e JOIN audit_event_subject s ON s.event_uid = e.uid WHERE s.subject_id = %s",
            patient_id,
        )
    }
    assert {
        "card.opened",
        "consent.granted",
        "report.filed",
        "message.planned",
        "access",
        "consent.withdrawn",
    } <= told
    unsealed = (
        "SELECT count(*) FROM audit_event e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.uid = e.uid)"
    )
    in_time(lambda: ask(demo, unsealed)[0][0] == 0, "the sequencer did not seal the log")
    in_time(lambda: verify(demo).returncode == 0, verify(demo).stdout)
    assert re.search(r"\d+ entries verify", verify(demo).stdout)
    victim, wrote = ask(
        demo, "SELECT uid, actor_ref FROM audit_event WHERE action = 'card.opened' ORDER BY uid DESC LIMIT 1"
    )[0]
    edit = (
        "ALTER TABLE audit_event DISABLE TRIGGER USER; UPDATE audit_event SET actor_ref = %s WHERE uid = %s;"
        " ALTER TABLE audit_event ENABLE TRIGGER USER"
    )
    ask(demo, edit, "user:nobody", victim, role="zhizhi_owner")
    broken_log = verify(demo)
    ask(demo, edit, wrote, victim, role="zhizhi_owner")  # the other walks share this log
    assert broken_log.returncode == 1
    assert str(victim) in broken_log.stdout + broken_log.stderr
