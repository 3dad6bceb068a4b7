"""A clinic of up to a million patients, a thousand staff and two hundred care teams, and the same rights as django-guardian keeps them.

Loaded by statements of the tables' owner; no path of the application writes so. `patient_access` gets what its triggers would write.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as DjangoPermission
from django.db import connection
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.models import CareTeam, Chain, Clinic, StaffRole, TeamMember, User
from clinics.queries import roles_at_work, staff_actor
from clinics.roles import Role
from clinics.services import open_clinic
from config.dbroles.owner import as_owner
from crypto.models import SubjectKey
from crypto.services import create_subject_keys
from patients.choices import GrantReason
from patients.models import Patient

STAFF: Final = 1_000
TEAMS: Final = 200
WIDE: Final = 0.5  # share of the teams in which the widest viewer is
LONG_AGO: Final = timedelta(days=400)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who sees so many: one account with care teams, and its twin with guardian's groups and grants."""

    sees: int
    actor: Actor
    twin: User


@dataclass(frozen=True, slots=True)
class Crowd:
    clinic: Clinic
    viewers: list[Viewer]


# Newest last, one a minute; the seal is a stand-in that nobody opens (`seal_pages` makes real ones where a page is rendered).
PEOPLE: Final = r"""
INSERT INTO patients_patient (id, subject_id, sealed_by_clinic, clinic_id, service_number, sex, phone_owner, identity, created_at)
SELECT u, u, %(clinic)s, %(clinic)s, 'ZZ-' || lpad((n / 10000)::text, 4, '0') || '-' || lpad((n %% 10000)::text, 4, '0'),
       'unknown', 'self', '\x00', timestamptz '2016-01-01' + n * interval '1 minute'
  FROM (SELECT n, uuidv7() AS u FROM generate_series(0, %(people)s - 1) n) one
"""
# Each patient has a team by chance; every twentieth has a second one; a fifth has a person of their own.
BY_TEAM: Final = """
INSERT INTO patient_access (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
SELECT p.clinic_id, t.id, p.created_at, p.id, 1, uuidv7(), p.created_at, 'infinity'
  FROM (SELECT *, substr(service_number, 4, 4)::int * 10000 + substr(service_number, 9, 4)::int AS n
          FROM patients_patient WHERE clinic_id = %(clinic)s) p
 CROSS JOIN LATERAL (VALUES ((hashint4(p.n) & 2147483647) %% %(teams)s),
                            (CASE WHEN p.n %% 20 = 0 THEN p.n / 20 %% %(teams)s END)) chosen (place)
  JOIN (SELECT id, row_number() OVER (ORDER BY name) - 1 AS place FROM clinics_careteam WHERE clinic_id = %(clinic)s) t
    ON t.place = chosen.place
"""
BY_PERSON: Final = """
INSERT INTO patient_access (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
SELECT p.clinic_id, u.id, p.created_at, p.id, 1, uuidv7(), p.created_at, 'infinity'
  FROM (SELECT *, substr(service_number, 4, 4)::int * 10000 + substr(service_number, 9, 4)::int AS n
          FROM patients_patient WHERE clinic_id = %(clinic)s) p
  JOIN (SELECT u.id, row_number() OVER (ORDER BY u.username) - 1 AS place FROM clinics_user u
         WHERE u.username LIKE %(staff)s) u ON p.n %% 5 = 0 AND u.place = (p.n / 5) %% %(people_of_staff)s
"""
NARROW: Final = """
INSERT INTO patient_access (clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until)
SELECT clinic_id, %(user)s, created_at, id, 1, uuidv7(), created_at, 'infinity' FROM patients_patient
 WHERE clinic_id = %(clinic)s ORDER BY id OFFSET %(offset)s LIMIT %(number)s
"""
TO_GROUPS: Final = """
INSERT INTO patients_patientgroupobjectpermission (id, clinic_id, reason, granted_by_id, granted_at, permission_id, content_object_id, group_id)
SELECT uuidv7(), a.clinic_id, %(reason)s, %(giver)s, a.valid_from, %(permission)s, a.patient_id, g.id
  FROM patient_access a JOIN clinics_careteam t ON t.id = a.grantee JOIN auth_group g ON g.name = %(clinic)s::text || t.name
 WHERE a.clinic_id = %(clinic)s ON CONFLICT DO NOTHING
"""
TO_USERS: Final = """
INSERT INTO patients_patientuserobjectpermission (id, clinic_id, reason, granted_by_id, granted_at, permission_id, content_object_id, user_id)
SELECT uuidv7(), a.clinic_id, %(reason)s, %(giver)s, a.valid_from, %(permission)s, a.patient_id, coalesce(twin.id, u.id)
  FROM patient_access a JOIN clinics_user u ON u.id = a.grantee LEFT JOIN clinics_user twin ON twin.username = u.username || '-twin'
 WHERE a.clinic_id = %(clinic)s ON CONFLICT DO NOTHING
"""
LOADED: Final = (
    "patients_patient",
    "patient_access",
    "patients_patientgroupobjectpermission",
    "patients_patientuserobjectpermission",
)


def crowd_of(people: int, say: Say) -> Crowd:
    """The clinic with so many patients: found again, or opened and filled. Raises SystemExit for one that was cut short."""
    code = f"crowd-{people}"
    clinic = Clinic.objects.filter(code=code).first()
    if clinic is None:
        chain, _made = Chain.objects.get_or_create(name="云溪健康")
        clinic = open_clinic(chain=chain, code=code, name=code, short_name="云溪健康", phone="010-5550 0100")
        _fill(clinic, people, say)
    elif not StaffRole.objects.filter(clinic=clinic).exists():
        raise SystemExit("An earlier run was cut short. Remove .zhizhi/bench.")
    return Crowd(clinic, [_viewer(clinic, name, people) for name in ("few", "team", "wide")])


def _fill(clinic: Clinic, people: int, say: Say) -> None:
    began = time.monotonic()
    staff, teams = max(10, STAFF * people // 1_000_000), max(20, TEAMS * people // 1_000_000)
    names = [f"{clinic.code}-{number:04d}" for number in range(staff)]
    viewers = [f"{clinic.code}-{name}{twin}" for name in ("few", "team", "wide") for twin in ("", "-twin")]
    users = {user.username: user for user in _accounts([*names, *viewers])}
    care_teams = CareTeam.objects.bulk_create(
        CareTeam(clinic=clinic, name=f"{number:03d}组", valid_from=timezone.now() - LONG_AGO)
        for number in range(teams)
    )
    groups = Group.objects.bulk_create(Group(name=f"{clinic.pk}{team.name}") for team in care_teams)
    _into_teams(users, clinic.code, care_teams, groups)
    facts: dict[str, Any] = {
        "clinic": clinic.pk,
        "people": people,
        "teams": teams,
        "staff": f"{clinic.code}-0%",
        "people_of_staff": staff,
        "reason": GrantReason.COVER.value,
        "giver": users[names[0]].pk,
        "permission": DjangoPermission.objects.get_by_natural_key("view_patient", "patients", "patient").pk,
        "user": users[f"{clinic.code}-few"].pk,
        "offset": people // 3,
        "number": 50,
    }
    with as_owner(), bare_tables(LOADED), connection.cursor() as cursor:
        cursor.execute("ANALYZE clinics_user; ANALYZE clinics_careteam; ANALYZE auth_group")  # as below
        for words, statement in (
            ("patients", PEOPLE),
            ("rights of teams", BY_TEAM),
            ("rights of staff", BY_PERSON),
            ("fifty patients of one", NARROW),
            ("guardian's grants to groups", TO_GROUPS),
            ("guardian's grants to users", TO_USERS),
        ):
            cursor.execute(statement, facts)
            loaded = cursor.rowcount
            cursor.execute(
                "ANALYZE patients_patient; ANALYZE patient_access"
            )  # or the next join is planned for ten rows
            say(f"access: {words}: {loaded:,}, {time.monotonic() - began:.0f} s")
    StaffRole.objects.bulk_create(
        StaffRole(user=user, clinic=clinic, role=Role.DOCTOR) for user in users.values()
    )  # last: whoever finds them knows that all is there


def _accounts(names: Sequence[str]) -> list[User]:
    return User.objects.bulk_create(User(username=name, password="!", display_name="林晓") for name in names)  # noqa: S106  # no password


def _into_teams(
    users: dict[str, User], code: str, teams: Sequence[CareTeam], groups: Sequence[Group]
) -> None:
    """One of them is in one team, one in half of them all; their twins are in guardian's groups of the same name."""
    belongs = User.groups.through
    members, in_groups = [], []
    for name, number in (("team", 1), ("wide", int(len(teams) * WIDE))):
        user, twin = users[f"{code}-{name}"], users[f"{code}-{name}-twin"]
        since = timezone.now() - LONG_AGO
        members += [TeamMember(user=user, team=team, valid_from=since) for team in teams[:number]]
        in_groups += [belongs(user_id=twin.pk, group_id=group.pk) for group in groups[:number]]
    TeamMember.objects.bulk_create(members)
    belongs._default_manager.bulk_create(in_groups)


def _viewer(clinic: Clinic, name: str, people: int) -> Viewer:
    user, twin = (User.objects.get(username=f"{clinic.code}-{name}{end}") for end in ("", "-twin"))
    sees = {"few": 50, "team": max(1, people // TEAMS), "wide": int(people * WIDE)}[name]
    return Viewer(sees, staff_actor(user, clinic.pk, roles_at_work(user)), twin)


def seal_pages(crowd: Crowd, patients: Sequence[Patient]) -> None:
    """Give these patients real names under real keys, so that the page of a list opens what it would open."""
    by = system_actor("bench", crowd.clinic.pk)
    with acting(by):
        known = set(SubjectKey.objects.filter(clinic_id=crowd.clinic.pk).values_list("subject_id", flat=True))
        for number, patient in enumerate(patients):
            if patient.pk in known:
                continue
            create_subject_keys(crowd.clinic.pk, patient.pk)
            patient.__dict__["identity"] = None  # the stand-in is no seal
            patient.identity = {"name": f"张{chr(0x4E00 + number)}芳", "phone": f"+861380000{number:04d}"}
            patient.save(update_fields=["identity"])


@contextmanager
def bare_tables(tables: Sequence[str]) -> Iterator[None]:
    """Triggers of ours, foreign keys and plain indexes off while loading; all as before afterwards, and checked again. Inside `as_owner`."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = ANY (%s::regclass[]) AND contype = 'f'",
            [list(tables)],
        )
        keys = cursor.fetchall()
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = ANY (%s::regclass[]) AND NOT indisunique",
            [list(tables)],
        )
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for table, name, _definition in keys:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            for _name, definition in indexes:
                cursor.execute(definition)
            # First: a key of millions of rows is checked by a join, which is planned by what is known of them.
            for table in tables:
                cursor.execute(f"VACUUM ANALYZE {table}")
            for table, name, definition in keys:
                cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
