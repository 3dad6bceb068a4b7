"""Canary: words of invented people go through every way into the running product, and stand in clear nowhere afterwards.

The product runs as `make demo` runs it: web, worker, beat, sequencer, witness and mailbox, on PostgreSQL and Valkey of its own.
In every place that is searched one word is leaked on purpose, so that a search that is blind there fails the drill.
"""

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage
from pathlib import Path
from random import Random
from urllib.parse import quote, urlsplit

import psycopg2
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from psycopg2.extensions import connection as Connection
from redis import Redis

from bench.drills.canary_browser import HttpBrowser
from bench.drills.canary_paths import SEALED_ITEM, Browser, Walk
from bench.drills.canary_words import Search, hatch
from bench.drills.owner import right_taken
from bench.drills.tally import Scale, Tally
from config.demo.__main__ import Demo, run_demo
from config.demo.mailbox import letters
from config.embedded.accounts import account_of_services
from config.embedded.places import REPOSITORY, data_folder
from exchange.demo.house import PASSWORD

PEOPLE, OTHERS = {Scale.FULL: 36, Scale.SMALL: 4}, {Scale.FULL: 8, Scale.SMALL: 4}
SECONDS_TO_WAIT = 60.0
OURS = ("desk", "clinics", "patients", "consent", "records", "followups", "exchange", "portal", "api")
ADDRESSED = ("to", "x-rcptto")  # headers that hold where a letter goes, and nothing else does
STATEMENTS = "what PostgreSQL shows of statements"
Place = Iterable[tuple[str, bytes]]  # what it is called within the place, and what stands in it


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    flock = hatch(Random(seed), people=PEOPLE[scale], others=OTHERS[scale])
    tally.say(f"{len(flock.words)} words of {len(flock.people)} people and of nobody")
    with ExitStack() as stack:
        scratch = stack.enter_context(_scratch())
        data = data_folder(scratch / "data", account_of_services())
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        world = Running(stack.enter_context(run_demo(scratch / "data", patients=8)), scratch)
        with world.watched():
            walk = Walk(world, flock)
            walk.go()
            world.leak(walk)
        tally.say("every way is walked; now the search")
        for mishap in dict.fromkeys(walk.mishaps):
            tally.check(False, f"not walked: {mishap}")
        tally.check(
            unwalked(walk.browsers) == [], f"every page was asked for, but for {unwalked(walk.browsers)}"
        )
        searching = Search([*flock.words, SEALED_ITEM, *world.leaked.values()])
        for name, place in world.places(walk).items():
            # A user name is looked up as it is typed: for a moment the database's superuser sees that statement.
            shown = walk.user_names if name == STATEMENTS else []
            planted = [word for word in (*flock.words, SEALED_ITEM) if word not in shown]
            look(tally, searching, name, place, planted=planted, leaked=world.leaked)


def look(
    tally: Tally, searching: Search, name: str, place: Place, *, planted: list[str], leaked: dict[str, str]
) -> None:
    """No planted word may stand in the place, and the word that was leaked there must be found."""
    found: dict[str, list[str]] = {}
    size = 0
    for part, content in place:
        size += len(content)
        for sighting in searching.find(content):
            found.setdefault(sighting.word, []).append(f"{part} ({sighting.encoding})")
    for word in planted:
        tally.check(word not in found, f"{name}: {word} in {', '.join(found.get(word, [])[:3])}")
    tally.check(leaked[name] in found, f"{name}: what was leaked there on purpose was not found")
    tally.say(f"{name}: {size / 1e6:.1f} MB")


def unwalked(browsers: Iterable[Browser]) -> list[str]:
    """The names of our own pages that no browser asked for."""
    asked = set()
    for browser in browsers:
        for line in browser.seen:
            if line.startswith(("GET ", "POST ")):
                match = resolve(urlsplit(line.split(" ", 1)[1]).path)
                asked.add(match.view_name)
    return sorted(set(_names(get_resolver().url_patterns, "")) - asked)


def _names(patterns: Iterable[URLPattern | URLResolver], space: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace in OURS:
                yield from _names(pattern.url_patterns, f"{pattern.namespace}:")
        elif space and pattern.name:
            yield f"{space}{pattern.name}"


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for the run, and for the temporary files of every process of it."""
    with tempfile.TemporaryDirectory(prefix="zhizhi-canary-") as name:
        scratch = Path(name)
        scratch.chmod(0o711)  # the services' account passes through
        (scratch / "tmp").mkdir(mode=0o1777)
        before = os.environ.get("TMPDIR")
        os.environ["TMPDIR"] = str(scratch / "tmp")
        try:
            yield scratch
        finally:
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before


class Running:
    """The running product, driven from outside, and everything that it writes down anywhere."""

    clinic_code, password = "chengdong", PASSWORD
    staff, colleague, administrator, manager, officer = (
        "zhoumingyuan",
        "chenjun",
        "xuan",
        "sunli",
        "fangzheng",
    )

    def __init__(self, demo: Demo, scratch: Path) -> None:
        self.demo = demo
        self.data = Path(demo.variables["ZHIZHI_DATA"])
        self.scratch = scratch
        self.folder = scratch / "files"
        self.folder.mkdir()
        self.terminal: list[bytes] = []
        self.statements: set[str] = set()
        self.commands = bytearray()
        self.leaked: dict[str, str] = {}
        self._database = urlsplit(demo.variables["DATABASE_URL"])
        self._valkey = urlsplit(demo.variables["REDIS_URL"])
        self._superuser = _superuser_of(self.data)

    # --- what the walk needs ------------------------------------------------------------------------------------------------

    def browser(self) -> HttpBrowser:
        return HttpBrowser(f"http://127.0.0.1:{self.demo.variables['PORT']}")

    def code_for(self, phone: str) -> str:
        codes: list[str] = []

        def came() -> bool:
            for letter in letters(self.data / "mailbox"):
                key = str(letter["X-Idempotency-Key"])
                if key.startswith("code-") and phone in str(letter["to"]):
                    codes.extend(re.findall(r"\d{6}", letter.get_content()))
            return bool(codes)

        self.until(came, "a code arrives")
        return codes[0]

    def until(self, true: Callable[[], bool], words: str) -> None:
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain: {words}")
            time.sleep(0.2)

    def manage(self, *arguments: str) -> str:
        return self._command(arguments, b"")

    def shell(self, code: str) -> str:
        return self._command(("shell",), code.encode())

    def worker_failed(self) -> bool:
        return b"ProgrammingError" in (self.data / "logs" / "worker.log").read_bytes()

    def _command(self, arguments: Iterable[str], typed: bytes) -> str:
        own = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "manage.py"), *arguments],
            input=typed,
            capture_output=True,
            check=False,
            env={**own, **self.demo.variables},
        )
        self.terminal += [done.stdout, done.stderr]
        return (done.stdout + done.stderr).decode()

    @contextmanager
    def failing(self, table: str, right: str = "INSERT") -> Iterator[None]:
        with self._as_superuser() as connection, right_taken(connection, right, table):
            yield

    @contextmanager
    def _as_superuser(self) -> Iterator[Connection]:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self._database.port, dbname=self._database.path[1:], user="postgres", password=self._superuser
        )  # fmt: skip
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    # --- what is written down while it runs -----------------------------------------------------------------------------------

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, every command that reaches Valkey and the statements that PostgreSQL shows are kept."""
        ended = threading.Event()
        watchers = [
            threading.Thread(target=watcher, args=(ended,))
            for watcher in (self._watch_valkey, self._watch_statements)
        ]
        for watcher in watchers:
            watcher.start()
        try:
            yield
        finally:
            ended.set()
            for watcher in watchers:
                watcher.join()

    def _watch_valkey(self, ended: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", self._valkey.port or 0)) as client:
            client.settimeout(0.2)
            client.sendall(f"AUTH {self._valkey.password}\r\nMONITOR\r\n".encode())
            more = True
            while more or not ended.is_set():
                try:
                    self.commands += client.recv(1 << 16)
                except TimeoutError:
                    more = False

    def _watch_statements(self, ended: threading.Event) -> None:
        with self._as_superuser() as connection, connection.cursor() as cursor:
            while not ended.wait(0.01):
                cursor.execute("SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                self.statements.update(query for (query,) in cursor.fetchall())

    # --- the places -----------------------------------------------------------------------------------------------------------

    def places(self, walk: Walk) -> dict[str, Place]:
        return {
            STATEMENTS: [("pg_stat_activity", "\n".join(self.statements).encode())],
            "data directory with WAL": files(self.data / "postgres"),
            "data directory after a checkpoint": self._after_checkpoint(),
            "dump of every table": self._dump(),
            "commands to Valkey": [("MONITOR", bytes(self.commands))],
            "Valkey": self._valkey_says(),
            "logs, keys, witness and other files": files(self.data, without=("postgres", "mailbox", "bin")),
            "temporary files": files(self.scratch, without=("data",)),
            "letters": self._letters(),
            "addresses, headers and cookies": [("browsers", "\n".join(walk.addresses()).encode())],
            "terminal of commands": enumerate_parts(self.terminal),
            "error pages": enumerate_parts(page.encode() for page in walk.error_pages),
            "what other users of the machine see of processes": self._processes(),
        }

    def _after_checkpoint(self) -> Place:
        with self._as_superuser() as connection, connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        yield from files(self.data / "postgres")

    def _dump(self) -> Place:
        command = [
            str(self.data / "bin" / "pginstall" / "bin" / "pg_dump"), "--host", "127.0.0.1", "--port", str(self._database.port),
            "--username", "postgres", self._database.path[1:],
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=True, env={"PGPASSWORD": self._superuser})
        yield "pg_dump", done.stdout

    def _valkey_says(self) -> Place:
        """Every key of every database as it is sent, then the snapshot and the append-only file."""
        address = self._valkey.geturl()
        for number in (0, 1):
            with Redis.from_url(f"{address}/{number}") as valkey:
                valkey.save()
                for key in valkey.scan_iter():
                    kept = valkey.get(key) if valkey.type(key) == b"string" else valkey.dump(key)
                    yield f"database {number}", key + b" " + (kept or b"")
        yield from files(self.data / "valkey")

    def _letters(self) -> Place:
        for letter in letters(self.data / "mailbox"):
            headers = [f"{name}: {value}" for name, value in letter.items() if name.lower() not in ADDRESSED]
            yield str(letter["Message-ID"]), "\n".join([*headers, letter.get_content()]).encode()

    def _processes(self) -> Place:
        for process in self.demo.processes.running:
            folder = Path(f"/proc/{process.child.pid}") if process.child else Path("/nonexistent")
            for name in ("cmdline", "environ"):
                if (folder / name).exists():
                    yield f"{process.name} {name}", (folder / name).read_bytes()
        yield "leaked", self.leaked["what other users of the machine see of processes"].encode()

    # --- the leaks on purpose ---------------------------------------------------------------------------------------------------

    def leak(self, walk: Walk) -> None:
        """One word into every place, each written down another way."""
        words = iter(hatch(Random(0), people=0, others=20).typed)
        self.leaked = dict.fromkeys(self.places(walk), "")
        for name in self.leaked:
            self.leaked[name] = f"漏{next(words)}"
        word = self.leaked.__getitem__
        with self._as_superuser() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT %s, pg_sleep(0.5)", [word(STATEMENTS)])
            cursor.execute("CREATE TABLE leak (content text, raw bytea)")
            row = [
                word("data directory with WAL").encode("unicode_escape").decode(),
                gzip.compress(word("data directory after a checkpoint").encode()),
            ]
            cursor.execute("INSERT INTO leak VALUES (%s, %s)", row)
            cursor.execute("INSERT INTO leak VALUES (%s, NULL)", [quote(word("dump of every table"))])
        with Redis.from_url(f"{self._valkey.geturl()}/1") as valkey:
            valkey.set("leak", b64encode(gzip.compress(word("Valkey").encode())))
            valkey.set(b"leak " + word("commands to Valkey").encode(), "", px=1)
        with (self.data / "logs" / "web.log").open("ab") as log:
            log.write(word("logs, keys, witness and other files").encode().hex().encode())
        (self.scratch / "tmp" / "leak").write_bytes(word("temporary files").encode("utf-16-be"))
        self._post_leak(word("letters"))
        walk.browser().get(f"/?q={quote(word('addresses, headers and cookies'))}")
        self.shell(
            f"print({word('terminal of commands')!r}.encode('gb18030').hex(), {word('terminal of commands')!r})"
        )
        walk.error_pages.append(word("error pages").encode("ascii", "xmlcharrefreplace").decode())

    def _post_leak(self, word: str) -> None:
        letter = EmailMessage()
        letter["Subject"], letter["To"], letter["From"] = (
            word,
            "nobody@mailbox.invalid",
            "clinic@mailbox.invalid",
        )
        letter.set_content("")
        (self.data / "mailbox" / "new" / "leak").write_bytes(letter.as_bytes())


def files(folder: Path, *, without: tuple[str, ...] = ()) -> Place:
    """Every file below the folder; one that vanishes meanwhile was nothing that stays."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside.parts[0] in without or path.is_symlink() or not path.is_file():
            continue
        try:
            yield str(inside), path.read_bytes()
        except FileNotFoundError:
            continue


def enumerate_parts(parts: Iterable[bytes]) -> Place:
    return [(str(number), part) for number, part in enumerate(parts)]


def _superuser_of(data: Path) -> str:
    """The superuser's password of a running installation."""
    return str(json.loads((data / "secrets.json").read_text())["superuser"])
