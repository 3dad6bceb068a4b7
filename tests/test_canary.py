"""The canary drill in small, in this process: what is sealed stands in clear in no table, session, cache, log, address or letter.

The ways in and the search are those of `python -m bench.drills canary`, which does the same to the running product.
"""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from psycopg2.extensions import connection as Connection
from redis import Redis

from bench.drills.canary import unwalked
from bench.drills.canary_paths import SEALED_ITEM, Answer, Walk
from bench.drills.canary_words import Search, hatch
from bench.drills.owner import owner_of_tables, right_taken
from clinics.models import Clinic, User
from clinics.roles import Role
from clinics.sessions import opened
from config.logs import Discreet
from followups.tasks import turn
from portal import services as portal_services
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.walking import Walker

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "an invented sentence"
LEAKS = {
    "log": "漏写在日志",
    "table": "漏写在表里",
    "Valkey": "漏写在缓存",
    "letter": "漏写在信上",
    "terminal": "漏在终端",
}


class WithCookies(Walker):
    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        self.cookies.update(answer.cookies)
        return answer


class Browser:
    """Django's test client, as the drill wants a browser."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._client = WithCookies()

    def get(self, path: str) -> Answer:
        self.seen.append(f"GET {path}")
        return self._answer(self._client.get(path))

    def post(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> Answer:
        self.seen.append(f"POST {path}")
        uploads = {name: SimpleUploadedFile(*file) for name, file in (files or {}).items()}
        return self._answer(self._client.post(path, {**fields, **uploads}))

    def send(self, method: str, path: str, said: object, headers: Mapping[str, str]) -> Answer:
        self.seen.append(f"{method} {path}")
        answer = self._client.generic(
            method,
            path,
            json.dumps(said, ensure_ascii=False),
            content_type="application/json",
            headers=headers,
        )
        return self._answer(answer)

    def _answer(self, answer: Any) -> Answer:
        self.seen += [f"{name}: {value}" for name, value in answer.items()]
        self.seen += [str(cookie) for cookie in answer.cookies.values()]
        return Answer(
            answer.status_code,
            answer.get("Location", ""),
            answer.getvalue().decode(errors="replace"),
            answer.get("ETag", ""),
        )


class Here:
    """The product in this process."""

    clinic_code, password = "east", PASSWORD
    staff, colleague = "doctor", "colleague"
    administrator, manager, officer = "administrator", "manager", "officer"

    def __init__(self, folder: Path, owner: Connection, log: io.StringIO) -> None:
        self.folder = folder
        self.terminal = io.StringIO()
        self._owner = owner
        self._log = log

    def browser(self) -> Browser:
        return Browser()

    def code_for(self, phone: str) -> str:
        texts = [str(letter.body) for letter in mail.outbox if phone in letter.to[0]]
        (code,) = re.findall(r"\d{6}", texts[-1])
        return str(code)

    def until(self, true: Callable[[], bool], words: str) -> None:
        turn.apply()
        assert true(), words

    def worker_failed(self) -> bool:
        return "ProgrammingError" in self._log.getvalue().partition("followups.loop")[2]

    def manage(self, *arguments: str) -> str:
        with self._terminal() as said:
            try:
                call_command(*arguments, stdout=said, stderr=said)
            except CommandError as refused:
                print(refused)
        return said.getvalue()

    def shell(self, code: str) -> str:
        with self._terminal() as said:
            exec(code, {})  # noqa: S102  # what stands in the drill's own HELPER
        return said.getvalue()

    @contextmanager
    def _terminal(self) -> Iterator[io.StringIO]:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            yield said
        self.terminal.write(said.getvalue())

    @contextmanager
    def failing(self, table: str, right: str = "INSERT") -> Iterator[None]:
        with right_taken(self._owner, right, table):
            yield


@pytest.fixture
def owner(db: None) -> Iterator[Connection]:
    with owner_of_tables() as owner:
        yield owner


@pytest.fixture
def staffed(db: None) -> Clinic:
    """A clinic with two doctors in teams of their own, and whoever keeps the house."""
    clinic = ClinicFactory("east")
    roles = {
        "doctor": Role.DOCTOR,
        "colleague": Role.DOCTOR,
        "administrator": Role.ADMINISTRATOR,
        "manager": Role.MANAGER,
        "officer": Role.PRIVACY_OFFICER,
    }
    for name, role in roles.items():
        user: User = StaffFactory(username=name)
        user.set_password(PASSWORD)
        user.is_staff = user.is_superuser = role == Role.ADMINISTRATOR
        user.save()
        StaffRoleFactory(user=user, clinic=clinic, role=role)
        if role == Role.DOCTOR:
            TeamMemberFactory(team=CareTeamFactory(clinic=clinic), user=user)
    return clinic


@pytest.fixture
def at_any_hour(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reminders leave at once, and texts are posted before the answer, so that a test can read them."""
    settings.MESSAGES_AT_ANY_HOUR = True

    class Prompt:
        def submit(self, post: Any, *args: object) -> None:
            post(*args)

    monkeypatch.setattr(portal_services, "_postman", Prompt())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any part of the product logs, down to its least word, as the settings have it written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Discreet("%(name)s %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


@pytest.mark.requirement("GBT35273-6.3", "HIPAA-312a2iv/e")
def test_nothing_sealed_stands_in_clear_anywhere(
    staffed: Clinic, at_any_hour: None, log: io.StringIO, owner: Connection, tmp_path: Path
) -> None:
    flock = hatch(Random(20261121), people=4, others=2)  # noqa: S311  # the same words every time
    valkey_before = set(valkey_says())
    world = Here(tmp_path, owner, log)
    walk = Walk(world, flock)

    walk.go()
    leak(world, walk, owner)

    assert walk.mishaps == []
    assert unwalked(walk.browsers) == []
    places: dict[str, list[bytes]] = {
        "log": [log.getvalue().encode()],
        "table": list(tables(owner)),
        "Valkey": sorted(set(valkey_says()) - valkey_before),
        "session": [
            repr(opened(row.session_data, row.session_key)).encode() for row in Session.objects.all()
        ],
        "address, header or cookie": ["\n".join(walk.addresses()).encode()],
        "letter": [str(letter.message()).encode() for letter in mail.outbox if without_recipient(letter)],
        "text of a letter": [str(letter.body).encode() for letter in mail.outbox],
        "terminal": [world.terminal.getvalue().encode()],
        "error page": [page.encode() for page in walk.error_pages],
    }
    search = Search([*flock.words, SEALED_ITEM, *LEAKS.values()])
    for place, contents in places.items():
        assert contents, place
        found = {sighting.word for content in contents for sighting in search.find(content)}
        assert found == {LEAKS[place]} & set(LEAKS.values()) if place in LEAKS else found == set(), place


def without_recipient(letter: Any) -> bool:
    """Where a letter goes is the one thing its headers may say of a person."""
    letter.to = ["somebody@example.invalid"]
    return True


def leak(world: Here, walk: Walk, owner: Connection) -> None:
    """A word into the places on purpose: a search that does not find them proves nothing."""
    logging.getLogger("leak").warning("%r", LEAKS["log"].encode())
    Clinic.objects.filter(code="east").update(short_name=LEAKS["table"])
    with Redis.from_url(settings.CACHES["default"]["LOCATION"]) as valkey:
        valkey.set("leak", LEAKS["Valkey"].encode("utf-16-le"), ex=60)
    mail.send_mail(LEAKS["letter"], "", None, ["leak@example.invalid"])
    world.shell(f"print({LEAKS['terminal']!r}.encode('unicode_escape'))")


def valkey_says() -> Iterator[bytes]:
    """Every key of both databases and what it holds."""
    for address in (settings.CELERY_BROKER_URL, settings.CACHES["default"]["LOCATION"]):
        with Redis.from_url(address) as valkey:
            for key in valkey.scan_iter():
                kept = valkey.get(key) if valkey.type(key) == b"string" else valkey.dump(key)
                yield key + b" " + (kept or b"")


def tables(owner: Connection) -> Iterator[bytes]:
    """Every row of every table of every package, as text, read as the owner."""
    with owner.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            yield "\n".join(row for (row,) in cursor.fetchall()).encode()
