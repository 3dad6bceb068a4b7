"""The pages about who works here and who cares for whom, each looked at once: no violation of axe or the policy, no sideways scroll."""

import pytest

from config.demo.__main__ import Demo
from tests.e2e.conftest import Visit, judge
from tests.e2e.test_alarms import sign_in
from tests.e2e.test_main_job import ask

pytestmark = pytest.mark.e2e
PHONE = {"width": 390, "height": 844}
FIRST_TEAM = "SELECT id FROM clinics_careteam ORDER BY id LIMIT 1"
SOMEBODY = "SELECT id FROM clinics_user WHERE username = 'wangmin'"
IN_CARE = """
SELECT r.patient_id FROM patients_carerelationship r JOIN clinics_user u ON u.id = r.staff_id
 WHERE u.username = 'zhoumingyuan' ORDER BY r.patient_id LIMIT 1
"""


def test_every_page_about_people_is_whole_on_a_phone(demo: Demo, visit: Visit) -> None:
    ((team,),), ((colleague,),), ((patient,),) = (ask(demo, sql) for sql in (FIRST_TEAM, SOMEBODY, IN_CARE))
    pages = {
        "sunli": ("/clinic/teams/", f"/clinic/teams/{team}/", "/staff/", f"/staff/{colleague}/leave/",
                  "/patients/panels/", "/integrations/", "/purposes/", "/purposes/followup/publish/", "/recipients/new/"),
        "zhoumingyuan": (f"/patients/{patient}/responsible/", f"/patients/{patient}/watch/", "/patients/emergency/", f"/patients/{patient}/proxies/", f"/patients/{patient}/who-sees/",
                         "/account/tokens/"),
        "fangzheng": ("/patients/emergency/review/",),
        "xuan": ("/clinic/accounts/", "/accounts/2fa/"),
    }  # fmt: skip
    visit.page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a size
    for who, paths in pages.items():
        visit.page.context.clear_cookies()
        sign_in(visit, who)
        for path in paths:
            answer = visit.page.goto(visit.base + path)
            assert answer, path
            assert answer.ok, path
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
            judge(visit.page, path)
            assert visit.page.evaluate("window.__violations") == [], path
