"""The privacy officer's main path in a browser: who looked at this person, is the log whole, and what is handed to an auditor."""

from zipfile import ZipFile

import pytest
from playwright.sync_api import expect

from config.demo.__main__ import Demo
from tests.e2e.conftest import Visit
from tests.e2e.test_alarms import sign_in
from tests.e2e.test_main_job import ask

pytestmark = pytest.mark.e2e
PATIENCE = 30_000  # milliseconds for what a worker does


def test_the_privacy_officer_asks_verifies_and_takes_the_evidence(demo: Demo, visit: Visit) -> None:
    page = visit.page
    ((number,),) = ask(
        demo,
        "SELECT p.service_number FROM patients_patient p JOIN clinics_clinic c ON c.id = p.clinic_id"
        " WHERE c.code = 'chengdong' ORDER BY p.id LIMIT 1",
    )
    sign_in(visit, "fangzheng")
    visit.go("/privacy/")
    visit.look("privacy desk")

    visit.go("/privacy/log/?kind=computed")
    page.locator("[name=q]").fill(str(number))
    visit.press(page.locator("form[action^='/privacy/log/find/'] button"))
    expect(page.locator(".zz-log tbody tr").first).to_contain_text(str(number))
    assert str(number) not in page.url
    visit.look("log of a person")
    with page.expect_download() as table:
        page.locator("[name=format][value=csv]").click()
    assert table.value.path().read_text("utf-8-sig").count(str(number)) > 0
    visit.press(page.locator("a.zz-hash").first)
    expect(page.locator(".zz-sheet-b.zz-canon")).to_contain_text('"kind": "computed"')
    visit.look("an entry")

    visit.go("/privacy/seals/")
    visit.press(page.locator("form[action='/privacy/seals/verify/'] button"))
    expect(page.locator(".zz-side .zz-ok-t")).to_be_visible(timeout=PATIENCE)
    visit.look("seals")

    visit.go("/privacy/evidence/")
    visit.press(page.locator("main form:not([data-download]) button"))
    taking = page.locator("form[data-download] button")
    expect(taking).to_be_visible(timeout=PATIENCE)
    visit.look("evidence")
    with page.expect_download() as pack:
        taking.click()
    with ZipFile(pack.value.path()) as archive:
        assert {"verify_audit.py", "manifest.json"} <= {*archive.namelist()}
