"""A canary through the whole main job: what is sealed stands in clear in no table, session, cache, log, address or cookie."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings, settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from redis import Redis

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic, User
from clinics.roles import Role
from config.dbroles.owner import as_owner
from followups.loop import claim_due, send_queued, take_changes
from followups.models import FollowUp
from patients.models import Patient
from portal import services as portal_services
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.patients import id_number
from tests.factories.records import fixture

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "an invented sentence"
NAME, PHONE, EMAIL, BORN = "金丝雀·阿不都", "13912345678", "canary@birds.example", "1960-12-31"
PAPERS = id_number("99010119601231002")
VALUE, NOTE, WITNESS, TYPED = "4.3517", "鸟语：已停药", "证人鸟先生", "忘了在哪个框里的金丝雀"
SEALED_ITEM, SEALED_CODE, UNKNOWN_PRINT = "乙肝表面抗原", "5196-1", "23.1457"
CANARIES = [
    NAME,
    "金丝雀",
    PHONE,
    PHONE[3:],
    EMAIL,
    BORN,
    BORN.replace("-", ""),
    PAPERS,
    VALUE,
    NOTE,
    WITNESS,
    TYPED,
    SEALED_ITEM,
    SEALED_CODE,
    UNKNOWN_PRINT,
]


class Browser(Client):
    """Keeps every address that it was sent to and every cookie that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        self.seen += [request.get("PATH_INFO", ""), request.get("QUERY_STRING", "")]
        self.seen += [f"{name}: {value}" for name, value in answer.items()]
        self.seen += [str(cookie) for cookie in answer.cookies.values()]
        return answer


def went(answer: Any) -> str:
    """Where a form led; it fails here when the form was shown again."""
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


@pytest.fixture
def clinic() -> Clinic:
    return ClinicFactory("east")


@pytest.fixture
def doctor(clinic: Clinic) -> User:
    user = StaffFactory(username="doctor")
    user.set_password(PASSWORD)
    user.save()
    StaffRoleFactory(user=user, clinic=clinic, role=Role.DOCTOR)
    TeamMemberFactory(team=CareTeamFactory(clinic=clinic), user=user)
    return user


@pytest.fixture
def at_any_hour(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reminders leave at once, and texts are posted before the answer, so that a test can read them."""
    settings.MESSAGES_AT_ANY_HOUR = True

    class Prompt:
        def submit(self, post: Any, *args: object) -> None:
            post(*args)

    monkeypatch.setattr(portal_services, "_postman", Prompt())


def report() -> bytes:
    found = json.loads(fixture("checkup", on=timezone.localdate()))
    for entry in found["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            resource.update(
                name=[{"text": NAME}],
                telecom=[{"system": "phone", "value": PHONE}, {"system": "email", "value": EMAIL}],
                birthDate=BORN,
                gender="female",
            )
            resource["identifier"][0]["value"] = PAPERS
        for printed, canary in ((4.35, VALUE), (23.1, UNKNOWN_PRINT)):
            if resource.get("valueQuantity", {}).get("value") == printed:
                resource["valueQuantity"]["value"] = float(canary)
    return json.dumps(found, ensure_ascii=False).encode()


def at_the_desk(desk: Browser, clinic: Clinic) -> Patient:
    desk.post("/accounts/login/", {"login": TYPED, "password": PASSWORD})
    desk.post("/accounts/login/", {"login": PHONE, "password": NAME})
    assert went(desk.post("/accounts/login/", {"login": "doctor", "password": PASSWORD})) == "/"
    desk.post(reverse("patients:search"), {"q": NAME})
    card = {
        "name": NAME,
        "id_number": PAPERS,
        "phone": PHONE,
        "phone_owner": "self",
        "email": EMAIL,
        "form_token": str(uuid4()),
    }
    desk.post(reverse("patients:new"), {**card, "phone": "1"})
    desk.post(reverse("patients:check"), card)
    consent = went(desk.post(reverse("patients:new"), card))
    said = {f"yes_{purpose}": "on" for purpose in ("care", "report", "followup", "risk")}
    witnessed = {
        "told": "on",
        "expressed_by": "self",
        "method": "verbal_witnessed",
        "witness": WITNESS,
        "form_token": str(uuid4()),
    }
    desk.post(consent, {**witnessed, "told": ""})
    desk.post(consent, {"send_code": "1", "witness": WITNESS})
    went(desk.post(consent, {**witnessed, **said}))
    with acting(system_actor("test", clinic.pk)):
        patient: Patient = Patient.objects.get()
    went(desk.post(reverse("patients:open_portal", args=[patient.pk])))
    for part in ("name", "phone", "id_number"):
        revealed = desk.post(
            reverse("desk:reveal", args=[patient.pk]), {"part": part, "reason": "call"}
        ).content.decode()
        assert {"name": NAME, "phone": PHONE, "id_number": PAPERS}[part] in revealed.replace(" ", "")
    return patient


def a_report_arrives(desk: Browser, clinic: Clinic) -> None:
    for file in (report()[:-900], report(), report()):
        answer = desk.post(reverse("exchange:import"), {"file": SimpleUploadedFile(f"{NAME}.json", file)})
        if answer.status_code == 302:
            assert desk.get(answer["Location"]).status_code == 200
            desk.post(f"{answer['Location']}write/", follow=True)
    now = timezone.now()
    assert take_changes(clinic, now)
    assert claim_due(clinic, timezone.now())
    assert send_queued(clinic, timezone.now())


def staff_go_on(desk: Browser, clinic: Clinic, patient: Patient) -> None:
    pages = ["desk:chart", "records:results", "followups:panel", "consent:panel", "consent:record"]
    for page in pages:
        assert desk.get(reverse(page, args=[patient.pk])).status_code == 200
    assert VALUE[:4] in desk.get(reverse("records:history", args=[patient.pk, "ldl"])).content.decode()
    for page in ("desk:workbench", "patients:list", "exchange:import"):
        assert desk.get(reverse(page)).status_code == 200
    with acting(system_actor("test", clinic.pk)):
        follow_up = FollowUp.objects.defer("note").order_by("opened_at", "pk")[0]
    done = reverse("followups:done", args=[follow_up.pk])
    assert desk.post(done, {"outcome": "", "note": NOTE}).status_code == 200
    went(desk.post(done, {"outcome": "not_reached", "note": NOTE}))
    desk.post(reverse("desk:chart", args=[uuid4()]), {"q": NAME})


def on_the_phone(phone: Browser) -> None:
    mail.outbox.clear()
    phone.post("/p/east/sign-in/", {"phone": "1" + PHONE})
    went(phone.post("/p/east/sign-in/", {"phone": PHONE}))
    (code,) = re.findall(r"\d{6}", str(mail.outbox[-1].body))
    assert phone.post("/p/east/sign-in/code/", {"code": NAME}).status_code == 200
    assert went(phone.post("/p/east/sign-in/code/", {"code": code})) == "/p/east/"
    assert NAME in phone.get("/p/east/").content.decode()
    assert VALUE[:4] in phone.get("/p/east/results/").content.decode()
    assert phone.get("/p/east/permissions/").status_code == 200
    assert phone.post("/p/east/people/", {"patient": NAME}).status_code == 404
    token = uuid4().hex
    assert phone.post("/p/east/permissions/followup/", {"answer": "no", "token": token}).status_code == 200
    went(phone.post("/p/east/permissions/followup/", {"answer": "yes", "token": uuid4().hex}))


def test_nothing_sealed_stands_in_clear_anywhere(
    clinic: Clinic,
    doctor: User,
    at_any_hour: None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    desk, phone = Browser(), Browser()
    valkey_before = set(valkey_says())
    desk.raise_request_exception = phone.raise_request_exception = False

    patient = at_the_desk(desk, clinic)
    a_report_arrives(desk, clinic)
    staff_go_on(desk, clinic, patient)
    letters = [str(letter.message()) for letter in mail.outbox] + [str(one.body) for one in mail.outbox]
    on_the_phone(phone)

    places = {
        "log": [caplog.text, *capfd.readouterr()],
        "valkey": sorted(set(valkey_says()) - valkey_before),
        "session": [json.dumps(s.get_decoded(), ensure_ascii=False) for s in Session.objects.all()],
        "address or cookie": desk.seen + phone.seen,
    }
    not_for_letters = [VALUE, NOTE, WITNESS, SEALED_ITEM, NAME, PAPERS, BORN]

    assert {canary: tables_with(canary) for canary in CANARIES} == {canary: [] for canary in CANARIES}
    for place, texts in places.items():
        assert texts, place
        assert [canary for canary in CANARIES if _in(canary, texts)] == [], place
    assert [canary for canary in not_for_letters if _in(canary, letters)] == []
    assert tables_with(str(patient.pk))  # the search itself finds what is there
    assert _in(str(doctor.pk), places["session"] + places["valkey"])


def _in(canary: str, texts: list[str]) -> bool:
    escaped = canary.encode("unicode_escape").decode()
    encoded = base64.b64encode(canary.encode()).decode().rstrip("=")[:-1]
    return any(form in text for text in texts for form in (canary, escaped, encoded))


def valkey_says() -> Iterator[str]:
    """Every key of both databases and what it holds, as far as it is text."""
    for address in (settings.CELERY_BROKER_URL, settings.CACHES["default"]["LOCATION"]):
        with Redis.from_url(address) as valkey:
            for key in valkey.scan_iter():
                kept = valkey.get(key) if valkey.type(key) == b"string" else valkey.dump(key)
                yield f"{key.decode('utf-8', 'replace')} {(kept or b'').decode('utf-8', 'replace')}"


def tables_with(text: str) -> list[str]:
    """Every table of every package that holds the text, as text, escaped or as bytes, read as the owner."""
    forms = [text, text.encode().hex(), text.encode("unicode_escape").decode()]
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        found = []
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"SELECT EXISTS (SELECT FROM {table} t, unnest(%s) form WHERE strpos(t::text, form) > 0)",
                [forms],
            )
            if cursor.fetchone() == (True,):
                found.append(table)
        return found
