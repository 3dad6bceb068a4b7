"""Every way to sign in, in a browser: password and app, passkey, recovery code, single sign-on, a new password; and the lock."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from config.demo.__main__ import Demo
from exchange.demo.house import PASSWORD
from tests.e2e.conftest import VIOLATIONS, Visit
from tests.factories.identity_provider import IdentityProvider
from tests.factories.second_factors import code_of

pytestmark = pytest.mark.e2e
NEW = "three geese eat the blue soup"
AT_WORK = re.compile(r"//[^/]+/$")


@pytest.fixture
def another(browser: Browser, visit: Visit) -> Iterator[Visit]:
    """A second browser of its own."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    context.add_init_script(VIOLATIONS)
    yield Visit(context.new_page(), visit.base, visit.mailbox)
    context.close()


def sign_in(visit: Visit, username: str, password: str = PASSWORD) -> None:
    visit.go("/accounts/login/")
    visit.page.locator("[name=login]").fill(username)
    visit.page.locator("[name=password]").fill(password)
    visit.press(visit.page.get_by_role("button", name="登录", exact=True))


def sign_out(visit: Visit) -> None:
    visit.go("/accounts/logout/")
    visit.press(visit.page.locator("main button[type=submit]").first)


def confirm(visit: Visit) -> None:
    """Asked again who is at the keyboard."""
    visit.page.locator("[name=password]").fill(PASSWORD)
    visit.press(visit.page.get_by_role("button", name="确认"))


def give_code(visit: Visit, code: str) -> None:
    visit.page.locator("[name=code]").fill(code)
    visit.press(visit.page.locator("form:has([name=code]) button[type=submit]"))


def test_a_password_with_an_app_and_then_with_a_recovery_code(visit: Visit) -> None:
    visit.go("/accounts/login/")
    visit.look("sign in")
    sign_in(visit, "dongqian", "wrong password")
    expect(visit.page.get_by_role("alert")).to_contain_text("用户名与密码不符")
    sign_in(visit, "dongqian")
    visit.go("/account/")
    visit.look("my account")
    visit.press(visit.page.get_by_role("link", name="设置"))
    visit.look("second factors")
    visit.go("/accounts/2fa/totp/activate/")
    confirm(visit)
    visit.look("an authenticator app")
    seed = visit.page.locator("details p").text_content() or ""
    give_code(visit, code_of(seed.strip()))
    codes = visit.page.locator(".zz-codes li").all_text_contents()
    visit.look("recovery codes")

    sign_out(visit)
    sign_in(visit, "dongqian")
    visit.look("the second step")
    for address in ("/", "/account/", "/admin/"):
        visit.go(address)
        expect(visit.page).to_have_url(re.compile("/2fa/authenticate/"))
    give_code(visit, "000000")
    give_code(visit, code_of(seed.strip()))
    expect(visit.page).to_have_url(AT_WORK)

    for code, works in ((codes[0], True), (codes[0], False)):
        sign_out(visit)
        sign_in(visit, "dongqian")
        give_code(visit, code)
        assert bool(AT_WORK.search(visit.page.url)) == works


def test_a_passkey_signs_in_by_itself_is_a_second_factor_and_unlocks(visit: Visit) -> None:
    visit.base = visit.base.replace(
        "127.0.0.1", "localhost"
    )  # a passkey belongs to a name, never to an address
    client = visit.page.context.new_cdp_session(visit.page)
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
    sign_in(visit, "shenyi")
    visit.go("/accounts/2fa/webauthn/add/")
    confirm(visit)
    visit.look("a passkey")
    visit.press(visit.page.get_by_role("button", name="设置通行密钥"))
    visit.go("/accounts/2fa/webauthn/")
    visit.look("passkeys")

    sign_out(visit)
    visit.press(visit.page.get_by_role("button", name="用通行密钥登录"))
    expect(visit.page).to_have_url(AT_WORK)
    visit.go("/account/")
    expect(visit.page.locator("main")).to_contain_text("方式：通行密钥")

    sign_out(visit)
    sign_in(visit, "shenyi")
    visit.press(visit.page.get_by_role("button", name="使用通行密钥"))
    expect(visit.page).to_have_url(AT_WORK)

    lock(visit.page)
    visit.look("the page of the lock")
    visit.press(visit.page.get_by_role("button", name="用通行密钥解锁"))
    expect(visit.page).to_have_url(AT_WORK)


def lock(page: Page) -> None:
    page.locator(".zz-menu-end summary").click()
    with page.expect_navigation():
        page.get_by_role("button", name="锁定", exact=True).click()


def test_single_sign_on_opens_the_account_that_exists(visit: Visit, provider: IdentityProvider) -> None:
    provider.person = {"sub": "liang", "preferred_username": "liangchen"}
    visit.go("/accounts/login/")
    visit.press(visit.page.get_by_role("link", name="用云溪账号登录"))
    expect(visit.page).to_have_url(AT_WORK)
    expect(visit.page.locator(".zz-topbar")).to_contain_text("梁晨")

    sign_out(visit)
    provider.person = {"sub": "nobody", "preferred_username": "nobody"}
    visit.press(visit.page.get_by_role("link", name="用云溪账号登录"))
    expect(visit.page.locator("main")).to_contain_text("没有与之对应的账号")
    provider.person = None
    visit.press(visit.page.get_by_role("link", name="用云溪账号登录"))
    expect(visit.page.get_by_role("heading", name="已取消登录")).to_be_visible()


def test_an_administrators_link_leads_to_a_new_password(visit: Visit, another: Visit) -> None:
    sign_in(visit, "xuan")
    visit.go("/clinic/accounts/")
    row = visit.page.locator(".zz-account-row", has_text="sumin")
    visit.press(row.get_by_role("button", name="重设密码链接"))
    visit.look("accounts, with a link")
    link = visit.page.locator("[data-reset-link]").text_content() or ""

    another.page.goto(link)
    assert link.rstrip("/").rpartition("/")[2] not in another.page.url
    another.page.locator("[name=password1]").press_sequentially("password1")
    expect(another.page.locator(".zz-strength")).to_contain_text("一猜就中")
    another.look("a weak password")
    another.page.locator("[name=password1]").fill(NEW)
    expect(another.page.locator(".zz-strength")).to_contain_text("很好")
    another.page.locator("[name=password2]").fill(NEW)
    another.press(another.page.get_by_role("button", name="保存新密码"))
    sign_in(another, "sumin", NEW)
    expect(another.page).to_have_url(AT_WORK)
    another.page.goto(link)
    another.look("a used link")


def test_the_lock_covers_what_is_typed_and_gives_it_back(visit: Visit) -> None:
    page = visit.page
    page.clock.install()
    sign_in(visit, "tangwei")
    visit.go("/patients/new/")
    field = page.locator("main input[type=text], main input:not([type])").first
    field.fill("欧阳若兰")

    other = page.context.new_page()
    other.goto(visit.base)
    lock(other)
    page.clock.fast_forward("15:01")
    box = page.get_by_role("dialog")
    expect(box).to_be_visible()
    visit.look("the lock")
    page.keyboard.press("Escape")
    expect(box).to_be_visible()

    box.locator("[name=password]").fill("wrong")
    box.get_by_role("button", name="解锁", exact=True).click()
    expect(box.get_by_role("alert").first).to_contain_text("密码不对")
    box.locator("[name=password]").fill(PASSWORD)
    box.get_by_role("button", name="解锁", exact=True).click()
    expect(box).to_be_hidden()
    expect(field).to_have_value("欧阳若兰")


def test_a_session_that_its_owner_ends_elsewhere_is_over_and_the_language_is_one_press_away(
    visit: Visit, another: Visit
) -> None:
    sign_in(visit, "guyue")
    sign_in(another, "guyue")
    expect(another.page.locator("main")).to_contain_text("新动态")
    another.go("/account/")
    another.press(another.page.get_by_role("button", name="结束", exact=False).first)
    visit.go("/")
    expect(visit.page).to_have_url(re.compile("/accounts/login/"))

    another.press(another.page.locator(".zz-pagehead").get_by_role("button", name="English"))
    expect(another.page.get_by_role("heading", name="My account")).to_be_visible()
    another.look("my account in English")


def test_no_side_door_opens(visit: Visit, demo: Demo) -> None:
    for address in ("/admin/", "/admin/login/", "/account/", "/clinic/accounts/", "/accounts/2fa/"):
        visit.go(address)
        expect(visit.page).to_have_url(re.compile("/accounts/login/"))
    for address in ("/accounts/password/reset/", "/accounts/3rdparty/", "/accounts/email/"):
        answer = visit.page.goto(visit.base + address)
        assert answer
        assert answer.status == 404
