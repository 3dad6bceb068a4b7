"""List, page, chart and search show the same people as a slow reading of the rules, in hundreds of random worlds."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.models import CareTeam, Clinic, StaffRole, TeamMember, User
from clinics.roles import Role
from patients.choices import CareRole, GrantReason
from patients.errors import PatientNotFound
from patients.models import (
    CareRelationship,
    Patient,
    PatientGroupObjectPermission,
    PatientUserObjectPermission,
)
from patients.queries import page_of_visible, patient_for, search_patients, visible_patients
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for

WORLDS = 200
SEED = 20_261_121
pytestmark = pytest.mark.django_db


@dataclass(slots=True)
class Right:
    """One row that lets somebody see somebody: a person, a team or a group, from and until."""

    holder: object
    patient: Patient
    since: datetime
    until: datetime | None

    def holds_at(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


@dataclass(slots=True)
class World:
    """What stands in the database, kept as plain rows beside it."""

    now: datetime
    rights: list[Right] = field(default_factory=list)
    roles: set[tuple[UUID, UUID]] = field(default_factory=set)
    teams: dict[UUID, set[CareTeam]] = field(default_factory=dict)
    groups: dict[UUID, set[Group]] = field(default_factory=dict)
    inactive: set[UUID] = field(default_factory=set)
    restricted: set[UUID] = field(default_factory=set)

    def sees(self, user: User, clinic: Clinic, patient: Patient) -> bool:
        """The rules, one by one, as the clinic would say them."""
        if user.pk in self.inactive or (user.pk, clinic.pk) not in self.roles:
            return False
        if patient.clinic_id != clinic.pk or patient.pk in self.restricted:
            return False
        teams = {team for team in self.teams.get(user.pk, set()) if team.clinic_id == clinic.pk}
        mine = {user, *teams, *self.groups.get(user.pk, set())}
        return any(r.patient == patient and r.holder in mine and r.holds_at(self.now) for r in self.rights)


@dataclass(slots=True)
class Cast:
    clinics: list[Clinic]
    users: list[User]
    teams: list[CareTeam]
    groups: list[Group]
    patients: list[Patient]


@pytest.fixture
def cast(clinic: Clinic, other_clinic: Clinic) -> Cast:
    clinics = [clinic, other_clinic]
    teams = [CareTeam.objects.create(clinic=each, name=name) for each in clinics for name in ("一组", "二组")]
    patients = []
    with acting(system_actor("worlds", None), *(each.pk for each in clinics)):
        for number in range(10):
            here = clinics[number % 2]
            opened_at = OPENED_AT + timedelta(minutes=number // 4)
            patient = PatientFactory(
                clinic=here,
                by=system_actor("worlds", here.pk),
                at=opened_at,
                name=f"世界{chr(0x4E00 + number)}",
            )
            patients.append(patient)
        CareRelationship.objects.all().delete()
    users = [User.objects.create_user(f"staff{number}") for number in range(3)]
    groups = [Group.objects.create(name=f"组{number}") for number in range(2)]
    return Cast(clinics, users, teams, groups, patients)


def span(dice: random.Random, now: datetime) -> tuple[datetime, datetime | None]:
    since = now + timedelta(days=dice.choice([-30, -30, -30, 1]))
    return since, dice.choice([None, None, now + timedelta(days=5), since + timedelta(hours=1)])


def build(dice: random.Random, cast: Cast) -> World:
    """A random world, written to the database and remembered."""
    world = World(now=timezone.now())
    world.roles = {(u.pk, c.pk) for u in cast.users for c in cast.clinics if dice.random() < 0.7}
    StaffRole.objects.bulk_create(
        StaffRole(user_id=user, clinic_id=clinic, role=Role.NURSE) for user, clinic in world.roles
    )
    for user in cast.users:
        world.teams[user.pk] = {team for team in cast.teams if dice.random() < 0.3}
        world.groups[user.pk] = {group for group in cast.groups if dice.random() < 0.3}
        user.groups.set(world.groups[user.pk])
    TeamMember.objects.bulk_create(
        TeamMember(team=t, user_id=u) for u, teams in world.teams.items() for t in teams
    )
    world.inactive = {user.pk for user in cast.users if dice.random() < 0.1}
    User.objects.filter(pk__in=world.inactive).update(is_active=False)
    world.rights += _care(dice, cast, world.now)
    world.rights += _grants(dice, cast, world.now)
    world.restricted = {patient.pk for patient in cast.patients if dice.random() < 0.1}
    Patient.objects.filter(pk__in=world.restricted).update(restricted_at=world.now)
    return world


def _care(dice: random.Random, cast: Cast, now: datetime) -> Iterator[Right]:
    rows, rights = [], []
    for patient in cast.patients:
        for role in dice.sample(list(CareRole), dice.randint(0, 3)):
            since, until = span(dice, now)
            near = [team for team in cast.teams if team.clinic_id == patient.clinic_id]
            holder = dice.choice([*cast.users, *near])
            who = {"team": holder} if isinstance(holder, CareTeam) else {"staff": holder}
            rows.append(
                CareRelationship(
                    clinic_id=patient.clinic_id,
                    patient=patient,
                    role=role,
                    valid_from=since,
                    valid_until=until,
                    **who,
                )
            )
            rights.append(Right(holder, patient, since, until))
    CareRelationship.objects.bulk_create(rows)
    return iter(rights)


def _grants(dice: random.Random, cast: Cast, now: datetime) -> Iterator[Right]:
    view, change = (
        Permission.objects.get(codename=f"{verb}_patient", content_type__app_label="patients")
        for verb in ("view", "change")
    )
    rights = []
    for patient in cast.patients:
        if dice.random() > 0.3:
            continue
        since, until = span(dice, now)
        permission = dice.choice([view, view, change])  # a right to change is not a right to see
        told = {
            "clinic_id": patient.clinic_id,
            "content_object": patient,
            "permission": permission,
            "reason": GrantReason.COVER,
            "granted_by": cast.users[0],
            "granted_at": since,
            "valid_until": until,
        }
        holders: list[User | Group] = [*cast.users, *cast.groups]
        holder = dice.choice(holders)
        if isinstance(holder, Group):
            PatientGroupObjectPermission.objects.bulk_create(
                [PatientGroupObjectPermission(group=holder, **told)]
            )
        else:
            PatientUserObjectPermission.objects.bulk_create(
                [PatientUserObjectPermission(user=holder, **told)]
            )
        if permission == view:
            rights.append(Right(holder, patient, since, until))
    return iter(rights)


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside never was."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_every_way_of_looking_agrees_with_the_rules(cast: Cast) -> None:
    dice = random.Random(SEED)  # noqa: S311  # a fixed seed, not a secret
    shown = 0
    for _world in range(WORLDS):
        with acting(system_actor("worlds", None), *(clinic.pk for clinic in cast.clinics)), undone():
            world = build(dice, cast)
            for user in cast.users:
                for clinic in cast.clinics:
                    shown += check(dice, world, user, clinic, cast.patients)

    assert shown > WORLDS * 2  # the worlds are not empty


def check(dice: random.Random, world: World, user: User, clinic: Clinic, everybody: list[Patient]) -> int:
    actor = actor_for(user, clinic)
    allowed = [patient for patient in everybody if world.sees(user, clinic, patient)]
    allowed.sort(key=lambda patient: (patient.created_at, patient.pk), reverse=True)
    told = f"{user} at {clinic}"

    listed = list(visible_patients(actor, clinic.pk, at=world.now).order_by("-created_at", "-pk"))
    assert listed == allowed, told

    paged: list[Patient] = []
    page = page_of_visible(actor, clinic.pk, size=4, at=world.now)
    paged += page.patients
    while page.next:
        page = page_of_visible(actor, clinic.pk, after=page.next, size=4, at=world.now)
        paged += page.patients
    assert paged == allowed, told

    patient = dice.choice(everybody)
    assert _opens(actor, patient.pk) == (patient in allowed), told

    if dice.random() < 0.05:
        assert not _opens(actor, uuid4())
        with acting(actor, clinic.pk):
            found = {match.patient for match in search_patients(actor, clinic.pk, "世界")}
        assert found == set(allowed), told
    return len(allowed)


def _opens(actor: Actor, patient_id: UUID) -> bool:
    try:
        patient_for(actor, patient_id)
    except PatientNotFound:
        return False
    return True
