"""Withdraw: 10,000 times a permission is taken back while messages are sent, data are given out and lists are made, on connections of their own.

A round has some people and a crew: two who withdraw, one who sends, one who gives data to a recipient, one who makes lists. What each does
falls into steps (a transaction is opened and done, it commits; a send starts, the carrier takes it), and the seed shuffles the steps of all:
the same seed plays the same rounds. A step that waits for a lock is left waiting while the others go on. Effects are counted where they
arrive: at the carrier and in the files. Nothing may begin after a withdrawal was acknowledged; what arrives later had begun before, and the
withdrawal said so. Then the carrier hangs or fails, and no withdrawal may wait for it.
"""

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from django.db import connection, connections
from django.test.utils import override_settings

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from bench.drills.tally import Scale, Tally
from clinics import channels
from clinics.channels import CarrierUnavailable
from clinics.models import Chain, Clinic
from clinics.services import open_clinic
from consent.assessments import approve_assessment, write_assessment
from consent.choices import GivenThrough, Method, Operation, RecipientRole, StartedBy
from consent.errors import ConsentMissing
from consent.models import ConsentNotice
from consent.notices import LOCALES
from consent.publishing import current_notice, draft_of, publish_notice
from consent.purposes import rule_of
from consent.queries import consented
from consent.recipients import NewRecipient, add_recipient, give
from consent.services import record_consent, withdraw_consent
from followups.choices import EnrolmentState
from followups.loop import claim_due
from followups.messaging import newest_template
from followups.models import Enrolment, FollowUp, Message
from followups.pathways import pathway_book
from followups.planning import enrol
from followups.sending import send_queued
from patients.choices import Sex
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card

INTERLEAVINGS: Final = 10_000
PEOPLE: Final = 12  # of a round, and so many interleavings
ROUNDS_IN_TESTS: Final = 5
LISTS: Final = 3  # of a round
TROUBLES: Final = 100  # withdrawals while the carrier hangs or fails
LONGEST: Final = 1.0  # seconds a withdrawal may take then
PATIENCE: Final = 0.03  # seconds until a step counts as waiting
FIRST_DAY: Final = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # ten in the morning in China
DAY: Final = timedelta(days=1)
HOSPITAL: Final = "hospital"
HEALTH: Final = frozenset({"health"})
RECIPIENT: Final = {Purpose.FOLLOWUP: "self", Purpose.REFERRAL: HOSPITAL}


@dataclass(slots=True)
class Subject:
    """One person of the drill, whose permission is taken back once in every round."""

    patient: Patient
    phone: str
    follow_up: FollowUp
    purpose: Purpose = Purpose.FOLLOWUP
    acked: float = 0.0
    told: bool = False


@dataclass(slots=True)
class Round:
    """What arrived where, and when: `handed` at the carrier, `given` in the file of givings, lists as they were made."""

    at: datetime
    people: Sequence[Subject]
    started: float = 0.0
    handed: dict[str, float] = field(default_factory=dict)
    began: dict[UUID, float] = field(default_factory=dict)
    given: dict[UUID, float] = field(default_factory=dict)
    lists: list[tuple[float, frozenset[str]]] = field(default_factory=list)


class Baton:
    """The carrier of the drill: it takes a text when the schedule says so, hangs, or fails."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.dead = False
        self.taken: dict[str, float] = {}

    def begin(self) -> None:
        self.go.clear()
        self.dead, self.taken = False, {}


BATON: Final = Baton()


class NotingCarrier:
    def send(self, *, clinic: Clinic, phone: str, body: str, idempotency_key: str) -> None:
        if BATON.dead:
            raise CarrierUnavailable
        BATON.go.wait(1.5)
        BATON.taken.setdefault(phone, time.monotonic())


@dataclass(frozen=True, slots=True)
class House:
    clinic: Clinic
    by: Actor
    people: list[Subject]
    notices: dict[Purpose, ConsentNotice]
    files: Path


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    dice = random.Random(seed)
    rounds = INTERLEAVINGS // PEOPLE + 1 if scale is Scale.FULL else ROUNDS_IN_TESTS
    with tempfile.TemporaryDirectory() as folder, _carrier(), _crew() as crew:
        house = _open(Path(folder))
        late = 0
        for number in range(rounds):
            played = Round(FIRST_DAY + number * DAY, house.people)
            _agree(house, played, number, dice)
            _play(house, played, crew, dice)
            late += _judge(house, played, number, tally)
        tally.say(
            f"{rounds * PEOPLE} interleavings in {rounds} rounds; {late} effects arrived after a withdrawal and were told of"
        )
        _with_a_carrier_in_trouble(house, rounds, max(2, scale.of(TROUBLES)), crew, tally)


# --- a round ------------------------------------------------------------------------------------------------------------


Step = Callable[[], object]


def _play(house: House, played: Round, crew: dict[str, ThreadPoolExecutor], dice: random.Random) -> None:
    """Every step in its turn; one that waits for a lock is left waiting."""
    BATON.begin()
    waiting: list[Future[object]] = []
    for who, step in _shuffled(_parts(house, played, dice), dice):
        if who == "carrier":
            step()
            continue
        future = crew[who].submit(step)
        waiting.append(future)
        try:
            future.exception(timeout=PATIENCE)
        except TimeoutError:
            continue
    BATON.go.set()
    for future in waiting:
        future.result(timeout=30)
    played.handed = dict(BATON.taken)


def _parts(house: House, played: Round, dice: random.Random) -> dict[str, list[Step]]:
    """What each of the crew does in this round, in its order."""
    people = list(played.people)
    dice.shuffle(people)
    parts: dict[str, list[Step]] = {"first": [], "second": [], "sender": [], "carrier": [], "giver": []}
    for number, person in enumerate(people):
        parts["first" if number % 2 else "second"] += _withdrawing(house, played, person)
    parts["sender"] = [lambda: _send(house, played)]
    parts["carrier"] = [BATON.go.set]
    for person in people:
        if person.purpose is Purpose.REFERRAL:
            parts["giver"] += _giving(house, played, person)
    parts["lister"] = [lambda: _list(house, played) for _list_ in range(LISTS)]
    return parts


def _shuffled(parts: dict[str, list[Step]], dice: random.Random) -> Iterator[tuple[str, Step]]:
    """All steps in one order, each part's own kept."""
    order = [who for who, steps in parts.items() for _step in steps]
    dice.shuffle(order)
    left = {who: iter(steps) for who, steps in parts.items()}
    for who in order:
        yield who, next(left[who])


class Open:
    """A transaction that one step opens and another commits, in one thread."""

    def __init__(self, by: Actor) -> None:
        self.unit: AbstractContextManager[Actor] = acting(by)

    def enter(self) -> None:
        self.unit.__enter__()

    def leave(self) -> None:
        self.unit.__exit__(None, None, None)


def _withdrawing(house: House, played: Round, person: Subject) -> list[Step]:
    unit = Open(house.by)

    def withdraw() -> None:
        unit.enter()
        withdrawal = withdraw_consent(
            person.patient, person.purpose, by=house.by, at=played.at, given_through=GivenThrough.PORTAL
        )
        person.told = any(stopped.on_its_way for stopped in withdrawal.stopped)

    def commit() -> None:
        unit.leave()
        person.acked = time.monotonic()

    return [withdraw, commit]


def _send(house: House, played: Round) -> None:
    played.started = time.monotonic()
    send_queued(house.clinic, played.at, limit=PEOPLE)


def _giving(house: House, played: Round, person: Subject) -> list[Step]:
    """The note of the giving in one transaction; the file is written when it has committed."""
    unit, noted = Open(house.by), []

    def note() -> None:
        played.began[person.patient.pk] = time.monotonic()
        unit.enter()
        with suppress(ConsentMissing):
            noted.append(
                give(
                    person.patient,
                    HOSPITAL,
                    person.purpose,
                    op=Operation.SHARE,
                    data=HEALTH,
                    what="report",
                    by=house.by,
                    at=played.at,
                )
            )

    def commit() -> None:
        unit.leave()
        if noted:
            played.given[person.patient.pk] = time.monotonic()

    def write() -> None:
        if noted:
            with (house.files / "given").open("a") as file:
                file.write(f"{played.at:%Y-%m-%d} {person.patient.pk}\n")

    return [note, commit, write]


def _list(house: House, played: Round) -> None:
    """A list of whom to remind, as a file."""
    began = time.monotonic()
    with acting(house.by):
        permitting = Patient.objects.filter(consented(Purpose.FOLLOWUP, at=played.at), clinic=house.clinic)
        numbers = frozenset(permitting.values_list("service_number", flat=True))
    played.lists.append((began, numbers))


# --- the judge ----------------------------------------------------------------------------------------------------------


def _judge(house: House, played: Round, number: int, tally: Tally) -> int:
    """One trial for each person; answers how many effects arrived after the withdrawal, having begun before."""
    written = (house.files / "given").read_text() if (house.files / "given").exists() else ""
    late = 0
    with acting(house.by):
        unsent = set(
            Message.objects.filter(
                offset_days=number, state__in=["planned", "queued", "sending"]
            ).values_list("patient_id", flat=True)
        )
    for person in played.people:
        pk, wrong = person.patient.pk, []
        handed = played.handed.get(person.phone)
        if person.purpose is Purpose.FOLLOWUP:
            if handed and played.started > person.acked:
                wrong.append("a send began after it")
            if handed and handed > person.acked:
                late += 1
                if not person.told:
                    wrong.append("a message arrived after it, and nobody said so")
            if pk in unsent:
                wrong.append("a message waits on")
            if any(
                began > person.acked and person.patient.service_number in who for began, who in played.lists
            ):
                wrong.append("a list made after it has the person")
        else:
            in_file = f"{played.at:%Y-%m-%d} {pk}" in written
            if in_file != (pk in played.given):
                wrong.append("the file is not what was given")
            if in_file and (played.began[pk] > person.acked or played.given[pk] > person.acked):
                wrong.append("something was given after it")
        tally.check(not wrong, f"round {number}, {person.purpose} of {pk}: {', '.join(wrong)}")
    return late


# --- a carrier in trouble -----------------------------------------------------------------------------------------------


def _with_a_carrier_in_trouble(
    house: House, first: int, times: int, crew: dict[str, ThreadPoolExecutor], tally: Tally
) -> None:
    longest = 0.0
    for number in range(first, first + times):
        played = Round(FIRST_DAY + number * DAY, house.people)
        _agree(house, played, number, random.Random(number), only=Purpose.FOLLOWUP)
        BATON.begin()
        BATON.dead = number % 2 == 0
        sending = crew["sender"].submit(_send, house, played)
        time.sleep(0.05)  # the carrier is being asked now
        person = house.people[number % PEOPLE]
        began = time.monotonic()
        for step in _withdrawing(house, played, person):
            step()
        took = time.monotonic() - began
        longest = max(longest, took)
        tally.check(took < LONGEST, f"withdrawal {number} took {took:.2f} s with a carrier in trouble")
        BATON.go.set()
        sending.result(timeout=60)
    tally.say(
        f"{times} withdrawals with a carrier that hangs or fails: the longest took {longest * 1000:.0f} ms"
    )


# --- laying out ---------------------------------------------------------------------------------------------------------


# As a service would write it, for everybody at once: what is drilled is the taking back.
_AGREE: Final = """
WITH moved AS (
  UPDATE consent_state SET state = 'granted', version = version + 1, last_event_id = gen_random_uuid(), valid_from = %(at)s,
         valid_until = %(until)s, notice_version = 1, decided_at = %(at)s
   WHERE patient_id = ANY (%(people)s::uuid[]) AND purpose = %(purpose)s AND recipient = %(recipient)s AND channel = 'any' RETURNING *)
INSERT INTO consent_event (id, clinic_id, patient_id, subject_id, sealed_by_clinic, purpose, data_category, recipient, operation, channel,
                           version, event, legal_basis, notice_id, notice_version, locale, valid_from, valid_until, expressed_by, started_by,
                           method, given_through, actor_ref, idem_key, occurred_at)
SELECT last_event_id, clinic_id, patient_id, subject_id, clinic_id, purpose, data_category, recipient, operation, channel,
       version, 'granted', 'separate', %(notice)s, 1, 'zh-hans', valid_from, valid_until, 'self', 'person',
       'tap', 'portal', 'system:drill', id || ':' || version, %(at)s
  FROM moved
"""


def _agree(
    house: House, played: Round, number: int, dice: random.Random, *, only: Purpose | None = None
) -> None:
    """Everybody agrees anew, and has a message to be sent; whose permission for what is taken back is a matter of chance."""
    for person in played.people:
        person.acked, person.told = 0.0, False
        person.purpose = only or dice.choice([Purpose.FOLLOWUP, Purpose.FOLLOWUP, Purpose.REFERRAL])
    with acting(house.by), connection.cursor() as cursor:
        for purpose, notice in house.notices.items():
            facts = {
                "people": [str(p.patient.pk) for p in played.people if p.purpose is purpose],
                "purpose": purpose.value,
                "recipient": RECIPIENT[purpose],
                "notice": notice.pk,
                "at": played.at,
                "until": played.at + 365 * DAY,
            }
            cursor.execute(_AGREE, facts)
        Message.objects.bulk_create(
            [_message(house, person, played.at, number) for person in played.people if _is_sent_to(person)]
        )
    claim_due(house.clinic, played.at)


def _is_sent_to(person: Subject) -> bool:
    return person.purpose is Purpose.FOLLOWUP


def _message(house: House, person: Subject, at: datetime, number: int) -> Message:
    template = newest_template("news")
    return Message(
        clinic=house.clinic,
        patient=person.patient,
        follow_up=person.follow_up,
        template=template.code,
        template_version=template.version,
        offset_days=number,
        channel="sms",
        purpose=Purpose.FOLLOWUP,
        due_at=at,
    )


def _open(files: Path) -> House:
    chain = Chain.objects.create(name="演练")
    clinic = open_clinic(
        chain=chain, code="withdraw", name="演练诊所", short_name="演练", phone="010-5550 0100"
    )
    by = system_actor("drill", clinic.pk)
    with acting(by):
        notices = _notices(clinic, by)
        people = [_person(clinic, by, notices, number) for number in range(PEOPLE)]
        Message.objects.filter(clinic=clinic).delete()
        Enrolment.objects.filter(clinic=clinic).update(state=EnrolmentState.ENDED, ended_at=FIRST_DAY)
    return House(clinic, by, people, notices, files)


def _notices(clinic: Clinic, by: Actor) -> dict[Purpose, ConsentNotice]:
    """The clinic asks for reminders, and for giving data to one hospital, which stands on its register."""
    purpose, words = Purpose.REFERRAL, {"necessity": "演练", "impact": "演练", "measures": "演练"}
    assessment = write_assessment(clinic, number="PIA-1", purposes=[purpose], by=by, at=FIRST_DAY, **words)
    begins, ends = FIRST_DAY.date(), (FIRST_DAY + 3650 * DAY).date()
    officer = system_actor("officer", clinic.pk)
    approve_assessment(assessment, review_on=ends, by=officer, at=FIRST_DAY)
    add_recipient(
        clinic,
        NewRecipient(
            code=HOSPITAL,
            name="演练医院",
            kind="provider",
            role=RecipientRole.HANDLER,
            contact="010-5550 0300",
            agreement="HT-1",
            assessment=assessment.number,
            purposes=frozenset({purpose}),
            data=rule_of(purpose).codes,
            begins_on=begins,
            ends_on=ends,
            review_on=ends,
        ),
        by=by,
        at=FIRST_DAY,
    )
    published = publish_notice(
        clinic,
        purpose,
        {locale: draft_of(clinic, purpose, locale) for locale in LOCALES},
        effective_from=begins,
        material_change=False,
        assessment=assessment.number,
        by=by,
        at=FIRST_DAY,
    )
    reminders = current_notice(clinic, Purpose.FOLLOWUP, LOCALES[0], FIRST_DAY)
    return {purpose: published[LOCALES[0]], Purpose.FOLLOWUP: reminders}


def _person(clinic: Clinic, by: Actor, notices: dict[Purpose, ConsentNotice], number: int) -> Subject:
    phone = f"+86138000{number:05d}"
    identity = NewIdentity(name="演练者", sex=Sex.FEMALE, phone=phone)
    patient = open_card(clinic=clinic, identity=identity, by=by, at=FIRST_DAY)
    pathway = next(p for p in pathway_book().newest.values() if p.purpose is Purpose.FOLLOWUP)
    enrol(patient, pathway, cause="drill", why={}, permitted=True, at=FIRST_DAY)
    follow_up = FollowUp.objects.filter(patient=patient).defer("note").order_by("pk")[0]
    FollowUp.objects.filter(patient=patient).update(due_on=None)
    follow_up.due_on = None
    for purpose, notice in notices.items():
        record_consent(
            patient,
            purpose,
            granted=True,
            notice=notice,
            method=Method.TAP,
            given_through=GivenThrough.PORTAL,
            started_by=StartedBy.PERSON,
            recipient=RECIPIENT[purpose],
            by=by,
            at=FIRST_DAY,
            idem_key=f"drill:{patient.pk}",
        )
    return Subject(patient, phone, follow_up)


@contextmanager
def _carrier() -> Iterator[None]:
    """The product asks the drill's carrier, as it would any other."""
    with override_settings(SMS_CARRIER="bench.drills.withdraw.NotingCarrier"):
        channels._carrier.cache_clear()
        try:
            yield
        finally:
            channels._carrier.cache_clear()


@contextmanager
def _crew() -> Iterator[dict[str, ThreadPoolExecutor]]:
    """Five threads with a connection each; closed when the drill is over."""
    crew = {name: ThreadPoolExecutor(1) for name in ("first", "second", "sender", "giver", "lister")}
    try:
        yield crew
    finally:
        BATON.go.set()
        for pool in crew.values():
            pool.submit(connections.close_all).result()
            pool.shutdown(wait=True)
