"""The patient's phone at 390 px: withdrawing takes no more taps than agreeing, three at the most, and the page says so at once."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from exchange.demo.lives import portal_phones
from tests.e2e.conftest import Visit, judge
from tests.e2e.test_main_job import in_time

pytestmark = pytest.mark.e2e
HOME = "/p/chengdong/"
PAGES = (
    "",
    "permissions/",
    "history/",
    "notices/",
    "results/",
    "looked/",
    "data/",
    "data/ask/correct/",
    "proxies/",
    "passkeys/",
    "pin/",
)


class Taps:
    """Counts what a thumb does."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.made = 0

    def tap(self, target: Locator) -> None:
        self.made += 1
        self.visit.press(target)


def sign_in(visit: Visit) -> None:
    phone = portal_phones()["chengdong"][0].removeprefix("+86")
    visit.go(HOME)
    visit.page.locator("[name=phone]").fill(phone)
    visit.press(visit.page.locator("#main button[type=submit]").first)
    in_time(lambda: bool(visit.newest_letter_to(phone)), "no code arrived")
    visit.page.locator("[name=code]").fill(visit.newest_code_to(phone))
    visit.press(visit.page.locator("#main button[type=submit]").first)


def from_home(visit: Visit, confirm: Callable[[], Locator]) -> int:
    """The taps from the home page to the other answer about reminders."""
    visit.go(HOME)
    taps = Taps(visit)
    taps.tap(visit.page.locator(f"#main a[href='{HOME}permissions/']"))
    taps.tap(visit.page.locator(f"form[action='{HOME}permissions/followup/'] button[role=switch]"))
    taps.tap(confirm())
    return taps.made


def switch_is_on(visit: Visit) -> bool:
    visit.go(f"{HOME}permissions/")
    switch = visit.page.locator(f"form[action='{HOME}permissions/followup/'] button[role=switch]")
    return switch.get_attribute("aria-checked") == "true"


@pytest.mark.requirement("PIPL-15a")
def test_withdrawing_takes_no_more_taps_than_agreeing_and_every_page_is_sound(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(visit)
    if not switch_is_on(visit):
        from_home(visit, lambda: page.locator("button[name=answer][value=yes]"))

    withdrawing = from_home(visit, lambda: page.locator("button[name=answer][value=no]"))
    expect(page.locator(".pt-stop li").first).to_be_visible()  # what stopped, at once
    expect(page.locator(".pt-receipt")).to_be_visible()
    assert not switch_is_on(visit)
    agreeing = from_home(visit, lambda: page.locator("button[name=answer][value=yes]"))
    assert switch_is_on(visit)
    assert withdrawing <= agreeing <= 3

    for path in PAGES:
        visit.go(HOME + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        judge(page, path)
        assert page.evaluate("window.__violations") == [], path
