"""Worlds: in 5,000 random clinics every way of looking shows the people whom a slow reading of the rules allows, and nobody else.

A world is grants, care relationships, teams and groups, roles, beginnings and ends, emergency openings, closed accounts and restricted
patients, written to the database and kept beside it as plain rows. The oracle walks over those rows: it uses no code of
`patients.queries` or `clinics.roles` and no SQL. Asked are the list, its pages, the count, the search, a chart, what each further
permission reaches, and at times the pages and the API themselves.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import yaml
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as DjangoPermission
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from bench.drills.tally import Scale, Tally
from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.queries import roles_at_work, staff_actor
from clinics.roles import Permission
from clinics.services import open_clinic
from patients.choices import CareRole, GlassReason, GrantReason, Sex
from patients.errors import PatientNotFound
from patients.identity import NewIdentity
from patients.models import (
    BreakGlass,
    CareRelationship,
    Patient,
    PatientGroupObjectPermission,
    PatientUserObjectPermission,
)
from patients.queries import (
    count_of_visible,
    page_of_visible,
    patient_for,
    search_patients,
    visible_patients,
)
from patients.services import open_card

WORLDS: Final = {Scale.FULL: 5_000, Scale.SMALL: 40}
PATIENTS, STAFF = 10, 4
LOOKERS_IN_A_WORLD: Final = 2
ROLES: Final = (
    "nurse",
    "nurse",
    "nurse",
    "nurse",
    "doctor",
    "front_desk",
    "caller",
    "manager",
    "privacy_officer",
    "administrator",
)
OFTEN, SELDOM = 0.8, 0.05
CREWS: Final = 2
OK: Final = 200
OPENED_AT: Final = datetime(2026, 3, 2, 1, tzinfo=timezone.get_default_timezone())

# --- the world, and what it allows ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Term:
    """From when until when something holds."""

    since: datetime
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(slots=True)
class World:
    """What stands in the database. A holder is an account, a care team or a group."""

    now: datetime
    rights: list[tuple[object, Patient, Term]] = field(default_factory=list)
    roles: list[tuple[UUID, UUID, str]] = field(default_factory=list)
    members: list[tuple[UUID, CareTeam, Term]] = field(default_factory=list)
    teams: dict[UUID, Term] = field(default_factory=dict)
    groups: list[tuple[UUID, Group]] = field(default_factory=list)
    closed: set[UUID] = field(default_factory=set)
    restricted: set[UUID] = field(default_factory=set)

    def allows(self, user: User, clinic: Clinic, patient: Patient, permission: str) -> bool:
        """The rules, one by one, as the clinic would say them."""
        if user.pk in self.closed or patient.pk in self.restricted or patient.clinic_id != clinic.pk:
            return False
        roles = {role for who, where, role in self.roles if who == user.pk and where == clinic.pk}
        if any(permission in may(role, "clinic") for role in roles):
            return True
        if not any(permission in may(role, "care") for role in roles):
            return False
        return any(
            holder in self.holders(user, clinic)
            for holder, whose, term in self.rights
            if whose == patient and term.holds(self.now)
        )

    def holders(self, user: User, clinic: Clinic) -> list[object]:
        """The account itself, its teams in this clinic that are alive, and its groups."""
        teams = [
            team
            for who, team, term in self.members
            if who == user.pk
            and team.clinic_id == clinic.pk
            and term.holds(self.now)
            and self.teams[team.pk].holds(self.now)
        ]
        groups = [group for who, group in self.groups if who == user.pk]
        return [user, *teams, *groups]


@cache
def may(role: str, reach: str) -> frozenset[str]:
    """The permissions of a role that go so far, read from the file by nobody else's code."""
    path = Path(settings.BASE_DIR) / "clinics" / "data" / "roles.yaml"
    return frozenset(
        yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)["roles"][role]["may"].get(reach, ())
    )


# --- building -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Cast:
    """Who is there in every world; what ties them is new in each."""

    clinics: list[Clinic]
    users: list[User]
    teams: list[CareTeam]
    groups: list[Group]
    patients: list[Patient]


def assemble(crew: str) -> Cast:
    chain = Chain.objects.create(name=f"世界{crew}")
    clinics = [
        open_clinic(chain=chain, code=code + crew, name=code, short_name=code, phone="010-5550 0100")
        for code in ("east", "west")
    ]
    teams = [CareTeam.objects.create(clinic=each, name=name) for each in clinics for name in ("一组", "二组")]
    patients = []
    for number in range(PATIENTS):
        clinic = clinics[number % 2]
        by = system_actor("worlds", clinic.pk)
        identity = NewIdentity(name=f"世界{chr(0x4E00 + number)}", sex=Sex.FEMALE)
        opened_at = OPENED_AT + timedelta(minutes=number // 4)
        with acting(by):
            patients.append(open_card(clinic=clinic, identity=identity, by=by, at=opened_at))
            CareRelationship.objects.all().delete()
    users = [User.objects.create_user(f"staff{crew}{number}") for number in range(STAFF)]
    groups = [Group.objects.create(name=f"组{crew}{number}") for number in range(2)]
    return Cast(clinics, users, teams, groups, patients)


def build(dice: random.Random, cast: Cast) -> World:
    """A random world, written to the database and remembered."""
    world = World(now=timezone.now())
    _hire(dice, cast, world)
    _gather(dice, cast, world)
    _care(dice, cast, world)
    _grant(dice, cast, world)
    _break_glass(dice, cast, world)
    world.closed = {user.pk for user in cast.users if dice.random() < 0.1}
    User.objects.filter(pk__in=world.closed).update(is_active=False)
    world.restricted = {patient.pk for patient in cast.patients if dice.random() < 0.1}
    Patient.objects.filter(pk__in=world.restricted).update(restricted_at=world.now)
    return world


def term(dice: random.Random, now: datetime) -> Term:
    since = now + timedelta(days=dice.choice([-30, -30, -30, 1]))
    return Term(since, dice.choice([None, None, now + timedelta(days=5), since + timedelta(hours=1)]))


def _hire(dice: random.Random, cast: Cast, world: World) -> None:
    for user in cast.users:
        for clinic in cast.clinics:
            if dice.random() < OFTEN:
                roles = set(dice.choices(ROLES, k=dice.choice((1, 1, 2))))
                world.roles += [(user.pk, clinic.pk, role) for role in sorted(roles)]
    StaffRole.objects.bulk_create(
        StaffRole(user_id=user, clinic_id=clinic, role=role) for user, clinic, role in world.roles
    )


def _gather(dice: random.Random, cast: Cast, world: World) -> None:
    for team in cast.teams:
        lasts = term(dice, world.now) if dice.random() < 0.2 else Term(world.now - timedelta(days=90), None)
        world.teams[team.pk] = lasts
        team.valid_from, team.valid_until = lasts.since, lasts.until
    CareTeam.objects.bulk_update(cast.teams, ["valid_from", "valid_until"])
    for user in cast.users:
        world.members += [(user.pk, t, term(dice, world.now)) for t in cast.teams if dice.random() < 0.5]
        world.groups += [(user.pk, group) for group in cast.groups if dice.random() < 0.3]
    TeamMember.objects.bulk_create(
        TeamMember(user_id=user, team=team, valid_from=lasts.since, valid_until=lasts.until)
        for user, team, lasts in world.members
    )
    belongs = User.groups.through
    belongs._default_manager.bulk_create(belongs(user_id=u, group_id=g.pk) for u, g in world.groups)


def _care(dice: random.Random, cast: Cast, world: World) -> None:
    rows = []
    for patient in cast.patients:
        for role in dice.sample(list(CareRole), dice.randint(0, 4)):
            lasts = term(dice, world.now)
            near = [team for team in cast.teams if team.clinic_id == patient.clinic_id]
            holder = dice.choice([*cast.users, *near])
            who = {"team" if isinstance(holder, CareTeam) else "staff": holder}
            rows.append(
                CareRelationship(
                    clinic_id=patient.clinic_id,
                    patient=patient,
                    role=role,
                    valid_from=lasts.since,
                    valid_until=lasts.until,
                    **who,
                )
            )
            world.rights.append((holder, patient, lasts))
    CareRelationship.objects.bulk_create(rows)


def _grant(dice: random.Random, cast: Cast, world: World) -> None:
    view, change = (
        DjangoPermission.objects.get(codename=f"{verb}_patient", content_type__app_label="patients")
        for verb in ("view", "change")
    )
    to_users, to_groups = [], []
    for patient in cast.patients:
        if dice.random() > 0.3:
            continue
        lasts, permission = term(dice, world.now), dice.choice([view, view, change])
        told: dict[str, Any] = {
            "clinic_id": patient.clinic_id,
            "content_object": patient,
            "permission": permission,
            "reason": GrantReason.COVER,
            "granted_by": cast.users[0],
            "granted_at": lasts.since,
            "valid_until": lasts.until,
        }
        holders: list[User | Group] = [*cast.users, *cast.groups]
        holder = dice.choice(holders)
        if isinstance(holder, Group):
            to_groups.append(PatientGroupObjectPermission(group=holder, **told))
        else:
            to_users.append(PatientUserObjectPermission(user=holder, **told))
        if permission == view:  # a right to change is not a right to see
            world.rights.append((holder, patient, lasts))
    PatientGroupObjectPermission.objects.bulk_create(to_groups)
    PatientUserObjectPermission.objects.bulk_create(to_users)


def _break_glass(dice: random.Random, cast: Cast, world: World) -> None:
    rows = []
    for patient in cast.patients:
        if dice.random() < 0.1:
            opened_at, user = world.now - timedelta(hours=dice.choice([1, 3, 5])), dice.choice(cast.users)
            rows.append(
                BreakGlass(
                    clinic_id=patient.clinic_id,
                    patient=patient,
                    subject_id=patient.subject_id,
                    user=user,
                    reason=GlassReason.EMERGENCY,
                    note="",
                    opened_at=opened_at,
                    valid_until=opened_at + timedelta(hours=4),
                    review_due_on=opened_at.date(),
                )
            )
            world.rights.append((user, patient, Term(opened_at, opened_at + timedelta(hours=4))))
    BreakGlass.objects.sealed_bulk_create(rows)


# --- looking --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody at work in a clinic of a world."""

    dice: random.Random
    world: World
    cast: Cast
    user: User
    clinic: Clinic
    actor: Actor

    def allowed(self, permission: str = "see_patients") -> list[Patient]:
        """Whom the rules allow, newest first."""
        found = [p for p in self.cast.patients if self.world.allows(self.user, self.clinic, p, permission)]
        return sorted(found, key=lambda patient: (patient.created_at, patient.pk), reverse=True)


def by_list(look: Look) -> bool:
    listed = visible_patients(look.actor, look.clinic.pk, at=look.world.now)
    return list(listed.order_by("-created_at", "-pk")) == look.allowed()


def by_pages(look: Look) -> bool:
    found: list[Patient] = []
    page = page_of_visible(look.actor, look.clinic.pk, size=4, at=look.world.now)
    found += page.patients
    while page.next:
        page = page_of_visible(look.actor, look.clinic.pk, after=page.next, size=4, at=look.world.now)
        found += page.patients
    return found == look.allowed()


def by_count(look: Look) -> bool:
    return count_of_visible(look.actor, look.clinic.pk) == len(look.allowed())


def by_chart(look: Look) -> bool:
    patient = look.dice.choice(look.cast.patients)
    return _opens(look.actor, patient.pk) == (patient in look.allowed()) and not _opens(look.actor, uuid4())


def by_number(look: Look) -> bool:
    patient = look.dice.choice(look.cast.patients)
    found = [match.patient for match in search_patients(look.actor, look.clinic.pk, patient.service_number)]
    return found == [p for p in look.allowed() if p == patient]


def by_name(look: Look) -> bool:
    if not {"identity", "contact"} <= look.actor.field_sets or look.dice.random() > SELDOM:
        return True
    found = search_patients(look.actor, look.clinic.pk, "世界")
    return {match.patient for match in found} == set(look.allowed())


def by_permission(look: Look) -> bool:
    permission = look.dice.choice(list(Permission))
    reached = visible_patients(look.actor, look.clinic.pk, permission, at=look.world.now)
    return set(reached) == set(look.allowed(permission.value))


def by_pages_of_the_product(look: Look) -> bool:
    """The list and a chart over HTTP: who is on the page, and whether the chart opens."""
    browser = _at_times(look)
    if browser is None:
        return True
    page = browser.get("/patients/").content.decode()
    listed = {patient for patient in look.cast.patients if patient.service_number in page}
    patient = look.dice.choice(look.cast.patients)
    opened = browser.get(f"/patients/{patient.pk}/").status_code == 200
    return listed == set(look.allowed()) and opened == (patient in look.allowed())


def by_api(look: Look) -> bool:
    """The same for machines: every page of the list, so many in all, found by their number, and each opens or does not."""
    browser = _at_times(look)
    if browser is None:
        return True
    patient, allowed, listed = look.dice.choice(look.cast.patients), look.allowed(), []
    path = "/api/v1/patients/?limit=4"
    while path and (answer := browser.get(path)).status_code == OK:
        listed += [UUID(one["id"]) for one in answer.json()["results"]]
        path = answer.json()["next"]
    asked = browser.post(
        "/api/v1/patients/search/", {"q": patient.service_number}, content_type="application/json"
    )
    found = [UUID(one["id"]) for one in asked.json().get("results", ())]
    opened = browser.get(f"/api/v1/patients/{patient.pk}/").status_code == OK
    return (
        listed == [one.pk for one in allowed]
        and found == [one.pk for one in allowed if one == patient]
        and opened == (patient in allowed)
    )


def _at_times(look: Look) -> Client | None:
    """Now and then, for somebody with a role in the clinic: a browser signed in and turned to it."""
    works_here = any(who == look.user.pk and where == look.clinic.pk for who, where, _ in look.world.roles)
    if look.dice.random() > SELDOM or not works_here:
        return None
    browser = Client()
    browser.force_login(look.user)
    browser.post("/clinic/switch/", {"clinic": str(look.clinic.pk)})
    return browser


WAYS: Final[dict[str, Callable[[Look], bool]]] = {
    "list": by_list,
    "pages": by_pages,
    "count": by_count,
    "chart": by_chart,
    "search by number": by_number,
    "search by name": by_name,
    "permission": by_permission,
    "pages of the product": by_pages_of_the_product,
    "API": by_api,
}
"""Every way of looking at patients. Whoever adds a way to the product adds it here."""


def _opens(actor: Actor, patient_id: UUID) -> bool:
    try:
        patient_for(actor, patient_id)
    except PatientNotFound:
        return False
    return True


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside never was."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    """In small in this process; in full by two, each with a cast of its own, so that neither waits for the other's rows."""
    if scale is Scale.SMALL:
        seen = visit(range(WORLDS[scale]), tally, seed, crew="")
    else:
        seen = _by_crews(range(WORLDS[scale]), tally, seed)
    tally.check(seen > WORLDS[scale], f"the worlds are empty: {seen} patients were seen in all")


def visit(numbers: range, tally: Tally, seed: int, *, crew: str) -> int:
    """Build each of these worlds, look, and take it back; how many patients were seen in all."""
    cast, seen = assemble(crew), 0
    for done, number in enumerate(numbers, start=1):
        dice = random.Random(seed + number)
        with acting(system_actor("worlds", None), *(clinic.pk for clinic in cast.clinics)), undone():
            world = build(dice, cast)
            for _ in range(LOOKERS_IN_A_WORLD):
                seen += _look(dice, world, cast, tally, seed + number)
        if done % 250 == 0:
            tally.say(f"{done} worlds{crew and f' by crew {crew}'}, {tally.failed} differences")
    return seen


def _by_crews(numbers: range, tally: Tally, seed: int) -> int:
    connections.close_all()  # no connection is shared with a child
    shares = [(numbers[at::CREWS], seed, chr(ord("a") + at)) for at in range(CREWS)]
    seen = 0
    with get_context("fork").Pool(CREWS) as crews:
        for theirs, shown in crews.starmap(_share, shares):
            tally.passed, tally.failed = tally.passed + theirs.passed, tally.failed + theirs.failed
            tally.failures += theirs.failures
            seen += shown
    return seen


def _share(numbers: range, seed: int, crew: str) -> tuple[Tally, int]:
    tally = Tally()
    return tally, visit(numbers, tally, seed, crew=crew)


def _look(dice: random.Random, world: World, cast: Cast, tally: Tally, seed: int) -> int:
    user, clinic = dice.choice(cast.users), dice.choice(cast.clinics)
    actor = staff_actor(user, clinic.pk, roles_at_work(user))
    look = Look(dice, world, cast, user, clinic, actor)
    with acting(actor, clinic.pk):
        for name, agrees in WAYS.items():
            tally.check(agrees(look), f"world {seed}: {name} of {user} at {clinic.code} differs")
    return len(look.allowed())
