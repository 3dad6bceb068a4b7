"""Fold: over 100,000 generated histories, where a permission stands is what its ledger says, read in every way the product reads it.

Each history is some lines of one person's ledger. A slow reading of the rules, which uses no code of `consent`, says what they mean; it is
compared with the fold at once, with the fold line by line (what writers keep in the state row), with the statement that reads the ledger
for the gate, with the answer to a use, and with the list of who permits it. Then the real services write: two writers at once on one
permission, again and again, and the row still is the fold of its lines, which follow one another without a gap.
"""

import io
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from django.db import connections
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from bench.drills.owner import owner_of_tables
from bench.drills.tally import Scale, Tally
from clinics.models import Chain, Clinic
from clinics.services import open_clinic
from consent.assessments import approve_assessment, write_assessment
from consent.choices import EventKind, GivenThrough, Method, StartedBy
from consent.decisions import Line, Need, Permission, Standing, after, decide, fold
from consent.ledger import line_of
from consent.models import ConsentEvent, ConsentNotice, ConsentState
from consent.notices import LOCALES
from consent.publishing import current_notice, draft_of, publish_notice
from consent.queries import consented, permissions_of, standing_of
from consent.services import record_consent, withdraw_consent
from patients.choices import Sex
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card

HISTORIES: Final = 100_000
IN_DATABASE: Final = {Scale.FULL: HISTORIES, Scale.SMALL: 500}  # of them, the first
PAIRS: Final = 200  # of writers
SAYINGS: Final = 4  # of each writer
PURPOSE: Final = Purpose.DEVICE  # one kind of data, one operation: one permission a person
CATEGORY: Final = "device"
NEEDED: Final = 2  # the second version of the notice asks everybody again
BEGAN: Final = datetime(2026, 1, 5, tzinfo=UTC)
ASKED_AT: Final = BEGAN + timedelta(days=200)
DAY: Final = timedelta(days=1)
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class History:
    """Some lines of one person's ledger, oldest first."""

    patient_id: UUID
    lines: tuple[Line, ...]


# --- what lines mean, said slowly ---------------------------------------------------------------------------------------


class Meant(NamedTuple):
    state: str
    until: datetime | None
    notice: int
    at: datetime | None


def means(lines: Sequence[Line]) -> Meant:
    """Where the permission stands after these lines, as the clinic would say it."""
    said = [line for line in lines if line.event != "requested"]
    if not said:
        return Meant("requested" if lines else "unknown", None, 0, None)
    last = said[-1]
    state = "granted" if last.event == "renewed" else last.event
    return Meant(state, last.valid_until, last.notice_version, last.occurred_at)


def permits(lines: Sequence[Line], at: datetime) -> bool:
    meant = means(lines)
    if meant.state != "granted" or meant.notice < NEEDED or meant.at is None or meant.at > at:
        return False
    return meant.until is None or meant.until > at


def agrees(standing: Standing, meant: Meant) -> bool:
    return (
        standing.state,
        standing.valid_until,
        standing.notice_version,
        standing.decided_at,
    ) == tuple(meant)


# --- the drill ----------------------------------------------------------------------------------------------------------


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    dice = random.Random(seed)
    clinic = _open()
    by = system_actor("drill", clinic.pk)
    with acting(by):
        notice = _publish_twice(clinic, by)
    histories = list(_histories(scale.of(HISTORIES), dice))
    for history in histories:
        _check_fold(history, tally)
    loaded = histories[: IN_DATABASE[scale]]
    _load(clinic, notice, loaded)
    with acting(by):
        _check_answers(loaded, tally)
        _check_list(clinic, loaded, tally)
    tally.say(
        f"{len(histories)} histories, {sum(len(h.lines) for h in histories)} lines; {len(loaded)} of them in the database"
    )
    _write_at_once(clinic, by, scale.of(PAIRS), dice, tally)


def _histories(number: int, dice: random.Random) -> Iterator[History]:
    kinds = list(EventKind)
    for count in range(number):
        patient_id = uuid5(UUID(int=0), f"fold {count}")
        at, lines = BEGAN, []
        for version in range(1, dice.randrange(0, 8) + 1):
            at += timedelta(minutes=dice.randrange(1, 60_000))
            term = dice.choice([None, 1, 30, 200, 365])
            lines.append(
                Line(
                    id=uuid5(patient_id, str(version)),
                    event=dice.choice(kinds),
                    valid_from=at,
                    valid_until=at + timedelta(days=term) if term else None,
                    notice_version=dice.choice([1, 2, 2, 2]),
                    occurred_at=at,
                    version=version,
                )
            )
        yield History(patient_id, tuple(lines))


def _check_fold(history: History, tally: Tally) -> None:
    meant = means(history.lines)
    at_once, one_by_one = fold(history.lines), reduce(after, history.lines, Standing())
    tally.check(at_once == one_by_one and agrees(at_once, meant), f"fold of {history.patient_id}")


def _check_answers(histories: Sequence[History], tally: Tally) -> None:
    """What the gate reads and answers, page by page."""
    for start in range(0, len(histories), PAGE):
        page = histories[start : start + PAGE]
        found = permissions_of([h.patient_id for h in page], [PURPOSE], ASKED_AT)
        for history in page:
            permissions: list[Permission] = found[history.patient_id]
            decided = [line for line in history.lines if line.event != "requested"]
            read = permissions[0].standing
            same = agrees(read, means(history.lines)) if decided else read == Standing()
            need = Need(patient_id=history.patient_id, purpose=PURPOSE)
            answer = decide(need, permissions, ASKED_AT).allowed
            tally.check(
                same and answer == permits(history.lines, ASKED_AT), f"answer about {history.patient_id}"
            )


def _check_list(clinic: Clinic, histories: Sequence[History], tally: Tally) -> None:
    """The list reads the state rows, which hold what writers keep in them; people who were never asked stand in none."""
    for at in (ASKED_AT, ASKED_AT + 100 * DAY):
        permitting = Patient.objects.filter(consented(PURPOSE, at=at), clinic=clinic)
        listed = set(permitting.values_list("pk", flat=True))
        wanted = {history.patient_id for history in histories if permits(history.lines, at)}
        tally.check(listed == wanted, f"list at {at:%Y-%m-%d}: {len(listed ^ wanted)} people differ")


# --- two writers at once ------------------------------------------------------------------------------------------------


def _write_at_once(clinic: Clinic, by: Actor, pairs: int, dice: random.Random, tally: Tally) -> None:
    with acting(by):
        notice = current_notice(clinic, PURPOSE, LOCALES[0], timezone.now())
        patients = [_patient(clinic, by) for _pair in range(min(pairs, 10))]
    plans = [[[dice.random() < 0.6 for _ in range(SAYINGS)] for _ in range(2)] for _pair in range(pairs)]
    with ThreadPoolExecutor(2) as pool:
        for number, plan in enumerate(plans):
            both = threading.Barrier(2)
            patient = patients[number % len(patients)]
            speakers = [
                pool.submit(_speak, patient, notice, by, words, both, f"{number}-{who}")
                for who, words in enumerate(plan)
            ]
            for speaker in speakers:
                speaker.result(timeout=60)
            with acting(by):
                tally.check(_follows(patient), f"pair {number}: the row is not the fold of its lines")
        both = threading.Barrier(2)
        for leaving in [pool.submit(_leave, both) for _speaker in range(2)]:
            leaving.result(timeout=60)


def _leave(both: threading.Barrier) -> None:
    """Each of the two threads closes its own connection."""
    both.wait()
    connections.close_all()


def _speak(
    patient: Patient,
    notice: ConsentNotice,
    by: Actor,
    words: Sequence[bool],
    both: threading.Barrier,
    key: str,
) -> None:
    both.wait(10)
    for number, yes in enumerate(words):
        with acting(by):
            if yes:
                record_consent(
                    patient,
                    PURPOSE,
                    granted=True,
                    notice=notice,
                    method=Method.TAP,
                    given_through=GivenThrough.PORTAL,
                    started_by=StartedBy.PERSON,
                    by=by,
                    at=timezone.now(),
                    idem_key=f"fold:{key}-{number}",
                )
            else:
                withdraw_consent(
                    patient, PURPOSE, by=by, at=timezone.now(), given_through=GivenThrough.PORTAL
                )


def _follows(patient: Patient) -> bool:
    """Versions without a gap, each line naming the one before, and the row their fold."""
    events = list(ConsentEvent.objects.filter(patient=patient).defer("evidence").order_by("version"))
    state = ConsentState.objects.get(patient=patient)
    return (
        [event.version for event in events] == list(range(1, len(events) + 1))
        and all(later.prev_id == before.pk for before, later in pairwise(events))
        and fold(map(line_of, events)) == standing_of(state)
    )


# --- laying out ---------------------------------------------------------------------------------------------------------


def _open() -> Clinic:
    chain = Chain.objects.create(name="演练")
    return open_clinic(chain=chain, code="fold", name="演练诊所", short_name="演练", phone="010-5550 0100")


def _publish_twice(clinic: Clinic, by: Actor) -> ConsentNotice:
    """The clinic asks for data from home, and asks everybody again with its second version."""
    words = {"necessity": "演练", "impact": "演练", "measures": "演练"}
    assessment = write_assessment(clinic, number="PIA-1", purposes=[PURPOSE], by=by, at=BEGAN, **words)
    officer = replace(by, ref="system:officer")
    approve_assessment(assessment, review_on=(BEGAN + 3650 * DAY).date(), by=officer, at=BEGAN)
    for material in (False, True):
        notices = publish_notice(
            clinic,
            PURPOSE,
            {locale: draft_of(clinic, PURPOSE, locale) for locale in LOCALES},
            effective_from=BEGAN.date(),
            material_change=material,
            assessment=assessment.number,
            by=by,
            at=BEGAN,
        )
    return notices[LOCALES[0]]


def _patient(clinic: Clinic, by: Actor) -> Patient:
    identity = NewIdentity(name="演练者", sex=Sex.FEMALE)
    return open_card(clinic=clinic, identity=identity, by=by, at=timezone.now())


_PEOPLE: Final = """
INSERT INTO patients_patient (id, subject_id, sealed_by_clinic, clinic_id, service_number, sex, phone_owner, identity, created_at)
SELECT u, u, %(clinic)s, %(clinic)s, 'ZZ-' || lpad((n / 10000)::text, 4, '0') || '-' || lpad((n %% 10000)::text, 4, '0'),
       'unknown', 'self', '\\x00', now() FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY one (u, n)
"""
_TABLES: Final = ("patients_patient", "consent_event", "consent_state")
_EVENT: Final = (
    "id, clinic_id, patient_id, subject_id, sealed_by_clinic, purpose, data_category, recipient, operation, channel, version, event,"
    " legal_basis, notice_id, notice_version, locale, valid_from, valid_until, expressed_by, started_by, method, given_through,"
    " actor_ref, idem_key, occurred_at"
)
_STATE: Final = (
    "id, clinic_id, patient_id, subject_id, purpose, data_category, recipient, operation, channel, state, valid_from, valid_until,"
    " notice_version, decided_at, last_event_id, version"
)


def _load(clinic: Clinic, notice: ConsentNotice, histories: Sequence[History]) -> None:
    """As the tables' owner, past the services: their triggers sleep meanwhile, and the seals are stand-ins that nobody opens."""
    with owner_of_tables() as owner, owner.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            cursor.execute(
                _PEOPLE, {"clinic": str(clinic.pk), "ids": [str(history.patient_id) for history in histories]}
            )
            for columns, table, rows in (
                (_EVENT, "consent_event", (r for h in histories for r in _events(clinic, notice, h))),
                (_STATE, "consent_state", (_state(clinic, h) for h in histories)),
            ):
                text = io.StringIO("".join("\t".join(row) + "\n" for row in rows))
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", text)
        finally:
            for table in _TABLES:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        for table in _TABLES:
            cursor.execute(f"ANALYZE {table}")


def _events(clinic: Clinic, notice: ConsentNotice, history: History) -> Iterator[list[str]]:
    who = str(history.patient_id)
    for line in history.lines:
        yield [
            *(
                str(line.id),
                str(clinic.pk),
                who,
                who,
                str(clinic.pk),
                PURPOSE,
                CATEGORY,
                "self",
                "use",
                "any",
            ),
            *(str(line.version), line.event, "separate", str(notice.pk), str(line.notice_version), "zh-hans"),
            *(line.valid_from.isoformat(), _or_null(line.valid_until), "self", "person", "tap", "portal"),
            *("system:drill", f"{who}:{line.version}", line.occurred_at.isoformat()),
        ]


def _state(clinic: Clinic, history: History) -> list[str]:
    who, standing = str(history.patient_id), reduce(after, history.lines, Standing())
    return [
        *(str(uuid5(history.patient_id, "row")), str(clinic.pk), who, who, PURPOSE, CATEGORY, "self", "use"),
        *("any", standing.state, _or_null(standing.valid_from), _or_null(standing.valid_until)),
        *(str(standing.notice_version), _or_null(standing.decided_at)),
        *(str(standing.last_event_id or "\\N"), str(standing.version)),
    ]


def _or_null(moment: datetime | None) -> str:
    return moment.isoformat() if moment else "\\N"
