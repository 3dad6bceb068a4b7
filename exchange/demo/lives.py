"""What happened to the invented people before the visitor came: cards, permissions, check-ups, follow-up."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from multiprocessing import get_context
from random import Random

from django.db import connections

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from clinics.models import CareTeam, Clinic, User
from consent.choices import GivenThrough, Method
from consent.services import current_notice, record_consent, withdraw_consent
from exchange.demo.checkups import CLINIC_TIME, invent_checkups
from exchange.demo.house import CLINICS, doctor_of, health_manager_of, teams_in
from exchange.demo.people import InventedPerson, invent_people
from followups.choices import Outcome
from followups.loop import look_at
from followups.models import PENDING, FollowUp
from followups.services import complete_follow_up
from patients.choices import CareRole, PhoneOwner, PortalRelation, Sex, TwinReason
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services.access import begin_care, give_portal_access
from patients.services.cards import open_card
from records.models import RecordsChange
from records.parsed import ParsedReport
from records.services import file_report

LOCALE = "zh-hans"
ASKED = (Purpose.CARE, Purpose.REPORT, Purpose.FOLLOWUP, Purpose.RISK)
ASKED_AGO = timedelta(days=15)  # the notices in force are not older than that
REPORT_TAKES = timedelta(hours=6)
PHONES_SHOWN = 2
MOST_STEPS = 3  # of one pathway
WORKED_OFF = 0.5
HAS_RESPONSIBLE = 0.7  # the others are everybody's in the team


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One invented person with everything the demo will file about them."""

    number: int
    person: InventedPerson
    reports: Sequence[ParsedReport]

    @property
    def opened_at(self) -> datetime:
        return self.reports[0].taken_at - timedelta(minutes=30)

    @property
    def alone_on_the_phone(self) -> bool:
        return self.person.phone_owner == "self"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a person belongs: clinic, care team, and who is responsible there."""

    clinic: Clinic
    team: CareTeam
    manager: User
    doctor: User | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """What a process needs to know to settle any of the people."""

    lives: Sequence[Life]
    homes: Sequence[Home]
    shared_phones: frozenset[str]
    at: datetime

    def settle(self, number: int) -> None:
        life = self.lives[number]
        home = self.homes[number % len(self.homes)]
        _settle_one(life, home, portal=life.person.phone not in self.shared_phones, at=self.at)


def settle(clinics: Mapping[str, Clinic], *, count: int, at: datetime) -> Iterator[tuple[int, int]]:
    """Invent `count` people and let their years pass, on every core. Yields how many are done, and of how many."""
    lives = [
        Life(number=number, person=person, reports=invent_checkups(person, number=number, until=at))
        for number, person in enumerate(invent_people(count, today=at.date()))
    ]
    work = Settling(
        lives=lives,
        homes=[
            Home(clinic, team, health_manager_of(team), doctor_of(team))
            for clinic in clinics.values()
            for team in teams_in(clinic)
        ],
        shared_phones=frozenset(life.person.phone for life in lives if not life.alone_on_the_phone),
        at=at,
    )
    connections.close_all()  # a forked process must not share the parent's connection
    with get_context("fork").Pool(min(os.cpu_count() or 1, 4)) as pool:
        for done, _ in enumerate(pool.imap_unordered(work.settle, range(count), chunksize=5), start=1):
            yield done, count


def portal_phones() -> dict[str, list[str]]:
    """For each clinic, telephone numbers whose owner can sign in to the portal. They follow from the seed."""
    people = list(invent_people(40, today=datetime.now().date()))
    shared = {person.phone for person in people if person.phone_owner != "self"}
    found: dict[str, list[str]] = {}
    for index, code in enumerate(CLINICS):
        own = [
            person.phone
            for number, person in enumerate(people)
            if number // 2 % 2 == index and person.phone not in shared
        ]
        found[code] = own[:PHONES_SHOWN]
    return found


def _settle_one(life: Life, home: Home, *, portal: bool, at: datetime) -> None:
    """Each step commits by itself: no transaction of the application may last longer than a few seconds."""
    clinic = home.clinic
    by = system_actor("demo", clinic.pk)
    random = Random(f"life {life.number}")  # noqa: S311 (the same lives every time is the point)
    asked_at = at - ASKED_AGO + timedelta(days=random.randrange(12))
    seen_at = max(asked_at, min(life.reports[-1].taken_at + REPORT_TAKES, at - timedelta(minutes=20)))
    with acting(by, clinic.pk):
        patient = _open(life, clinic, home.team, by)
        if random.random() < HAS_RESPONSIBLE:
            begin_care(patient, role=CareRole.MANAGER, staff=home.manager, by=by, at=life.opened_at)
            if home.doctor:
                begin_care(patient, role=CareRole.DOCTOR, staff=home.doctor, by=by, at=life.opened_at)
        if portal and life.person.phone:
            give_portal_access(patient, PortalRelation.SELF, by, at=life.opened_at)
    with acting(by, clinic.pk):
        _ask(patient, clinic, by, asked_at, random)
    for report in life.reports:
        with acting(by, clinic.pk):
            file_report(patient, report, by=by, at=min(report.taken_at + REPORT_TAKES, at))
    with acting(by, clinic.pk):
        look_at(patient.pk, seen_at, by=by)
        RecordsChange.objects.filter(patient=patient).delete()  # what the loop would have claimed
    with acting(by, clinic.pk):
        _work_off(patient, by, seen_at, now=at, random=random)
    if random.random() < 0.06:
        with acting(by, clinic.pk):
            withdraw_consent(
                patient,
                Purpose.FOLLOWUP,
                by=by,
                at=at - timedelta(hours=random.randrange(1, 48)),
                given_through=GivenThrough.PHONE,
                method=Method.VERBAL_WITNESSED,
            )


def _work_off(patient: Patient, by: Actor, seen_at: datetime, *, now: datetime, random: Random) -> None:
    """The clinic has been at work: what fell due long ago is done, most of the time; the rest is left for the visitor."""
    for _ in range(MOST_STEPS):
        due = FollowUp.objects.filter(patient=patient, state__in=PENDING).order_by("due_on", "pk")
        past = [follow_up for follow_up in due if _day_of(follow_up) < now - timedelta(days=1)]
        for follow_up in past:
            if random.random() < WORKED_OFF:
                complete_follow_up(
                    follow_up.pk, outcome=Outcome.REACHED, by=by, at=max(_day_of(follow_up), seen_at)
                )
        if not past:
            return


def _day_of(follow_up: FollowUp) -> datetime:
    """When it fell due: its clock, or the end of its day."""
    if follow_up.due_at:
        return follow_up.due_at
    day = follow_up.due_on or follow_up.opened_at.date()
    return datetime.combine(day, time(18), CLINIC_TIME)


def _open(life: Life, clinic: Clinic, team: CareTeam, by: Actor) -> Patient:
    person = life.person
    identity = NewIdentity(
        name=person.name,
        sex=Sex(person.sex),
        birth_date=person.born_on,
        id_number=person.id_number,
        phone=person.phone,
        phone_owner=PhoneOwner(person.phone_owner),
        email=person.email,
    )
    return open_card(
        clinic=clinic,
        identity=identity,
        by=by,
        at=life.opened_at,
        team=team,
        twin_reason=TwinReason.SHARED_PHONE,
    )


def _ask(patient: Patient, clinic: Clinic, by: Actor, at: datetime, random: Random) -> None:
    """Most people agree to most things; each purpose is asked by itself."""
    for purpose in ASKED:
        granted = purpose in (Purpose.CARE, Purpose.REPORT) or random.random() < 0.9
        record_consent(
            patient,
            purpose,
            granted=granted,
            notice=current_notice(clinic, purpose, LOCALE, at),
            method=Method.PAPER,
            given_through=GivenThrough.DESK,
            by=by,
            at=at,
            idem_key=f"demo:{patient.pk}:{purpose}",
            evidence=f"纸质授权书 {patient.service_number}",
        )
