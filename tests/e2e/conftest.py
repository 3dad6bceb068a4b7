"""The whole product, started as `make demo` starts it, on services of its own, and a real browser in front of it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from config.demo.__main__ import Demo, run_demo
from config.demo.mailbox import letters
from tests.factories.identity_provider import IdentityProvider, identity_provider
from tools.browser import find_browser

# Playwright keeps an event loop in this thread until the session ends; the tests that follow in the same process use the
# database as they always do, and Django would take them for coroutines.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

PATIENTS = 12
VIOLATIONS = "window.__violations = []; addEventListener('securitypolicyviolation', e => window.__violations.push(e.violatedDirective + ' ' + e.blockedURI));"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    quiet = ["--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--no-sandbox",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
    return {**browser_type_launch_args, "executable_path": find_browser(), "args": quiet}


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    """The clinic's provider of single sign-on."""
    with identity_provider() as running:
        yield running


@pytest.fixture(scope="session")
def demo(provider: IdentityProvider) -> Iterator[Demo]:
    """Afterwards every process it started is gone."""
    with ExitStack() as stack:
        with (
            pytest.MonkeyPatch.context() as patch
        ):  # what the product reads as it starts is no other test's business
            for name, value in provider.variables().items():
                patch.setenv(name, value)
            running = stack.enter_context(run_demo(None, patients=PATIENTS))
        yield running
        assert unanswered_changes(running) == "[]"
    assert [process.name for process in running.processes.running if not process.ended] == []


JUDGE = """
import django
django.setup()
from audit.acting import acting
from audit.actors import system_actor
from audit.models import Alarm, Rule
from clinics.queries import watched_logs
from clinics.tasks import attribute_changes
attribute_changes()
with acting(system_actor("walk", None), *watched_logs()):
    print(list(Alarm.objects.filter(rule=Rule.UNATTRIBUTED).values_list("object_type", "object_id")))
"""


def unanswered_changes(demo: Demo) -> str:
    """Tables and writers of the row changes that no event names, judged once more at the end: all that was done has its event."""
    environment = {**os.environ, **demo.variables}
    judged = subprocess.run([sys.executable, "-c", JUDGE], env=environment, check=True, capture_output=True)
    return judged.stdout.decode().strip()


def judge(page: Page, name: str, *, colours: bool = True) -> None:
    """No violation of axe. Its script is given to a page once, and nothing of what is in order comes back."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    rules = {"color-contrast": {"enabled": colours}}
    run = "rules => axe.run({resultTypes: ['violations'], preload: false, rules}).then(({violations}) => ({violations}))"
    found = AxeResults(page.evaluate(run, rules))
    assert found.violations_count == 0, f"{name}:\n{found.generate_report()}"


@dataclass
class Visit:
    """One browser window. Every page it opens is looked at: no violation of the CSP, of axe, no sideways scroll."""

    page: Page
    base: str
    mailbox: Path
    looked_at: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def press(self, button: Locator) -> None:
        """Press something that leads to another page, and be there."""
        with self.page.expect_navigation():
            button.click()

    def look(self, name: str) -> None:
        """Checks the page as it stands, and again at the width of a phone; its colours once, which is half of the work."""
        for width, height in ((1280, 900), (390, 844)):
            self.page.set_viewport_size({"width": width, "height": height})
            scroll = self.page.evaluate("document.documentElement.scrollWidth")
            assert scroll <= width, f"{name} scrolls sideways at {width}: {scroll}"
            judge(self.page, f"{name} at {width}", colours=width == 1280)
        self.page.set_viewport_size({"width": 1280, "height": 900})
        assert self.page.evaluate("window.__violations") == [], name
        self.looked_at.append(name)

    def newest_letter_to(self, address: str) -> str:
        """The text of the newest mail whose recipient contains `address`."""
        for letter in letters(self.mailbox):
            if address in str(letter["to"]):
                body = letter.get_body(("plain",))
                return str(body.get_content()) if body else ""
        return ""

    def newest_code_to(self, phone: str) -> str:
        found = re.search(r"\d{6}", self.newest_letter_to(phone))
        assert found, f"no code for {phone} in the mailbox"
        return found.group()


@pytest.fixture
def visit(demo: Demo, browser: Browser) -> Iterator[Visit]:
    context: BrowserContext = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    context.add_init_script(VIOLATIONS)
    yield Visit(
        context.new_page(), f"http://127.0.0.1:{demo.variables['PORT']}", Path(demo.variables["MAILBOX_DIR"])
    )
    context.close()
