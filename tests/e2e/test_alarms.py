"""A curious look at a decoy in a browser, and what the privacy officer sees of it."""

import pytest
from playwright.sync_api import Browser, expect

from config.demo.__main__ import Demo
from exchange.demo.house import PASSWORD
from tests.e2e.conftest import VIOLATIONS, Visit
from tests.e2e.test_main_job import ask

pytestmark = pytest.mark.e2e


def sign_in(visit: Visit, username: str) -> None:
    visit.go("/")
    visit.page.locator("[name=login]").fill(username)
    visit.page.locator("[name=password]").fill(PASSWORD)
    with visit.page.expect_navigation():
        visit.page.locator("[name=password]").press("Enter")


def test_a_look_at_a_decoy_is_an_alarm_until_somebody_decides(
    demo: Demo, visit: Visit, browser: Browser
) -> None:
    ((decoy, number),) = ask(
        demo,
        "SELECT p.id, p.service_number FROM patients_patient p JOIN patients_carerelationship c ON c.patient_id = p.id"
        " JOIN clinics_teammember m ON m.team_id = c.team_id JOIN clinics_user u ON u.id = m.user_id"
        " WHERE u.username = 'zhoumingyuan' AND NOT EXISTS (SELECT FROM consent_state s WHERE s.patient_id = p.id)",
    )
    sign_in(visit, "zhoumingyuan")
    visit.go(f"/patients/{decoy}/")
    expect(visit.page.get_by_text(str(number)).first).to_be_visible()

    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    context.add_init_script(VIOLATIONS)
    officer = Visit(context.new_page(), visit.base, visit.mailbox)
    sign_in(officer, "fangzheng")
    officer.go("/alarms/")
    row = officer.page.locator(".zz-alarm", has_text=str(number))
    expect(row).to_contain_text("周明远")
    officer.look("alarms")
    row.locator("select").select_option("confirmed")
    row.locator("textarea").fill("没有任务，已谈话")
    officer.press(row.locator("button"))
    expect(officer.page.locator(".zz-alarm", has_text=str(number))).to_have_count(0)
    officer.look("alarms, decided")
    context.close()
