"""The patient's phone at 390 px: every way in, and withdrawing takes no more taps than agreeing, three at the most."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from exchange.demo.lives import portal_phones
from tests.e2e import test_alarms
from tests.e2e.conftest import VIOLATIONS, Visit, judge
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
    "devices/",
    "pin/",
)


NAME, SHARED, BORN, PIN = "慕容秋水", "19955500777", "1949-08-16", "582914"


class Taps:
    """Counts what a thumb does."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.made = 0

    def tap(self, target: Locator) -> None:
        self.made += 1
        self.visit.press(target)


@pytest.fixture
def phone(browser: Browser, visit: Visit) -> Iterator[Visit]:
    """A phone with a passkey's place in it. It knows the clinic by a name: a passkey belongs to a name, never to an address."""
    context = browser.new_context(
        locale="zh-CN", timezone_id="Asia/Shanghai", viewport={"width": 390, "height": 844}
    )
    context.add_init_script(VIOLATIONS)
    phone = Visit(context.new_page(), visit.base.replace("127.0.0.1", "localhost"), visit.mailbox)
    client = context.new_cdp_session(phone.page)
    client.send("WebAuthn.enable")
    client.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                "isUserVerified": True, "automaticPresenceSimulation": True,
            }
        },
    )  # fmt: skip
    yield phone
    context.close()


def sign_in(visit: Visit) -> None:
    give_code(visit, portal_phones()["chengdong"][0].removeprefix("+86"))


def give_code(visit: Visit, phone: str) -> None:
    visit.go(HOME)
    fill(visit, phone=phone)
    in_time(lambda: bool(visit.newest_letter_to(phone)), "no code arrived")
    fill(visit, code=visit.newest_code_to(phone))


def fill(visit: Visit, **fields: str) -> None:
    """Fill in the page's form and send it."""
    for name, value in fields.items():
        visit.page.locator(f"#main [name={name}]").fill(value)
    visit.press(visit.page.locator("#main form:has(input:not([type=hidden])) button[type=submit]").first)


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
        sound(visit, path)


def test_every_way_in_opens_the_own_pages_of_somebody_who_shares_a_phone(visit: Visit, phone: Visit) -> None:
    chart = open_card(visit)
    look_at_the_number(visit, chart)

    # the desk's link, the first time: nothing before a colleague has confirmed, then the birth date
    visit.press(visit.page.locator("form[action$='/portal/invitation/'] button"))
    link = visit.page.locator(".zz-link-text").text_content() or ""
    phone.page.goto(link.strip().replace("127.0.0.1", "localhost"))
    sound(phone, "link that waits")
    confirm_as_a_colleague(visit, chart)
    phone.press(phone.page.locator("#main a.btn-primary"))
    sound(phone, "link")
    fill(phone, born=BORN)
    expect(phone.page).to_have_url(re.compile("/pin/$"))
    fill(phone, pin=PIN, again=PIN)

    # a passkey, set up and then used
    phone.go(f"{HOME}passkeys/")
    phone.press(phone.page.locator("[data-passkey=create]"))
    sign_out(phone)
    phone.press(phone.page.locator("[data-passkey=get]"))
    is_in(phone)

    # code, name and PIN
    sign_out(phone)
    give_code(phone, SHARED)
    expect(phone.page).to_have_url(re.compile("/sign-in/who/$"))
    sound(phone, "who are you")
    fill(phone, name=NAME, pin=PIN)
    is_in(phone)


def open_card(desk: Visit) -> str:
    """The address of a new person's chart, whose number is their child's."""
    page = desk.page
    test_alarms.sign_in(desk, "linxiao")
    desk.go("/patients/new/")
    page.locator("#main [name=q]").fill(SHARED)
    with page.expect_navigation():
        page.locator("#main [name=q]").press("Enter")
    desk.press(page.locator("#main form[action='/patients/new/']:has([name=typed]) button"))
    for name, typed in (("name", NAME), ("birth_date", BORN)):
        page.locator(f"[name={name}]").fill(typed)
    page.locator("[name=sex]").select_option("female")
    page.locator("[name=phone_owner]").select_option("child")
    desk.press(page.locator("#card button[type=submit]"))
    expect(page).to_have_url(re.compile(r"/patients/[0-9a-f-]{36}/consent/$"))
    return page.url.removeprefix(desk.base).removesuffix("consent/")


def look_at_the_number(desk: Visit, chart: str) -> None:
    """Shown for a reason, and gone after a minute."""
    page = desk.page
    page.clock.install()
    desk.go(chart)
    number = page.locator("#value-phone")
    expect(number).not_to_contain_text(SHARED)
    number.locator("summary").click()
    number.locator("[name=reason]").first.check()
    number.get_by_role("button").click()
    expect(number.locator(".is-open")).to_contain_text(SHARED)
    page.clock.run_for(58_000)
    expect(number.locator(".is-open")).to_contain_text(SHARED)
    page.clock.run_for(3_000)
    expect(number.locator(".is-open")).to_have_count(0)
    assert SHARED not in page.content()


def confirm_as_a_colleague(desk: Visit, chart: str) -> None:
    desk.page.context.clear_cookies()
    test_alarms.sign_in(desk, "zhoumingyuan")
    desk.go(f"{chart}consent/")
    desk.press(desk.page.locator("form[action$='/invitation/confirm/'] button"))


def sign_out(phone: Visit) -> None:
    phone.go(HOME)
    phone.press(phone.page.locator(f"form[action='{HOME}sign-out/'] button").first)


def is_in(phone: Visit) -> None:
    expect(phone.page.locator("h1")).to_contain_text(NAME)
    sound(phone, "home")


def sound(phone: Visit, name: str) -> None:
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390, name
    judge(phone.page, name)
    assert phone.page.evaluate("window.__violations") == [], name
