"""Every way by which words of a person come in: pages, broken forms, imports, commands, the shell, the worker, failures."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

from django.utils import timezone

from bench.drills.canary_words import Flock, Person
from crypto.seals import MASK

SEALED_ITEM = "乙肝表面抗原"  # an item of level 5: the row does not even tell that it was measured
ASKED = ("care", "report", "followup", "risk")
_PATIENT = re.compile(r"/patients/([0-9a-f-]{36})/")
_FOLLOW_UP = re.compile(r"/followups/([0-9a-f-]{36})/done/")
_ID = "([0-9a-f-]{36})"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    location: str
    text: str
    etag: str = ""


class Browser(Protocol):
    """Keeps cookies; `seen` holds every address it was sent to and every header it was given."""

    seen: list[str]

    def get(self, path: str) -> Answer: ...

    def post(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> Answer: ...

    def send(self, method: str, path: str, said: object, headers: Mapping[str, str]) -> Answer:
        """A body of JSON, as a program sends it."""
        ...


class World(Protocol):
    """A running product: the real one with all its processes, or this process in a test."""

    clinic_code: str
    staff: str  # a doctor's user name
    colleague: str  # a doctor of another care team
    administrator: str
    manager: str
    officer: str  # for privacy
    password: str
    folder: Path  # for the files of the import command

    def browser(self) -> Browser: ...

    def code_for(self, phone: str) -> str:
        """The newest sign-in code that was sent to this phone."""
        ...

    def until(self, true: Callable[[], bool], words: str) -> None:
        """Let the worker go round until it is true. Raises AssertionError with the words when it never is."""
        ...

    def manage(self, *arguments: str) -> str:
        """A management command; what it said on the terminal."""
        ...

    def shell(self, code: str) -> str: ...

    def worker_failed(self) -> bool:
        """Whether the worker has met the database's refusal by now."""
        ...

    def failing(self, table: str, right: str = "INSERT") -> AbstractContextManager[None]:
        """Inside, the application lacks a right on the table: whoever needs it meets an error with values in hand."""
        ...


@dataclass(slots=True)
class Walk:
    """What was walked, and what came back that may be searched."""

    world: World
    flock: Flock
    browsers: list[Browser] = field(default_factory=list)
    error_pages: list[str] = field(default_factory=list)
    mishaps: list[str] = field(default_factory=list)
    service_numbers: list[str] = field(default_factory=list)
    user_names: list[str] = field(default_factory=list)  # words that were typed where a user name belongs

    def go(self) -> None:
        desk = self._signed_in()
        ways = (self._by_page, self._by_import_page, self._by_command, self._by_shell)
        for number, person in enumerate(self.flock.people):
            ways[number % len(ways)](desk, number, person)
        self._by_machine(desk, self.flock.people[1])
        self._programs(desk)
        self._emergency()
        self._own_account()
        self._typed_in_wrong_places(desk)
        self._in_admin()
        self._house()
        self._alarms()
        self._log()
        self._registry()
        self._failures(desk)
        self._accounts()
        self._keys_change()

    def addresses(self) -> list[str]:
        return [line for browser in self.browsers for line in browser.seen]

    def browser(self) -> Browser:
        self.browsers.append(self.world.browser())
        return self.browsers[-1]

    def expect(self, held: bool, words: str) -> None:
        """A way that was not walked proves nothing: it is a mishap of the drill."""
        if not held:
            self.mishaps.append(words)

    def opens(self, browser: Browser, *pages: str) -> str:
        """What the last of these pages says; every one has to open."""
        text = ""
        for page in pages:
            answer = browser.get(page)
            self.expect(answer.status == 200, f"{page}: {answer.status}")
            text = answer.text
        return text

    def does(self, browser: Browser, page: str, fields: Mapping[str, str], status: int = 302) -> Answer:
        """A form is sent, and is answered so: 302 for what is done, 200 for what is asked again."""
        answer = browser.post(page, fields)
        self.expect(answer.status == status, f"{page} of {sorted(fields)}: {answer.status}, not {status}")
        return answer

    def one(self, pattern: str, text: str) -> str:
        """The first id that stands there."""
        found = re.search(pattern, text)
        self.expect(found is not None, f"no {pattern}")
        return found.group(1) if found else str(uuid4())

    # --- staff ------------------------------------------------------------------------------------------------------------

    def _signed_in(self) -> Browser:
        desk, login = self.browser(), "/accounts/login/"
        desk.get(login)
        self.user_names = [*self.flock.typed[:3], self.flock.people[0].phone]
        for typed in self.user_names:
            desk.post(login, {"login": typed, "password": self.flock.people[0].name})
        self.does(desk, login, {"login": self.world.staff, "password": self.world.password})
        return desk

    def _sign_in(self, user_name: str) -> Browser:
        browser, login = self.browser(), "/accounts/login/"
        browser.get(login)
        self.does(browser, login, {"login": user_name, "password": self.world.password})
        return browser

    def _by_page(self, desk: Browser, number: int, person: Person) -> None:
        for typed in (person.name, person.phone, person.phone[-4:], person.id_number):
            self.expect(desk.post("/patients/search/", {"q": typed}).status == 200, "search")
        desk.post("/patients/new/", {"typed": person.phone})
        card = {
            "name": person.name,
            "id_number": person.id_number,
            "phone": person.phone,
            "phone_owner": "self",
            "email": person.email,
            "form_token": str(uuid4()),
        }
        mistakes = (
            {"phone": "1"},
            {"name": f"{person.name}7"},
            {"id_number": person.id_number[:-2]},
            {"birth_date": person.name},
        )
        for mistake in mistakes:
            self.expect(desk.post("/patients/new/", {**card, **mistake}).status == 200, "a broken card")
        desk.post("/patients/new/check/", card)
        opened = desk.post("/patients/new/", card)
        patient = _PATIENT.search(opened.location)
        self.expect(patient is not None, "a card by page")
        if patient is None:
            return
        patient_id = patient.group(1)
        self._consent(desk, patient_id, self.flock.witnesses[number % len(self.flock.witnesses)])
        portal = desk.post(f"/patients/{patient_id}/portal/", {})
        self.expect(portal.status == 302, "the portal")
        for part in ("name", "phone", "id_number"):
            revealed = desk.post(f"/patients/{patient_id}/reveal/", {"part": part, "reason": "verify"})
            self.expect(revealed.status == 200, f"reveal {part}")
        desk.post(f"/patients/{patient_id}/reveal/", {"part": person.name, "reason": person.phone})
        self._import(desk, person)
        self._follow_up(desk, patient_id, number)
        self._care(desk, patient_id, number)
        self._read(desk, patient_id)
        self._proxies(desk, patient_id, person)
        self._invited(desk, patient_id, person)
        self._on_the_phone(person)
        self._answered(desk, person)
        desk.post(f"/patients/{patient_id}/consent/risk/withdraw/", {})
        self.does(
            desk,
            f"/patients/{patient_id}/consent/to/{uuid4()}/",
            {"q": person.name, "witness": person.name},
            404,
        )

    def _consent(self, desk: Browser, patient_id: str, witness: str) -> None:
        page = f"/patients/{patient_id}/consent/"
        said = {
            "told": "on",
            "expressed_by": "self",
            "method": "verbal_witnessed",
            "witness": witness,
            "form_token": str(uuid4()),
        }
        self.opens(desk, f"{page}paper/")
        desk.post(page, {**said, "told": ""})
        desk.post(page, {**said, "send_code": "1"})
        desk.post(page, {**said, "method": "otp", "code": witness[:12]})
        done = desk.post(page, {**said, **{f"yes_{purpose}": "on" for purpose in ASKED}})
        self.expect(done.status == 302, "consent")
        kept = self.one(f"{page}evidence/{_ID}/", self.opens(desk, f"{page}panel/"))
        self.expect(witness in self.opens(desk, f"{page}evidence/{kept}/"), "the evidence says who heard it")
        desk.get(f"{page}evidence/{kept}/file/")

    def _proxies(self, desk: Browser, patient_id: str, person: Person) -> None:
        page = f"/patients/{patient_id}/proxies/"
        self.opens(desk, page)
        self.does(desk, page, {"number": person.name, "witness": person.name, "proof": person.phone}, 200)
        self.does(desk, f"{page}{uuid4()}/end/", {"q": person.name}, 404)

    def _import(self, desk: Browser, person: Person, visit: int = 1) -> None:
        whole = report(person, visit)
        for content in (
            whole[:-80],
            whole.replace(b"Bundle", b"Bundles"),
            whole.replace(b'"value": 4.', b'"value": "4.'),
        ):
            broken = desk.post("/import/", {}, {"file": (f"{person.name}.json", content)})
            self.expect(broken.status == 200, "a broken file")
        for way in ("discard", "write"):
            tried = desk.post("/import/", {}, {"file": (f"{person.phone}.json", whole)})
            self.expect(tried.status == 302, "a file tried")
            desk.get(tried.location)
            self.expect(desk.post(f"{tried.location}{way}/", {}).status == 302, f"a file to {way}")

    def _follow_up(self, desk: Browser, patient_id: str, number: int) -> None:
        panel = f"/patients/{patient_id}/followups/"
        self.world.until(lambda: bool(_FOLLOW_UP.search(desk.get(panel).text)), "a follow-up begins")
        note = self.flock.notes[number % len(self.flock.notes)]
        found = _FOLLOW_UP.search(desk.get(panel).text)
        done = f"/followups/{found.group(1)}/done/" if found else ""
        desk.post(done.replace("done", "claim"), {"note": note})
        desk.post(done, {"outcome": note, "note": note})
        desk.post(done, {"outcome": "agreed", "again_on": note, "note": note})
        self.expect(desk.post(done, {"outcome": "not_reached", "note": note}).status == 302, "a note")

    def _read(self, desk: Browser, patient_id: str) -> None:
        chart = f"/patients/{patient_id}/"
        pages = (
            "",
            "results/",
            "results/ldl/",
            "followups/",
            "consent/panel/",
            "consent/",
            "consent/followup/withdraw/",
        )
        for page in (*(chart + page for page in pages), "/", "/patients/", "/import/"):
            self.expect(desk.get(page).status == 200, f"page {page.replace(chart, '…/')}")

    def _care(self, desk: Browser, patient_id: str, number: int) -> None:
        chart, note = f"/patients/{patient_id}/", self.flock.notes[number % len(self.flock.notes)]
        self.opens(desk, f"{chart}responsible/", f"{chart}watch/")
        self.does(desk, f"{chart}responsible/", {"role": note, "staff": note}, 200)
        self.opens(desk, f"{chart}who-sees/")
        self.does(desk, f"{chart}who-sees/", {"who": note, "why": note, "last_on": note}, 200)
        self.does(desk, f"{chart}watch/", {"colleague": note}, 200)
        self.does(desk, f"{chart}watch/", {"well_known": "on"})
        self.does(desk, f"{chart}call/", {"note": note})

    def _emergency(self) -> None:
        """A chart outside one's care, for a reason in one's own words; then what an officer finds."""
        colleague, person, here = (
            self._sign_in(self.world.colleague),
            self.flock.people[0],
            "/patients/emergency/",
        )
        self.opens(colleague, here)
        who = {"name": person.name, "phone": person.phone}
        said = {**who, "reason": "emergency", "note": self.flock.notes[0]}
        self.does(colleague, here, {**said, "phone": person.id_number}, 200)
        self.does(colleague, here, {**said, "reason": person.name}, 200)
        self.opens(colleague, self.does(colleague, here, said).location)
        officer, review = self._sign_in(self.world.officer), f"{here}review/"
        glass = self.one(f'name="glass" value="{_ID}"', self.opens(officer, review))
        self.does(officer, review, {"glass": glass, "finding": person.name}, 200)
        self.does(officer, review, {"glass": glass, "finding": "justified"})

    def _by_import_page(self, desk: Browser, number: int, person: Person) -> None:
        self._import(desk, person)

    def _by_command(self, desk: Browser, number: int, person: Person) -> None:
        for name, content in (("broken", report(person)[:-80]), ("whole", report(person))):
            path = self.world.folder / f"{name}-{number}.json"
            path.write_bytes(content)
            try:
                command = ("import_report", str(path), "--clinic", self.world.clinic_code, "--open-card")
                self.world.manage(*command, "--dry-run")
                said = self.world.manage(*command)
                self.expect(name == "broken" or "stored 3" in said, f"a file by command: {said[-200:]}")
                self.service_numbers += re.findall(r"card (\S+)", said)
            finally:
                path.unlink()

    def _by_shell(self, desk: Browser, number: int, person: Person) -> None:
        note = self.flock.notes[number % len(self.flock.notes)]
        said = self.world.shell(HELPER.format(code=self.world.clinic_code, person=person, note=note))
        self.expect(MASK in said, "a card by the shell")

    # --- programs ---------------------------------------------------------------------------------------------------------

    def _by_machine(self, desk: Browser, person: Person) -> None:
        """Every address of the API, as it is meant and with words of a person where they do not belong."""
        card = {
            "name": person.name,
            "id_number": person.id_number,
            "phone": person.phone,
            "email": person.email,
            "twin_reason": "check_later",
        }
        for wrong in ({"phone": "1"}, {person.name: person.phone}, {"id_number": person.id_number[:-2]}):
            self._machine(desk, "patients/", {**card, **wrong}, 400)
        opened = self._machine(desk, "patients/", card, 201)
        patient_id = str(json.loads(opened.text).get("id", uuid4()))
        of, note = f"patients/{patient_id}/", self.flock.notes[0]
        shown = desk.get(f"/api/v1/{of}")
        contact = {"phone": person.phone, "email": person.email}
        changed = desk.send("PATCH", f"/api/v1/{of}", contact, {"If-Match": shown.etag})
        self.expect(changed.status == 200, f"contact by API: {changed.text}")
        desk.send("PATCH", f"/api/v1/{of}", contact, {"If-Match": quote(person.name)})
        self._machine(desk, "patients/search/", {"q": person.name}, 200)
        for part in ("name", "phone", "id_number"):
            self._machine(desk, f"{of}reveal/", {"part": part, "reason": "verify"}, 200)
        self._machine(desk, f"{of}reveal/", {"part": person.name, "reason": person.phone}, 400)
        result = {
            "identifier": {"system": f"urn:{person.phone}", "value": person.name},
            "code": {"coding": [{"system": "urn:invented", "code": person.phone, "display": person.name}]},
            "effective_date_time": timezone.now().isoformat(),
            "value_string": f"{SEALED_ITEM} {person.value} {person.name}",
        }
        filed = self._machine(desk, f"{of}observations/", result, 201)
        desk.get(filed.location or "/api/v1/schema/")
        self._machine(desk, f"{of}observations/", {**result, "value_string": note}, 409)
        listed = json.loads(desk.get(f"/api/v1/{of}consents/").text)["results"]
        notices = {row["purpose"]: row["notices"] for row in listed}
        said = {
            "purpose": "followup",
            "decision": "permit",
            "notice": notices["followup"][0]["id"],
            "told": True,
            "method": "verbal_witnessed",
            "witness": self.flock.witnesses[0],
        }
        self._machine(desk, f"{of}consents/", said, 201)
        self._machine(desk, f"{of}consents/", {**said, "notice": person.name}, 400)
        self._machine(desk, f"{of}consents/followup/withdrawal/", {"method": "paper"}, 200)
        for page in ("patients/", "follow-ups/", f"{of}observations/", "events/", "schema/"):
            desk.get(f"/api/v1/{page}")
        self._typed_address(desk, f"/api/v1/patients/?q={quote(person.name)}", None)
        self._typed_address(desk, f"/api/v1/patients/{quote(person.phone)}/", None)
        todos = json.loads(desk.get("/api/v1/follow-ups/?status=open").text)["results"]
        todo = f"follow-ups/{todos[0]['id'] if todos else uuid4()}/"
        self._machine(desk, f"{todo}claim/", {}, None)
        etag = desk.get(f"/api/v1/{todo}").etag
        self._machine(desk, f"{todo}outcome/", {"outcome": "not_reached", "note": note}, None, etag=etag)
        stranger = self.browser()
        stranger.send("POST", "/api/v1/patients/", card, {"Authorization": "Bearer zhizhi_x"})

    def _machine(
        self, desk: Browser, path: str, said: object, status: int | None, *, etag: str = ""
    ) -> Answer:
        headers = {"Idempotency-Key": uuid4().hex, **({"If-Match": etag} if etag else {})}
        answer = desk.send("POST", f"/api/v1/{path}", said, headers)
        self.expect(status in (None, answer.status), f"API {path}: {answer.status} {answer.text[:200]}")
        return answer

    def _programs(self, desk: Browser) -> None:
        """The pages of tokens, with words of a person typed into them; whether they are let in is not the matter here."""
        nobody = uuid4()
        for page in ("account/tokens/", "account/tokens/new/", "integrations/", f"integrations/{nobody}/"):
            desk.get(f"/{page}")
        for typed in self.flock.typed:
            form = {"label": typed, "name": typed, "scopes": typed, "days": typed, "form_token": str(nobody)}
            for page in (
                "account/tokens/new/",
                f"account/tokens/{nobody}/end/",
                "integrations/",
                f"integrations/{nobody}/tokens/new/",
                f"integrations/{nobody}/end/",
                f"integrations/tokens/{nobody}/end/",
            ):
                desk.post(f"/{page}", form)

    # --- the phone --------------------------------------------------------------------------------------------------------

    def _invited(self, desk: Browser, patient_id: str, person: Person) -> None:
        """A code that leads to signing in, a colleague who has nothing to confirm, and somebody who guesses a link."""
        here = f"/p/{self.world.clinic_code}/"
        shown = self.does(desk, f"/patients/{patient_id}/portal/invitation/", {"q": person.name}, 200)
        self.expect(f"{here}sign-in/" in shown.text, "whoever has a phone signs in with it")
        self.does(desk, f"/patients/{patient_id}/portal/invitation/confirm/", {"q": person.name}, 409)
        self.does(desk, f"/patients/{patient_id}/portal/sign-out/", {"q": person.name})
        self.does(self.browser(), f"{here}first/{'A' * 32}/", {"born": person.name}, 404)

    def _answered(self, desk: Browser, person: Person) -> None:
        """What was asked on the phone, at the desk that answers."""
        request = f"/requests/{self.one(f'/requests/{_ID}/', self.opens(desk, '/requests/'))}/"
        self.opens(desk, request)
        desk.post(f"/import/hand-over{request.removeprefix('/requests')}", {"to": person.name})
        desk.post(request, {"answer": person.name, "refusal": person.phone})

    def _on_the_phone(self, person: Person) -> None:
        phone, here = self.browser(), f"/p/{self.world.clinic_code}/"
        phone.get(f"{here}sign-in/")
        phone.post(f"{here}sign-in/", {"phone": person.name})
        phone.post(f"{here}sign-in/", {"phone": f"1{person.phone}"})
        self.expect(phone.post(f"{here}sign-in/", {"phone": person.phone}).status == 302, "a code is sent")
        phone.post(f"{here}sign-in/code/", {"code": person.name})
        phone.post(f"{here}sign-in/who/", {"name": person.name, "pin": person.phone})
        signed_in = phone.post(f"{here}sign-in/code/", {"code": self.world.code_for(person.phone)})
        self.expect(signed_in.location.endswith(here), "sign-in by code")
        for page in (
            "",
            "results/",
            "permissions/",
            "permissions/followup/",
            "history/",
            "notices/",
            "data/",
            "proxies/",
            "emergencies/",
            "complaint/",
            "passkeys/",
            "devices/",
            "pin/",
        ):
            self.expect(phone.get(here + page).status == 200, f"portal page {page}")
        look = self.one(f'id="look-{_ID}"', self.opens(phone, f"{here}looked/"))
        about = {"about": self.one(f'name="about" value="{_ID}"', self.opens(phone, f"{here}complaint/"))}
        self.does(phone, f"{here}looked/{look}/who/", {**about, "before": person.name})
        self.does(phone, f"{here}looked/{look}/who/", {"about": person.name}, 409)
        phone.post(f"{here}people/", {"patient": person.name})
        for kind in ("copy", "correct"):
            typed = {"words": person.name, "field": "name", "new": person.name}
            self.does(phone, f"{here}data/ask/{kind}/", {**about, **typed})
        self.does(phone, f"{here}data/copy/", {**about, "q": person.name}, 200)
        self.does(phone, f"{here}complaint/", {**about, "words": person.name})
        asked = self.one(f"data/requests/{_ID}/back/", self.opens(phone, f"{here}data/"))
        self.does(phone, f"{here}data/requests/{asked}/back/", {**about, "q": person.name})
        self.does(phone, f"{here}proxies/{uuid4()}/end/", {**about, "q": person.name}, 404)
        self.does(phone, f"{here}passkeys/1/end/", {"q": person.name}, 404)
        self.does(phone, f"{here}devices/{uuid4()}/end/", {"q": person.name}, 404)
        phone.post(f"{here}pin/", {"pin": person.phone, "again": person.name})
        phone.post(f"{here}pin/end/", {"q": person.name})
        self._typed_address(phone, f"{here}first/{person.phone}/", None)
        phone.post(f"{here}reading/", {"elder": person.name})
        self._typed_address(phone, f"{here}permissions/{person.phone}/", None)
        self._typed_address(phone, f"{here}stop/{person.phone}/", None)
        self.does(self.browser(), f"{here}stop/none/", {"q": person.name}, 404)
        said = json.loads(phone.get(f"{here}history/consents.json").text)["entry"]
        receipt = f"{here}history/{said[0]['resource']['id'] if said else uuid4()}/"
        self.opens(phone, receipt, f"{here}notices/followup/1/en/")
        phone.get(f"{receipt}receipt.json")
        phone.post(f"{here}permissions/followup/", {**about, "answer": person.name, "token": person.phone})
        phone.post(f"{here}permissions/followup/", {**about, "answer": "yes", "token": uuid4().hex})
        phone.post(f"{here}sign-out/", {})
        self.opens(phone, f"{here}sign-in/passkey/options/")
        self.does(phone, f"{here}sign-in/passkey/", {"credential": person.name}, 200)

    # --- what goes wrong ----------------------------------------------------------------------------------------------------

    def _typed_in_wrong_places(self, desk: Browser) -> None:
        """Into hidden fields, names of files, and forms that were meant for something else; and into addresses."""
        stranger = self.browser()
        stranger.get("/accounts/login/")
        for number, typed in enumerate(self.flock.typed):
            person = self.flock.people[number % len(self.flock.people)]
            desk.post("/clinic/switch/", {"clinic": typed})
            desk.post("/patients/search/", {"q": typed, "opening": typed})
            desk.post("/patients/new/", {"form_token": typed, "name": typed, "twin_reason": typed})
            desk.post(f"/patients/{uuid4()}/consent/", {"form_token": typed, "witness": typed})
            desk.post("/import/", {"file": typed})
            for browser in (desk, stranger):
                for address in (
                    f"/patients/{quote(typed)}/",
                    f"/{quote(person.name)}",
                    f"/patients/?q={quote(person.name)}",
                    f"/patients/{uuid4()}/results/{person.phone}/",
                    f"/p/{person.phone}/",
                ):
                    self._typed_address(browser, address, None)
                for address in (
                    f"/patients/{uuid4()}/consent/{quote(typed)}/withdraw/",
                    f"/p/{quote(typed)}/sign-in/",
                ):
                    self._typed_address(browser, address, {"phone": person.phone})

    @staticmethod
    def _typed_address(browser: Browser, address: str, fields: Mapping[str, str] | None) -> None:
        """An address that somebody types is theirs; what the product writes down about it is searched all the same."""
        kept = len(browser.seen)
        if fields is None:
            browser.get(address)
        else:
            browser.post(address, fields)
        del browser.seen[kept:]

    def _in_admin(self) -> None:
        admin, person = self.browser(), self.flock.people[0]
        admin.get("/admin/login/")
        admin.post("/admin/login/", {"username": person.name, "password": person.phone})
        self.user_names.append(person.name)
        self.does(
            admin, "/accounts/login/", {"login": self.world.administrator, "password": self.world.password}
        )
        self.expect(admin.get("/admin/clinics/user/").status == 200, "accounts in admin")
        self._typed_address(admin, f"/admin/clinics/user/{person.phone}/change/", None)
        self._typed_address(admin, f"/admin/clinics/user/?q={quote(person.name)}", None)
        typed = {"username": f"{person.name} ?", "password1": person.phone, "password2": person.id_number}
        for page in ("user", "careteam", "chain"):
            refused = admin.post(f"/admin/clinics/{page}/add/", {**typed, "clinic": person.name, "name": ""})
            self.expect(refused.status == 200, f"a form of admin: {page}")

    # --- offices ----------------------------------------------------------------------------------------------------------

    def _own_account(self) -> None:
        """The address for notices, the lock with a form behind it, and a password that is only tried."""
        own, (person, other) = self._sign_in(self.world.staff), self.flock.people[:2]
        self.opens(own, "/account/", "/account/session/")
        self.does(own, "/account/", {"email": person.name}, 200)
        for one in (person, other):  # the first one is told that it was the last notice there
            self.does(own, "/account/", {"email": one.email})
        self.does(own, "/account/sessions/end/", {"session": person.name}, 404)
        self.does(own, "/account/session/alive/", {"q": person.name}, 200)
        self.does(own, "/account/language/", {"language": person.name}, 404)
        self.does(own, "/account/password/strength/", {"password1": person.name}, 200)
        self.does(own, "/account/lock/", {"next": person.name})
        self.does(own, "/patients/search/", {"q": person.name}, 423)
        self.opens(own, "/account/locked/", "/account/unlock/passkey/")
        wrong = {"password": person.name, "send_to": person.phone, "kept.q": person.name}
        self.does(own, "/account/unlock/", wrong, 200)
        self.does(own, "/account/unlock/", {**wrong, "password": self.world.password}, 200)

    def _house(self) -> None:
        """The manager's teams, staff and panels. A team has an ordinary name: it stands in clear."""
        manager, typed = self._sign_in(self.world.manager), self.flock.typed[0]
        teams = "/clinic/teams/"
        staff = self.opens(manager, "/patients/panels/", teams, "/staff/")
        self.opens(manager, f"/staff/{self.one(f'/staff/{_ID}/leave/', staff)}/leave/")
        self.does(manager, "/staff/", {"user": typed, "first_on": typed, "last_on": typed}, 200)
        self.does(manager, "/patients/panels/", {"role": typed, "giver": typed, "taker": typed}, 200)
        self.does(manager, teams, {"name": typed * 10}, 200)
        team = self.does(manager, teams, {"name": "第五组"}).location
        self.opens(manager, team)
        self.does(manager, team, {"user": typed, "last_on": typed}, 200)
        manager.post(f"{team}{uuid4()}/leave/", {"user": typed})
        self.does(manager, f"{team}dissolve/", {"name": typed})

    def _registry(self) -> None:
        """What people are asked and who outside gets data. What is published has ordinary words: it stands in clear."""
        officer, typed, nobody = self._sign_in(self.world.officer), self.flock.typed[0], uuid4()
        publish = "/purposes/followup/publish/"
        self.opens(officer, "/purposes/", "/purposes/followup/", "/purposes/followup/1/", publish)
        self.opens(officer, "/assessments/", "/recipients/", "/recipients/new/")
        self.does(officer, publish, {"en-data": typed, "effective_from": typed}, 200)
        self.does(officer, "/assessments/", {"number": typed, "purposes": typed}, 200)
        self.does(officer, "/recipients/new/", {"name": typed, "code": typed}, 200)
        recipient = f"/recipients/{nobody}/"
        for page in (
            f"/assessments/{nobody}/",
            recipient,
            f"{recipient}cut-off/",
            f"{recipient}given/{nobody}/recalled/",
        ):
            self.does(officer, page, {"review_on": typed}, 404)
        officer.get(f"/p/{self.world.clinic_code}/notices/followup/1/en/pdf/")

    def _alarms(self) -> None:
        officer, note = self._sign_in(self.world.officer), self.flock.notes[-1]
        self.opens(officer, "/alarms/limits/")
        for typed in self.flock.typed:
            officer.post("/alarms/", {"alarm": typed, "decision": typed, "note": typed})
            limits = {"opens": typed, "denials": typed, "time_zone": typed}
            self.does(officer, "/alarms/limits/", limits, 200)
        alarm = self.one(f'name="alarm" value="{_ID}"', self.opens(officer, "/alarms/"))
        self.does(officer, "/alarms/", {"alarm": alarm, "decision": "harmless", "note": note})

    def _log(self) -> None:
        """The privacy desk: who is asked about is typed and posted; what is taken away holds nothing of them either."""
        officer, person, log = self._sign_in(self.world.officer), self.flock.people[0], "/privacy/log/"
        entries = self.opens(officer, "/privacy/", "/privacy/seals/", "/privacy/evidence/", log)
        entry = f"{log}{self.one(f'{log}{_ID}/', entries)}/"
        self.opens(officer, entry)
        proof = officer.post(f"{entry}proof/", {"q": person.name})
        self.expect(proof.status in (200, 409), f"the proof of an entry: {proof.status}")
        self.error_pages.append(proof.text)
        self._typed_address(officer, f"{log}?patient={quote(person.name)}&id={person.phone}", None)
        for typed in (person.name, person.phone, person.id_number):
            found = officer.post(f"{log}find/", {"q": typed})
            self.expect(found.status in (200, 302), f"find in the log: {found.status}")
        self.does(officer, f"{log}export/", {"format": person.name}, 422)
        taken = self.does(officer, f"{log}export/", {"format": "csv"}, 200)
        self.error_pages.append(taken.text)
        self.opens(officer, "/privacy/names/", "/privacy/kept/", "/complaints/")
        self.does(officer, "/privacy/kept/", {"number": person.name}, 200)
        self.does(officer, "/complaints/", {"complaint": person.name, "answer": person.name}, 200)
        self.does(officer, "/privacy/names/", {"names": person.name}, 200)
        self.does(officer, "/privacy/seals/verify/", {"q": person.name})
        self.does(officer, "/privacy/evidence/", {"q": person.name})
        self.does(officer, f"/privacy/evidence/{uuid4()}/", {"q": person.name}, 404)

    def _accounts(self) -> None:
        """The administrator helps somebody who is locked out. It ends their sessions, so nobody works afterwards."""
        admin, typed, here = self._sign_in(self.world.administrator), self.flock.typed[0], "/clinic/accounts/"
        known = re.findall(f'name="account" value="{_ID}"', self.opens(admin, here))
        for deed in ("link", "factors", "sessions"):
            self.does(admin, f"{here}{deed}/", {"account": typed}, 404)
        answers = [(account, admin.post(f"{here}link/", {"account": account})) for account in known]
        account, given = next((one for one in answers if one[1].status == 200), ("", Answer(0, "", "")))
        link = self.one(r"(/account/password/reset/[\w-]+/)", given.text)
        stranger, reset = self.browser(), "/account/password/reset/"
        self.expect(stranger.get(link).status == 302, "a link to a new password")
        self.opens(stranger, reset)
        self.does(stranger, reset, {"password1": typed, "password2": self.flock.people[0].name}, 200)
        for deed in ("factors", "sessions"):
            self.does(admin, f"{here}{deed}/", {"account": account})

    def _keys_change(self) -> None:
        """A new epoch, in another suite, a copy of the key tables, and somebody is erased."""
        for command in (
            ("rotate_keys", "--suite", "sm4"),
            ("reseal",),
            ("key_tables", "backup"),
            ("crypto_status",),
        ):
            said = self.world.manage(
                *command, *(() if command[0] == "key_tables" else ("--clinic", self.world.clinic_code))
            )
            self.expect("Error" not in said and bool(said), f"{command[0]}: {said[-200:]}")
        number = self.service_numbers[0]
        erased = self.world.manage(
            "erase_patient", number, "--clinic", self.world.clinic_code, "--reason", "request",
            "--by", self.world.officer, "--yes",
        )  # fmt: skip
        self.expect(number in erased and "Error" not in erased, f"erase_patient: {erased[-200:]}")

    def _failures(self, desk: Browser) -> None:
        """The database refuses in the middle, and the view or task fails with words of a person in its variables."""
        person = self.flock.people[-1]
        card = {
            "name": person.name,
            "id_number": person.id_number,
            "phone": person.phone,
            "phone_owner": "self",
            "email": person.email,
            "form_token": str(uuid4()),
            "twin_reason": "check_later",
        }
        with self.world.failing("patients_patient"):
            self._fails(desk.post("/patients/new/", card), "a card")
            self.world.shell(
                HELPER.format(code=self.world.clinic_code, person=person, note=self.flock.notes[-1])
            )
            path = self.world.folder / "failing.json"
            path.write_bytes(report(person))
            self.world.manage("import_report", str(path), "--clinic", self.world.clinic_code, "--open-card")
            path.unlink()
        with self.world.failing("records_change", "DELETE"):
            self._import(desk, self.flock.people[0], visit=2)
            self.world.until(self.world.worker_failed, "a task fails")
        with self.world.failing("exchange_importbatch"):
            self._fails(
                desk.post("/import/", {}, {"file": (f"{person.name}.json", report(person))}), "an import"
            )
        with self.world.failing("portal_signincode"):
            phone, here = self.browser(), f"/p/{self.world.clinic_code}/sign-in/"
            phone.get(here)
            self._fails(phone.post(here, {"phone": person.phone}), "a code")

    def _fails(self, answer: Answer, words: str) -> None:
        self.expect(answer.status >= 500, f"{words} fails")
        self.error_pages.append(answer.text)


# What an administrator might type into the shell of a server, prints and carelessness included. Whether it succeeds is nobody's matter.
HELPER = """
import logging
from datetime import date
from django.core import serializers
from django.utils import timezone
from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.queries import clinic_by_code
from patients.choices import PhoneOwner, Sex, TwinReason
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card
from records.services import file_report
clinic = clinic_by_code({code!r})
by = system_actor("shell", clinic.pk)
identity = NewIdentity(name={person.name!r}, sex=Sex.FEMALE, birth_date=date(1960, 2, 29), id_number={person.id_number!r},
    phone="+86" + {person.phone!r}, phone_owner=PhoneOwner.SELF, email={person.email!r})
def helper():
    with acting(by, clinic.pk), access(Purpose.CARE, Kind.COMPUTED):
        patient = open_card(clinic=clinic, identity=identity, by=by, at=timezone.now(), twin_reason=TwinReason.CHECK_LATER)
        again = Patient.objects.get(pk=patient.pk)
        print(again, repr(again), vars(again), again.identity, list(Patient.objects.values("identity")[:1]))
        logging.getLogger("helper").warning("%r %s", patient, patient.identity)
        for careless in (
            lambda: serializers.serialize("json", [again]),
            lambda: Patient.objects.filter(identity={note!r}),
            lambda: Patient.objects.update(identity={{"name": {person.name!r}}}),
            lambda: setattr(again, "identity", {{"nickname": {person.name!r}}}),
            lambda: int({person.name!r}),
        ):
            try:
                careless()
            except Exception:
                logging.getLogger("helper").exception("careless")
try:
    helper()
except Exception:
    logging.getLogger("helper").exception("helper")
"""


def report(person: Person, visit: int = 1) -> bytes:
    """A check-up of the person: a value with too many digits, one whose item is sealed whole, and a print nobody knows."""
    today = timezone.localdate()
    born = person.id_number[6:14]
    patient = {
        "resourceType": "Patient",
        "id": "person",
        "name": [{"text": person.name}],
        "gender": "male" if int(person.id_number[16]) % 2 else "female",
        "birthDate": f"{born[:4]}-{born[4:6]}-{born[6:]}",
        "telecom": [{"system": "phone", "value": person.phone}, {"system": "email", "value": person.email}],
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": person.id_number}],
    }
    encounter = {
        "resourceType": "Encounter",
        "id": f"visit-{visit}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "urn:uuid:person"},
        "period": {"start": f"{today - timedelta(days=1)}T08:00:00+08:00"},
    }
    entries: list[dict[str, Any]] = [patient, encounter, *_results(person, visit)]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": {"source": "urn:invented:lab-east"},
        "entry": [{"fullUrl": f"urn:uuid:{entry['id']}", "resource": entry} for entry in entries],
    }
    return json.dumps(bundle, ensure_ascii=False).encode()


def _results(person: Person, visit: int) -> Iterator[dict[str, Any]]:
    number = float(person.value)
    for name, code, value in (
        (
            "ldl",
            ("http://loinc.org", "13457-7", "低密度脂蛋白胆固醇"),
            {"valueQuantity": _quantity(number, "mmol/L")},
        ),
        ("hbsag", ("http://loinc.org", "5196-1", SEALED_ITEM), {"valueString": f"阳性 {person.value}"}),
        (
            "local",
            ("urn:invented:lab-east:items", "LX-0417", person.name),
            {"valueQuantity": _quantity(number, "μg/L")},
        ),
    ):
        system, item, display = code
        yield {
            "resourceType": "Observation",
            "id": f"{name}-{visit}",
            "status": "final",
            "code": {"coding": [{"system": system, "code": item, "display": display}], "text": display},
            "subject": {"reference": "urn:uuid:person"},
            "encounter": {"reference": f"urn:uuid:visit-{visit}"},
            "effectiveDateTime": f"{timezone.localdate() - timedelta(days=1)}T08:20:00+08:00",
            **value,
        }


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}
