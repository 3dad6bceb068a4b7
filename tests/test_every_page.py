"""Every address of ours, asked for nonsense and for a way elsewhere. A new page is found by itself; who reaches what: test_who_reaches_what.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import URLPattern, reverse
from django.urls.converters import IntConverter
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.guards import guard_of
from clinics.models import Clinic, User
from clinics.queries import teams_of
from clinics.roles import Role
from clinics.services import give_role, join_team, open_clinic
from clinics.tokens import make_integration, make_token
from consent.choices import GivenThrough, RequestKind
from consent.models import ConsentEvent
from consent.requests import ask
from exchange.fhir import parse_bundle
from exchange.services import try_file
from exchange.services.evidence import ask_evidence
from followups.loop import take_changes
from followups.models import FollowUp
from patients.choices import PortalRelation
from patients.models import Patient
from patients.services import give_portal_access
from records.services import file_report
from tests.clinics.test_guards import our_views
from tests.factories.clinics import CareTeamFactory, ChainFactory, StaffFactory
from tests.factories.consent import ConsentFactory
from tests.factories.patients import PatientFactory, actor_for
from tests.factories.records import fixture
from tests.walking import WORDS, Walker

pytestmark = pytest.mark.django_db
NONSENSE = ["", "a\x00b", "%'", "💥" * 30, "9" * 400, "-1", "0001-01-01", "９９９"]
FIELDS = (
    "q", "typed", "opening", "name", "id_number", "sex", "birth_date", "phone", "phone_owner", "email", "twin_reason",
    "form_token", "part", "reason", "outcome", "again_on", "note", "read_back", "told", "expressed_by", "method",
    "witness", "code", "yes_care", "send_code_", "answer", "token", "patient", "clinic", "file", "after", "purpose", "number", "note", "staff", "giver", "taker", "colleague",
    "user", "first_on", "last_on", "finding", "glass", "through",
)  # fmt: skip


@dataclass(frozen=True)
class House:
    """A clinic with a doctor, a patient in their care with results, a to-do and an upload."""

    clinic: Clinic
    doctor: User
    patient: Patient
    portal_user: User
    ids: dict[str, UUID]


def doctor_of(clinic: Clinic, name: str = "") -> User:
    """A doctor who may do everything, with a care team."""
    user = StaffFactory()
    with acting(system_actor("test", clinic.pk)):
        give_role(user, clinic.pk, Role.DOCTOR)
        join_team(user, CareTeamFactory(clinic=clinic))
    return user


@pytest.fixture
def house(db: None) -> House:
    chain = ChainFactory()
    clinic = open_clinic(
        chain=chain, code="east", name="云溪健康城东门诊", short_name="云溪健康", phone="010-5550 0100"
    )
    doctor = doctor_of(clinic)
    actor: Actor = actor_for(doctor, clinic)
    now = timezone.now()
    with acting(actor):
        patient = PatientFactory(clinic=clinic, by=actor, name="陈雅琴")
        for purpose in (Purpose.CARE, Purpose.REPORT, Purpose.FOLLOWUP, Purpose.RISK):
            ConsentFactory(patient, purpose, by=actor, at=now)
        own = give_portal_access(patient, PortalRelation.SELF, actor, at=now)
        for report in parse_bundle(fixture("checkup", on=timezone.localdate())).reports:
            file_report(patient, report, by=actor, at=now)
        batch = try_file(fixture("checkup", on=timezone.localdate()), clinic=clinic, by=actor, at=now)
    take_changes(clinic, now)
    with acting(actor):
        todo = FollowUp.objects.filter(patient=patient).defer("note").order_by("pk")[0]
        Authenticator.objects.create(user=doctor, type=Authenticator.Type.TOTP, data={"secret": "x"})
        token = make_token(
            uuid4(), doctor, clinic, label="excel", scopes=["patients:read"], days=30, by=doctor, at=now
        ).token
        program = make_integration(
            clinic, name="lis", scopes=["patients:read"], purposes=["care"], field_sets=["identity"], at=now
        )
        pack = ask_evidence(clinic_id=clinic.pk, by=actor, at=now)
        newest = AuditEvent.objects.order_by("-uid")[0]
        said = ConsentEvent.objects.filter(patient=patient).defer("evidence")[0]
        asked = ask(patient, RequestKind.EXPLAIN, asked_through=GivenThrough.PORTAL, by=actor, at=now)
    team = teams_of(doctor.pk, clinic.pk)[0]
    ids = {
        "patient_id": patient.pk,
        "follow_up_id": todo.pk,
        "batch_id": batch.pk,
        "pack_id": pack.pk,
        "token_id": token.pk,
        "integration_id": program.pk,
        "team_id": team.pk,
        "user_id": doctor.pk,
        "uid": newest.uid,
        "event_id": said.pk,
        "request_id": asked.pk,
        "access_id": own.pk,
    }
    return House(clinic, doctor, patient, own.user, ids)


def addresses(ids: dict[str, UUID], *, audience: str) -> Iterator[tuple[str, str]]:
    """Every page of ours for this audience: its name, and its address with these ids."""
    for path, pattern in our_views():
        guard = guard_of(pattern.callback)
        if guard is None or guard.audience != audience:
            continue
        yield str(pattern.name), reverse(_name(pattern), kwargs=dict(_arguments(path, pattern, ids)))


def _name(pattern: URLPattern) -> str:
    app = str(pattern.callback.__module__).split(".")[0]
    return "health" if app == "config" else f"{app}:{pattern.name}"


def _arguments(path: str, pattern: URLPattern, ids: dict[str, UUID]) -> Iterator[tuple[str, Any]]:
    if path.startswith("p/"):
        yield "clinic_code", "east"
    for name, converter in pattern.pattern.converters.items():
        anybody_s = 1 if isinstance(converter, IntConverter) else uuid4()
        yield name, ids.get(name) or WORDS.get(name, anybody_s)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("audience", ["staff", "patient", "portal_entry"])
def test_nonsense_is_answered_and_never_an_error_of_the_server(house: House, audience: str) -> None:
    visitor = Walker({"staff": house.doctor, "patient": house.portal_user}.get(audience))
    for number, (name, address) in enumerate(addresses(house.ids, audience=audience)):
        for turn in range(number, number + 4):  # every field meets every kind, on one page or another
            typed = {field: NONSENSE[(turn * 5 + at) % len(NONSENSE)] for at, field in enumerate(FIELDS)}
            answer = visitor.post(address, {**typed, "about": str(house.patient.pk)})
            assert answer.status_code < 500, (name, typed)
            if answer.status_code in (403, 405):
                break  # before a word of it is read
        assert visitor.get(address, dict.fromkeys(FIELDS, "a\x00b")).status_code < 500, name


def test_no_address_of_ours_sends_anybody_to_another_house(house: House) -> None:
    elsewhere = {
        "next": "https://elsewhere.example/",
        "after": "//elsewhere.example",
        "about": str(house.patient.pk),
    }
    for audience, user in (("staff", house.doctor), ("patient", house.portal_user), ("portal_entry", None)):
        visitor = Walker(user)
        for name, address in addresses(house.ids, audience=audience):
            for answer in (visitor.get(address, elsewhere), visitor.post(address, elsewhere)):
                assert houses_in(answer.headers.get("Location", "")) == set(), name


def houses_in(location: str) -> set[str]:
    """The hosts that somebody is sent to, at once or after the page between."""
    whole = urlsplit(location)
    later = [address for addresses in parse_qs(whole.query).values() for address in addresses]
    return {whole.netloc, *(urlsplit(address).netloc for address in later)} - {"", "testserver"}


def test_another_house_is_seen_behind_the_page_between() -> None:
    assert houses_in("/accounts/login/?next=%2F%2Felsewhere.example") == {"elsewhere.example"}
