"""Who reaches what: every route × everybody × what is theirs, their team's, their clinic's, another clinic's, and nobody's.

What is expected is data: the guard of the view, the roles of docs/access-matrix.md, and what the ids of an address are of, which stands
in routes.yaml. A route without a row there fails the build. Refusals look alike: the same for what is there and for what is not, to the
last byte and in every question asked of the database; each is told in the log, and changes nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from allauth.mfa.models import Authenticator
from django.core.cache import cache as counters
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import SYSTEM_LOG, AuditEvent, EventSubject
from audit.purposes import Purpose
from clinics.accounts.models import AccountSession
from clinics.guards import PageGuard
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from clinics.tokens import make_integration, make_token
from consent.choices import GivenThrough, Operation, RequestKind
from consent.evidence import keep_evidence
from consent.models import ConsentEvent, Recipient
from consent.recipients import ask_back, give
from consent.requests import ask as ask_clinic
from exchange.services import try_file
from exchange.services.evidence import ask_evidence
from followups.loop import take_changes
from followups.models import FollowUp
from patients.choices import CareRole, PortalRelation
from patients.models import Patient
from patients.services import give_portal_access
from patients.services.access import begin_care
from records.models import Observation
from tests.api.machine import Machine, calls
from tests.clinics.test_access_matrix import cells_of
from tests.conftest import look_and_flush
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.consent import ConsentFactory, NoticeFactory, RecipientFactory, published
from tests.factories.followups import file_results
from tests.factories.patients import PatientFactory, actor_for
from tests.factories.records import fixture
from tests.walking import WORDS, Route, Walker, comparable, routes

ROWS = yaml.safe_load(Path(__file__).with_name("routes.yaml").read_text("utf-8"))
OPEN_TO_ALL = ("public", "visitor", "portal_entry")
OF_A_PATIENT = {"patient", "follow_up", "observation", "asked", "line", "acting"}
ONE_S_OWN = {"own_token", "batch", "look", "decision", "access", "passkey", "session", "request"}
_SAVEPOINT = re.compile(r'"s\d+_x\d+"')
SIGN_IN, SECOND_FACTOR, REFUSED, NOTHING, REACHED = (
    "sign in",
    "second factor",
    "refused",
    "nothing",
    "reached",
)
STAFF = {
    "doctor": Role.DOCTOR,
    "front desk": Role.FRONT_DESK,
    "nurse of another team": Role.NURSE,
    "doctor of another clinic": Role.DOCTOR,
    "privacy officer": Role.PRIVACY_OFFICER,
    "administrator": Role.ADMINISTRATOR,
    "manager": Role.MANAGER,
    "without a second factor": Role.DOCTOR,
}
TURNS = ("portal:people",)  # what a session keeps is not undone with the database
VIEWERS = ("anonymous", "own patient", "other patient", *STAFF)
KINDS_OF_ACCOUNT = (
    "anonymous",
    "own patient",
    "front desk",
    "administrator",
    "without a second factor",
)  # packages know no more, nor do pages that are for everybody or for the other kind
MEANT = {
    "part": "name",
    "reason": "call",
    "outcome": "reached",
    "answer": "no",
    "token": "0" * 32,
}  # forms that do something


@cache
def reach_of(role: Role) -> dict[str, str]:
    """How far each permission of a role goes, by the document; "" where its pages are refused."""
    return {cell.permission: cell.reach for cell in cells_of(role)}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who tries every door. `team` is the care team they are in, `patient_id` who they are on the own pages."""

    name: str
    user: User | None
    clinic: Clinic | None = None
    role: Role | None = None
    team: CareTeam | None = None
    patient_id: UUID | None = None

    def holds(self, permission: str) -> str:
        """How far a permission goes for this viewer by the document: care, clinic, or not at all."""
        return reach_of(self.role).get(permission, "") if self.role else ""

    def enter(self) -> Walker:
        """Signed in a moment ago: nobody is asked for the password again."""
        proved = {"account_authentication_methods": [{"method": "password", "at": time(), "reauthenticated": True}],
                  "account_authentication_methods_user": str(self.user and self.user.pk)}  # fmt: skip
        return Walker(self.user, proved)


@dataclass(frozen=True, slots=True)
class Thing:
    """What an id is of: where it lies, and whose it is - an account's or a care team's."""

    kind: str
    id: Any
    clinic: Clinic | None = None
    holder: User | CareTeam | None = None

    def relation_to(self, viewer: Viewer) -> str:
        if self.clinic is None or self.clinic != viewer.clinic:
            return "foreign"
        if self.holder == viewer.user:
            return "own"
        return "team" if self.holder is not None and self.holder == viewer.team else "clinic"


@dataclass(slots=True)
class House:
    east: Clinic
    west: Clinic
    viewers: dict[str, Viewer] = field(default_factory=dict)
    things: list[Thing] = field(default_factory=list)
    notice: UUID | None = None
    form: dict[str, Any] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Thing]:
        return [thing for thing in self.things if thing.kind == kind]


# --- the house ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house(django_db_setup: None, django_db_blocker: Any) -> Iterator[House]:
    """One committed house for every walk: the requests end their own transactions."""
    with django_db_blocker.unblock(), override_settings(MFA_REQUIRED=True):
        try:
            yield lay_out()
        finally:
            look_and_flush()


def lay_out() -> House:
    """East with two teams, west with one; of everything one of the doctor's own, one of their team's, one of the clinic's, one of west's."""
    made = House(ClinicFactory("east"), ClinicFactory("west"))
    with acting(system_actor("test", made.east.pk), made.east.pk, made.west.pk):
        ours, others, far = (CareTeamFactory(clinic=c) for c in (made.east, made.east, made.west))
        teams = {"doctor": ours, "front desk": ours, "nurse of another team": others, "doctor of another clinic": far,
                 "without a second factor": ours}  # fmt: skip
        for name, role in STAFF.items():
            clinic = made.west if name == "doctor of another clinic" else made.east
            made.viewers[name] = _hire(name, clinic, role, teams.get(name))
    for name, team in (("doctor", None), ("front desk", ours), ("nurse of another team", others), ("doctor of another clinic", far)):  # fmt: skip
        _with_a_patient(made, made.viewers[name], team)
    for name, keeper in (("own patient", "doctor"), ("other patient", "nurse of another team")):
        made.viewers[name] = _on_the_phone(made, name, made.viewers[keeper])
    _and_proxy(made)
    made.viewers["anonymous"] = Viewer("anonymous", None)
    for clinic in (made.east, made.west):
        _of_the_clinic(made, clinic)
    with acting(system_actor("test", made.west.pk)) as by:  # one that is ready is taken in tests/desk
        pack = ask_evidence(clinic_id=made.west.pk, by=by, at=timezone.now())
        made.things.append(Thing("pack", pack.pk, made.west))
    counters.clear()
    return made


def _hire(name: str, clinic: Clinic, role: Role, team: CareTeam | None) -> Viewer:
    user = StaffFactory()
    StaffRoleFactory(user=user, clinic=clinic, role=role)
    if team is not None:
        TeamMemberFactory(team=team, user=user)
    if name == "without a second factor":
        user.set_password("three geese eat the blue soup")
        user.save()
    else:
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return Viewer(name, user, clinic, role, team)


def _with_a_patient(made: House, keeper: Viewer, team: CareTeam | None) -> None:
    """A patient with results, a to-do, a file and a token of the keeper's; held by the team, or by the keeper alone."""
    assert keeper.user
    assert keeper.clinic
    clinic, now, holder = keeper.clinic, timezone.now(), team or keeper.user
    by = actor_for(keeper.user, clinic)
    with acting(system_actor("test", clinic.pk)):
        patient = PatientFactory(clinic=clinic, team=team or CareTeamFactory(clinic=clinic))
        if team is None:  # a team without members, and the keeper
            begin_care(patient, role=CareRole.DOCTOR, by=by, at=now, staff=keeper.user)
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP):
            ConsentFactory(patient, purpose, by=by, at=now)
        paper = keep_evidence(patient, b"%PDF-1.7 invented")
        signed = ConsentFactory(patient, Purpose.REPORT, by=by, at=now, evidence_file=paper)[0]
        acting_for = give_portal_access(patient, PortalRelation.GUARDIAN, by, at=now)
        file_results(patient, by=by, at=now, k="7.10", ldl="4.60")
        made.notice = made.notice or NoticeFactory(patient, Purpose.FOLLOWUP, at=now).pk
    take_changes(clinic, now)
    with acting(by):
        batch = try_file(fixture("checkup", on=timezone.localdate()), clinic=clinic, by=by, at=now)
        token = make_token(
            uuid4(),
            keeper.user,
            clinic,
            label="excel",
            scopes=["patients:read"],
            days=30,
            by=keeper.user,
            at=now,
        ).token
        todo = FollowUp.objects.filter(patient=patient).defer("note")[0]
        made.things += [
            Thing("patient", patient.pk, clinic, holder),
            Thing("follow_up", todo.pk, clinic, holder),
            Thing("line", signed.pk, clinic, holder),
            Thing("acting", acting_for.pk, clinic, holder),
            Thing("observation", Observation.objects.filter(patient=patient)[0].pk, clinic, holder),
            Thing("batch", batch.pk, clinic, keeper.user),
            Thing("own_token", token.pk, clinic, keeper.user),
            Thing("token", token.pk, clinic, keeper.user),
            Thing("colleague", keeper.user.pk, clinic),
            Thing("member", keeper.user.pk, clinic),
        ]
        if keeper.team:
            made.things.append(Thing("team", keeper.team.pk, clinic))


def _on_the_phone(made: House, name: str, keeper: Viewer) -> Viewer:
    """The account of the keeper's patient, whose chart the keeper has looked at."""
    assert keeper.user
    assert keeper.clinic
    (theirs,) = [t for t in made.of_kind("patient") if t.holder in (keeper.user, keeper.team)][:1]
    patient_id = theirs.id
    with acting(actor_for(keeper.user, keeper.clinic)):
        patient = Patient.objects.get(pk=patient_id)
        proxy = give_portal_access(
            patient, PortalRelation.PROXY, actor_for(keeper.user, keeper.clinic), at=timezone.now()
        )
        user = give_portal_access(
            patient, PortalRelation.SELF, actor_for(keeper.user, keeper.clinic), at=timezone.now()
        ).user
    assert Walker(keeper.user).get(f"/patients/{patient_id}/").status_code == 200
    with acting(system_actor("test", keeper.clinic.pk)):
        seen = EventSubject.objects.filter(subject_id=patient.subject_id).order_by("-event_uid")[0]
        said = ConsentEvent.objects.filter(patient=patient).defer("evidence")[0]
        asked = ask_clinic(
            patient,
            RequestKind.SEE,
            asked_through=GivenThrough.PORTAL,
            by=system_actor("test", keeper.clinic.pk),
            at=timezone.now(),
        )
        made.things += [
            Thing("request", asked.pk, keeper.clinic, user),
            Thing("asked", asked.pk, keeper.clinic, theirs.holder),
            Thing("look", seen.event_uid, keeper.clinic, user),
            Thing("decision", said.pk, keeper.clinic, user),
            Thing("access", proxy.pk, keeper.clinic, user),
        ]
    return Viewer(name, user, keeper.clinic, patient_id=patient_id)


def _and_proxy(made: House) -> None:
    """Either patient looks after the front desk's as well: there is somebody to turn to. The other forms name a colleague."""
    desk = made.viewers["front desk"]
    (patient_id,) = [thing.id for thing in made.of_kind("patient") if thing.holder == desk.team]
    with acting(system_actor("test", made.east.pk)) as by:
        patient = Patient.objects.get(pk=patient_id)
        for name in ("own patient", "other patient"):
            give_portal_access(
                patient, PortalRelation.PROXY, by, at=timezone.now(), user=made.viewers[name].user
            )
    made.form = {"patient": patient_id, "account": desk.user and desk.user.pk}
    colleague = StaffFactory()
    passkey = Authenticator.objects.create(
        user=colleague, type=Authenticator.Type.WEBAUTHN, data={"name": "x"}
    )
    made.things.append(Thing("passkey", passkey.pk, made.east, colleague))
    own = made.viewers["own patient"].user
    assert own
    for user in (colleague, own):
        session = AccountSession.objects.create(
            user=user, session_key=str(user.pk), started_at=timezone.now(), seen_at=timezone.now()
        )
        made.things.append(Thing("session", session.pk, made.east, user))


def _of_the_clinic(made: House, clinic: Clinic) -> None:
    now = timezone.now()
    with acting(system_actor("test", clinic.pk)):
        program = make_integration(
            clinic, name="lis", scopes=["patients:read"], purposes=["care"], field_sets=["identity"], at=now
        )
        patient = Patient.objects.filter(clinic=clinic).first()
        assert patient
        hospital = _given_something(patient, system_actor("test", clinic.pk), now)
        made.things += [
            Thing("recipient", hospital.pk, clinic),
            Thing("disclosure", hospital.disclosures.get().pk, clinic),
            Thing("assessment", hospital.assessment_id, clinic),
            Thing("integration", program.pk, clinic),
            Thing("event", AuditEvent.objects.filter(log_id=clinic.pk).order_by("-uid")[0].uid, clinic),
        ]


def _given_something(patient: Patient, by: Actor, at: datetime) -> Recipient:
    """A hospital that was given something about a patient, and asked to give it back."""
    hospital = RecipientFactory(patient.clinic, by=by, at=at)
    notice = published(patient.clinic, Purpose.REFERRAL, by=by, at=at)
    ConsentFactory(patient, Purpose.REFERRAL, by=by, at=at, notice=notice, recipient=hospital.code)
    health = frozenset({"health"})
    give(
        patient, hospital.code, Purpose.REFERRAL, op=Operation.SHARE, data=health, what="report", by=by, at=at
    )
    ask_back(patient, Purpose.REFERRAL, Operation.SHARE, at)
    return hospital


# --- the oracle -----------------------------------------------------------------------------------------------------------


def expected(viewer: Viewer, guard: PageGuard, things: list[Thing]) -> str:
    """What a viewer finds at an address, by the rules as the clinic would say them."""
    match guard.audience:
        case audience if audience in OPEN_TO_ALL:
            return REACHED
        case "patient":
            return _expected_on_the_phone(viewer, things)
    if viewer.user is None:
        return SIGN_IN
    if viewer.role is None:
        return NOTHING
    if viewer.name == "without a second factor" and not guard.before_second_factor:
        return SECOND_FACTOR
    if guard.permission and not viewer.holds(guard.permission):
        return REFUSED
    return REACHED if all(_is_theirs(viewer, guard, thing) for thing in things) else NOTHING


def _expected_on_the_phone(viewer: Viewer, things: list[Thing]) -> str:
    if viewer.user is None:
        return SIGN_IN
    if viewer.role is not None:
        return NOTHING
    return REACHED if all(thing.holder == viewer.user for thing in things) else NOTHING


def _is_theirs(viewer: Viewer, guard: PageGuard, thing: Thing) -> bool:
    relation = thing.relation_to(viewer)
    if thing.kind == "member":
        return True
    if relation == "foreign":
        return False
    if thing.kind in ONE_S_OWN:
        return relation == "own"
    if thing.kind in OF_A_PATIENT:
        return relation in ("own", "team") or viewer.holds(guard.permission or "see_patients") == "clinic"
    return True


def found(answer: Any) -> str:
    """What somebody got, in the oracle's words."""
    where = answer.headers.get("Location", "")
    match answer.status_code:
        case 401:
            return SIGN_IN
        case 403:
            return SECOND_FACTOR if b"second-factor-needed" in answer.content else REFUSED
        case 404:
            return NOTHING
        case 302 if where.startswith(("/accounts/login/", "/admin/login/", "/p/east/sign-in/")):
            return SIGN_IN
        case 302 if where == "/accounts/2fa/":
            return SECOND_FACTOR
        case status if status >= 500:
            return f"an error of the server ({status})"
    return REACHED


# --- walking --------------------------------------------------------------------------------------------------------------


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is reached is not done."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The texts of what the database is asked meanwhile, without their values."""
    texts: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        texts.append(_SAVEPOINT.sub("", sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield texts


Ask = Callable[[Walker, str, Mapping[str, Any]], Any]


def ways_of(route: Route) -> list[tuple[str, PageGuard, Ask]]:
    """The methods of a route, each with its guard and how it is asked."""
    guard = route.guard
    assert guard is not None
    if guard.audience == "api":
        return [
            (call.method, guard.of(call.method), _by_machine(call))
            for call in calls()
            if f"api:{call.name}" == route.name
        ]
    return [
        (
            "POST",
            guard,
            lambda walker, address, ids: walker.post(address, {**MEANT, **ids["form"]}),
        ),
        ("GET", guard, lambda walker, address, _ids: walker.get(address)),
    ]


def _by_machine(call: Any) -> Ask:
    return lambda walker, _address, ids: call.send(Machine(client=walker), ids, If_Match='"x"')


def combinations(house: House, kinds: list[str]) -> Iterator[list[Thing]]:
    """One thing of each kind, all from the same place; of two kinds also the first one's with the last one's. Nothing, where no id is asked."""
    meant = [house.of_kind(kind) for kind in kinds if kind != "-"]
    if not meant:
        yield []
        return
    yield from (list(each) for each in zip(*meant, strict=False))
    if len(meant) > 1:
        yield [meant[0][0], meant[1][-1]]


def one_of_each_relation(several: Iterable[list[Thing]], viewer: Viewer, turn: int) -> list[list[Thing]]:
    """Of things that are equally far from a viewer one, here this and there that: by the turn."""
    by_relation: dict[tuple[str, ...], list[list[Thing]]] = {}
    for things in several:
        by_relation.setdefault(tuple(thing.relation_to(viewer) for thing in things), []).append(things)
    return [alike[turn % len(alike)] for alike in by_relation.values()]


def asks_for_the_kind_alone(guard: PageGuard, viewer: Viewer) -> bool:
    """Whether the page is for everybody, or for patients and the viewer works here, or the other way round."""
    return guard.audience in OPEN_TO_ALL or (guard.audience == "patient") == bool(viewer.role)


def nobody_s(thing: Thing) -> Thing:
    return Thing(thing.kind, uuid4() if isinstance(thing.id, UUID) else 999_999_999)


@dataclass(slots=True)
class Walk:
    """Somebody at every address of every thing. `refusals` are those that the log has to know."""

    house: House
    viewer: Viewer
    walker: Walker
    hands: Walker  # does what may be done, so that no word of it waits for the next page
    spare: Walker
    differences: list[str] = field(default_factory=list)
    refusals: int = 0
    reached: set[tuple[str, str]] = field(default_factory=set)
    stops: dict[str, list[Any]] = field(default_factory=dict)  # what a guard says, by audience

    def visit(self, route: Route, kinds: list[str]) -> None:
        for method, guard, ask in ways_of(route):
            # Whoever the guard stops is stopped before any id is read: one method and one thing say it, here this and there that.
            stopped = expected(self.viewer, guard, []) != REACHED
            if self.viewer.name not in KINDS_OF_ACCOUNT and asks_for_the_kind_alone(guard, self.viewer):
                continue
            if stopped and guard.audience != "api" and method == "GET":
                continue
            if guard.audience in OPEN_TO_ALL and method == "POST":
                continue  # anybody's, and no door to anything
            if guard.audience == "account" and method == "POST" and not stopped:
                continue  # would lock or end the session that walks: tests/clinics/test_idle_lock.py, test_account_page.py
            several = one_of_each_relation(combinations(self.house, kinds), self.viewer, len(route.name))
            if stopped:
                self._stopped(route, method, guard, ask, several[len(route.name) % len(several)])
                continue
            missing: dict[tuple[bool, ...], Any] = {}
            for things in several:
                done = (route.name, str(things))
                if things and done in self.reached:
                    continue  # by the other method
                want, answer, alike = self._ask(route, method, guard, ask, things)
                if answer.status_code == 405:
                    break  # for whatever thing
                if want == REACHED:
                    self.reached |= {done} if guard.audience != "api" else set()
                    continue
                theirs = tuple(_is_theirs(self.viewer, guard, thing) for thing in things)
                if theirs not in missing:
                    absent = [t if own else nobody_s(t) for t, own in zip(things, theirs, strict=True)]
                    missing[theirs] = self._ask(route, method, guard, ask, absent)[2]
                if alike != missing[theirs]:
                    self.differences.append(f"{method} {route.name}: {things} is told from what is not there")

    def _stopped(self, route: Route, method: str, guard: PageGuard, ask: Ask, things: list[Thing]) -> None:
        """Told the same at every door, whatever is behind it: the first of a kind is asked for something that is not there."""
        first = self.stops.setdefault(guard.audience, [])
        if not first and things:
            first += [self._ask(route, method, guard, ask, [nobody_s(thing) for thing in things])[2]]
        want, _, alike = self._ask(route, method, guard, ask, things)
        if want != SIGN_IN and first and alike not in first:
            self.differences.append(f"{method} {route.name}: {things} is told from what is not there")

    def _ask(
        self, route: Route, method: str, guard: PageGuard, ask: Ask, things: list[Thing]
    ) -> tuple[str, Any, tuple[Any, list[str]]]:
        """What should be found, the answer, and all that a stranger could compare: the answer and what the database was asked."""
        want = expected(self.viewer, guard, things)
        form = {**self.house.form, "clinic": self.viewer.clinic.pk if self.viewer.clinic else "",
                "about": self.viewer.patient_id or ""}  # fmt: skip
        ids = {**ids_of(route, things), "notice": self.house.notice, "form": form}
        address = route.address(ids)
        if want == REACHED:
            with undone():
                answer = ask(self.spare if route.name in TURNS else self.hands, address, ids)
            return self._judged(route, method, guard, things, want, answer), answer, (None, [])
        with statements() as said:
            answer = ask(self.walker, address, ids)
        self.refusals += answer.status_code >= 400 or found(answer) == SECOND_FACTOR
        return self._judged(route, method, guard, things, want, answer), answer, (comparable(answer), said)

    def _judged(
        self, route: Route, method: str, guard: PageGuard, things: list[Thing], want: str, answer: Any
    ) -> str:
        got = found(answer)
        if guard.audience in OPEN_TO_ALL and got in (SIGN_IN, NOTHING):
            got = REACHED  # a code that was not asked for, a link that is over
        if got != want and not (answer.status_code == 405 and want in (REACHED, NOTHING)):
            self.differences.append(f"{method} {route.name} {things}: {got}, not {want}")
        return want


def ids_of(route: Route, things: list[Thing]) -> dict[str, Any]:
    """The ids of an address, filled in their order."""
    kinds = {**ROWS["pages"], **ROWS["api"]}[route.name]
    names = [name for name in route.ids if name != "clinic_code"]
    left = iter(things)
    return {
        name: WORDS[name] if kind == "-" else next(left).id for name, kind in zip(names, kinds, strict=True)
    }


def denials(viewer: Viewer, house: House) -> int:
    """How many refusals of this viewer the logs hold."""
    ref = f"user:{viewer.user.pk}" if viewer.user else "anonymous"
    with acting(system_actor("test", SYSTEM_LOG), SYSTEM_LOG, house.east.pk, house.west.pk):
        return int(AuditEvent.objects.filter(action="access.denied", actor_ref=ref).count())


def state(house: House) -> dict[str, Any]:
    """What stands in every table that a deed would change."""
    rows: dict[str, Any] = {}
    with acting(system_actor("test", None), house.east.pk, house.west.pk), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith(("audit", "django_", "clinics_accountsession")):
                cursor.execute(
                    f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} t"
                )
                rows[table] = cursor.fetchone()
    return rows


def ours() -> list[Route]:
    return [route for route in routes() if route.guard is not None]


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    of_models = re.compile(rf"admin:[a-z]+_[a-z]+_({'|'.join(ROWS['admin_of_a_model'])})|admin/.*")
    named = {route.name for route in routes() if not of_models.fullmatch(route.name)}
    rows = {*ROWS["pages"], *ROWS["api"], *ROWS["packages"], *(f"admin:{name}" for name in ROWS["admin"])}
    assert named == rows, "say in tests/routes.yaml what the ids in the address are of"
    for route in ours():
        kinds = {**ROWS["pages"], **ROWS["api"]}[route.name]
        assert len(kinds) == len(set(route.ids) - {"clinic_code"}), route.name


@pytest.mark.requirement("GBT39725-8", "GBT39725-11.2")
@pytest.mark.parametrize("name", VIEWERS)
def test_everybody_reaches_what_is_theirs_and_nothing_else(house: House, name: str) -> None:
    viewer = house.viewers[name]
    walk = Walk(house, viewer, viewer.enter(), viewer.enter(), viewer.enter())
    before, told = state(house), denials(viewer, house)
    for route in ours():
        walk.visit(route, {**ROWS["pages"], **ROWS["api"]}[route.name])
    assert not walk.differences, "\n".join(walk.differences)
    assert denials(viewer, house) - told == walk.refusals
    assert state(house) == before


def test_the_packages_pages_are_reached_by_whom_the_rows_say(house: House) -> None:
    """None by patients; some by nobody; a passkey by its owner."""
    different = []
    for name in KINDS_OF_ACCOUNT:
        viewer = house.viewers[name]
        walker = viewer.enter()
        for route in routes():
            if (kind := ROWS["packages"].get(route.name)) is None:
                continue
            got = found(walker.get(route.address({"pk": house.of_kind("passkey")[0].id})))
            if got not in _expected_of_packages(viewer, kind):
                different.append(f"{name}: {route.name}: {got}")
    assert not different, "\n".join(different)


def _expected_of_packages(viewer: Viewer, kind: str) -> set[str]:
    if kind == "closed" or (viewer.user and not viewer.role):
        return {NOTHING}
    if viewer.name == "without a second factor" and kind not in ("enrolment", "codes"):
        return {SECOND_FACTOR}
    if kind == "provider" or (viewer.user and kind in ("passkey", "codes")):
        return {NOTHING}  # none is set up; it is a colleague's; none were made
    return {SIGN_IN, REACHED}  # where there is nothing to do, on to the sign-in


def test_django_admin_opens_to_nobody_but_operators(house: House) -> None:
    """Every page refuses somebody without the flag, and every kind of page every kind of account; what operators see: tests/clinics/test_admin_tables.py."""
    pages = [route for route in routes() if route.path.startswith("admin/")]
    of_one_model = [
        r for r in pages if r.name.startswith("admin:patients_patient_") or r.name[6:] in ROWS["admin"]
    ]
    different = []
    for name in KINDS_OF_ACCOUNT:
        viewer = house.viewers[name]
        walker, told, refused = viewer.enter(), denials(viewer, house), 0
        for route in pages if name == "front desk" else of_one_model:
            ids = {name: house.of_kind("patient")[0].id for name in route.ids}
            got = found(walker.get(route.address({**ids, "app_label": "clinics"})))
            if got != _expected_of_admin(viewer) and route.name not in ("admin:login", "admin:logout"):
                different.append(f"{name}: {route.name}: {got}")
            refused += got in (NOTHING, REFUSED, SECOND_FACTOR)
        if viewer.user and denials(viewer, house) - told != refused:
            different.append(f"{name}: {refused} refused, {denials(viewer, house) - told} of them told")
    assert not different, "\n".join(different)


def _expected_of_admin(viewer: Viewer) -> str:
    if viewer.user is None:
        return SIGN_IN
    return SECOND_FACTOR if viewer.name == "without a second factor" else NOTHING
