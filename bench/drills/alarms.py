"""Alarms: how long it takes from the commit of a deed until its alarm stands there, with a real worker and a real beat.

In each round somebody else does everything that rings, by the doors that pages use, at a moment the dice choose between two beats.
So does damage that the sequencer has found, and once a witness that has just been silent for too long. Whatever takes longer than a
minute has failed. A log that is not sealed rings by the clock and is not measured.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.db import connection
from django.utils import timezone
from psycopg2.extensions import connection as Connection

from audit.access import relate
from audit.acting import acting
from audit.actors import Actor, current_unit, system_actor
from audit.decoys import mark_decoys
from audit.kinds import Kind
from audit.limits import DEFAULTS, set_limits
from audit.models import SYSTEM_LOG, Rule
from audit.purposes import Purpose
from audit.relations import Relation
from audit.rules import FAILED_FOR_AN_ACCOUNT
from audit.services import REFUSED, record, record_access, record_denial
from audit.watch import SILENT_AFTER
from bench.drills.owner import owner_of_tables
from bench.drills.tally import Scale, Tally
from clinics.models import CareTeam, Chain, Clinic
from clinics.queries import anonymous_actor
from clinics.services import open_clinic
from clinics.staffing import open_team
from crypto.ids import uuid7

REPOSITORY: Final = Path(__file__).resolve().parents[2]
ROUNDS: Final = {Scale.FULL: 6, Scale.SMALL: 1}
WITHIN: Final = 60.0
PATIENCE: Final = 120.0
BEAT_SECONDS: Final = 20.0
PAUSE: Final = 0.1
FIELD: Final = "patient.identity.name"
PROCESSES: Final = (
    ("worker", "-c", "2", "--without-mingle", "--without-gossip", "-l", "error"),
    ("beat", "-S", "config.beat:LeaderScheduler", "--pidfile=", "-l", "error"),
)


@dataclass(slots=True)
class Waiting:
    """A deed that has been committed: which alarm is waited for, since when, and when it stood there.

    `about` is who did it, or the log that it happened to.
    """

    rule: Rule
    about: str
    since: float = field(default_factory=time.monotonic)
    stood: float | None = None


Deed = Callable[[Clinic, CareTeam], Waiting]


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    dice = random.Random(seed)
    chain = Chain.objects.create(name="演练")
    clinic = open_clinic(chain=chain, code="drill", name="演练诊所", short_name="演练", phone="010-5550 0100")
    team = _closed_now(clinic)
    slowest: dict[Rule, float] = {}
    with at_work(), owner_of_tables() as owner:
        until(lambda: bool(_read(owner, "SELECT FROM audit_alarm_watch")))
        for number in range(ROUNDS[scale]):
            pause(dice.uniform(0, BEAT_SECONDS) if scale is Scale.FULL else 0)
            waiting = [
                deed(clinic, team) for deed in (DEEDS if number else (*DEEDS, _be_silent_as_a_witness))
            ]
            until_they_stand(owner, waiting)
            for one in waiting:
                took = PATIENCE if one.stood is None else one.stood - one.since
                tally.check(took <= WITHIN, f"round {number}: {one.rule} stood after {took:.1f} s")
                slowest[one.rule] = max(took, slowest.get(one.rule, 0.0))
    for rule, took in sorted(slowest.items(), key=lambda item: item[1]):
        tally.say(f"{rule}: at most {took:.1f} s")


@contextmanager
def at_work() -> Iterator[None]:
    """A worker and a beat of our own on this database; they are gone afterwards."""
    address = (
        urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    )
    with ExitStack() as stack:
        for process in PROCESSES:
            command = [sys.executable, "-m", "celery", "-A", "config.celery", *process]
            child = stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=REPOSITORY,
                    env={**os.environ, "DATABASE_URL": address},
                    stdout=subprocess.DEVNULL,
                )
            )
            stack.callback(child.terminate)
        yield


def until_they_stand(owner: Connection, waiting: list[Waiting]) -> None:
    def all_stand() -> bool:
        standing = _read(
            owner,
            "SELECT rule, actor_ref FROM audit_alarm UNION SELECT rule, clinic_id::text FROM audit_alarm",
        )
        for one in waiting:
            if one.stood is None and (one.rule.value, one.about) in standing:
                one.stood = time.monotonic()
        return all(one.stood for one in waiting)

    until(all_stand)


def until(true: Callable[[], bool]) -> None:
    """Look again and again, as far as patience goes."""
    deadline = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < deadline:
        pause(PAUSE)


def _read(owner: Connection, sql: str) -> list[tuple[str, ...]]:
    with owner.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def pause(seconds: float) -> None:
    time.sleep(seconds)


def _closed_now(clinic: Clinic) -> CareTeam:
    """The clinic opens in two hours, so that whoever looks now looks at an odd hour; and it has a team that can be renamed."""
    opens = (timezone.localtime() + timedelta(hours=2)).time().replace(second=0, microsecond=0)
    closes = (timezone.localtime() + timedelta(hours=3)).time().replace(second=0, microsecond=0)
    by = _somebody(clinic)
    with acting(by):
        set_limits(replace(DEFAULTS, opens=opens, closes=closes), by, timezone.now())
        return open_team(clinic.pk, "一组", at=timezone.now())


# --- what rings -------------------------------------------------------------------------------------------------------


def _somebody(clinic: Clinic) -> Actor:
    user_id = uuid7()
    return Actor(
        ref=f"user:{user_id}",
        kind="staff",
        clinic_id=clinic.pk,
        field_sets=frozenset({"identity"}),
        user_id=user_id,
    )


def _look(
    *kinds: Kind, people: int, rule: Rule, relation: Relation = Relation.OWN, vip: bool = False
) -> Deed:
    """Somebody comes to see so many people in each of these ways."""

    def deed(clinic: Clinic, team: CareTeam) -> Waiting:
        actor = _somebody(clinic)
        with acting(actor):
            for kind in kinds:
                _see([uuid7() for _ in range(people)], kind, relation, vip=vip)
        return Waiting(rule, actor.ref)

    return deed


def _see(subjects: list[UUID], kind: Kind, relation: Relation = Relation.OWN, *, vip: bool = False) -> None:
    for subject in subjects:
        relate(subject, relation, vip=vip)
    record_access(current_unit(), dict.fromkeys(subjects, (FIELD,)), kind=kind, purpose=Purpose.CARE)


def _see_a_decoy(clinic: Clinic, team: CareTeam) -> Waiting:
    actor, decoy = _somebody(clinic), uuid7()
    with acting(system_actor("drill", clinic.pk)):
        mark_decoys(clinic.pk, [decoy])
    with acting(actor):
        _see([decoy], Kind.VIEWED)
    return Waiting(Rule.DECOY_OPENED, actor.ref)


def _be_refused(clinic: Clinic, team: CareTeam) -> Waiting:
    actor = _somebody(clinic)
    for _time in range(DEFAULTS.denials + 1):
        record_denial(actor, view="desk:chart")
    return Waiting(Rule.DENIALS, actor.ref)


def _fail_to_sign_in(clinic: Clinic, team: CareTeam) -> Waiting:
    account = uuid7()
    with acting(anonymous_actor(None), address="203.0.113.7"):
        for _time in range(FAILED_FOR_AN_ACCOUNT + 1):
            record(
                "account.sign_in_failed",
                object=("clinics.user", str(account)),
                result=REFUSED,
                reason="password",
            )
    return Waiting(Rule.SIGN_INS_FAILED, f"user:{account}")


def _change_rows_and_say_nothing(clinic: Clinic, team: CareTeam) -> Waiting:
    actor = system_actor(f"drill-{uuid7()}", clinic.pk)
    with acting(actor):
        CareTeam.objects.filter(pk=team.pk).update(name=f"{uuid7()}")
    return Waiting(Rule.UNATTRIBUTED, actor.ref)


def _find_damage(clinic: Clinic, team: CareTeam) -> Waiting:
    """What the sequencer leaves behind when a log is no longer what it signed."""
    name = f"drill-{uuid7().hex[-8:]}"
    other = open_clinic(chain=clinic.chain, code=name, name=name, short_name="演练", phone="010-5550 0100")
    _as_owner(
        "INSERT INTO audit_state (log_id, year, origin, size, frontier, trouble) VALUES (%s, %s, %s, 0, '{}', 'drill')",
        other.pk,
        timezone.now().year,
        name,
    )
    return Waiting(Rule.VERIFICATION_FAILED, str(other.pk))


def _be_silent_as_a_witness(clinic: Clinic, team: CareTeam) -> Waiting:
    """The installation has one, so this rings once."""
    _as_owner(
        "INSERT INTO audit_horizon (id, sealed_below, cluster, sealed_until, witness, witness_at)"
        " VALUES (1, 0, '', now(), 'http://witness', now() - %s) ON CONFLICT (id) DO UPDATE"
        " SET sealed_until = now(), witness = excluded.witness, witness_at = excluded.witness_at",
        SILENT_AFTER,
    )
    return Waiting(Rule.WITNESS_SILENT, str(SYSTEM_LOG))


def _as_owner(sql: str, *values: object) -> None:
    with owner_of_tables() as owner, owner.cursor() as cursor:
        cursor.execute(sql, values)


DEEDS: Final[tuple[Deed, ...]] = (
    _look(Kind.VIEWED, people=1, rule=Rule.OUTSIDE_CARE, relation=Relation.NONE),
    _look(Kind.VIEWED, people=1, rule=Rule.VIP_OPENED, relation=Relation.TEAM, vip=True),
    _look(Kind.VIEWED, people=1, rule=Rule.BREAK_GLASS, relation=Relation.BREAK_GLASS),
    _look(Kind.VIEWED, people=DEFAULTS.opened_per_hour + 1, rule=Rule.MANY_OPENED),
    _look(Kind.VIEWED, people=DEFAULTS.odd_hours + 1, rule=Rule.ODD_HOURS),
    _look(Kind.EXPORTED, Kind.PRINTED, people=DEFAULTS.exported_per_hour * 3 // 5, rule=Rule.LARGE_EXPORT),
    _see_a_decoy,
    _be_refused,
    _fail_to_sign_in,
    _change_rows_and_say_nothing,
    _find_damage,
)
