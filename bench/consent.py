"""`python -m bench consent`: what asking for permission costs where something begins, and where people are counted.

One check is counted in statements. A dispatch of 500 messages is the product's own (`followups.sending.start`: gate, attempts, letters), five
batches of a hundred, each rolled back; beside it the same with the decision taken from the state table under the same lock, and the same with
every message permitted unasked. A segment of a twentieth of the base and the whole base are `consented()` beside the same without it. The base
has four purposes with some five lines of the ledger for each person.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.purposes import Purpose
from bench.crowd import bare_tables
from bench.measure import Goal, Measure, Report, race
from clinics.models import Chain, Clinic
from clinics.services import open_clinic
from config.dbroles.owner import as_owner
from consent.choices import GivenThrough, Method, Operation, StartedBy
from consent.decisions import Decision, Need, Permission, Reason, decide
from consent.gate import pass_gate
from consent.models import ConsentState
from consent.purposes import rule_of
from consent.queries import check, consented, standing_of
from consent.services import current_notice, record_consent
from followups import sending
from followups.loop import claim_due
from followups.messaging import newest_template
from followups.models import FollowUp, Message
from followups.pathways import pathway_book
from followups.planning import enrol
from patients.choices import Sex
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card

GOALS: Final = {
    "consent.batch500": Goal(1.5, "the same dispatch without any consent"),
    "consent.batch500_vs_state": Goal(1.1, "the same dispatch deciding from the state table"),
    "consent.segment50k": Goal(1.3, "the segment without consent"),
    "consent.base1m": Goal(3, "four plain counts"),
}
BATCH, BATCHES = 100, 5
SMALL, FULL = 50_000, 1_000_000
AT: Final = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # ten in the morning in China: messages may leave
COUNTED: Final = {
    Purpose.DEVICE: Operation.USE,
    Purpose.RECORDING: Operation.USE,
    Purpose.EMPLOYER: Operation.SHARE,
    Purpose.PUBLISH: Operation.PUBLISH,
}
SEGMENT: Final = Q(birth_year__range=(1950, 1952))  # three of sixty years


@dataclass(frozen=True, slots=True)
class Size:
    people: int
    batch: int
    rounds: int


def run(report: Report, *, full: bool) -> None:
    compare(report, Size(people=FULL if full else SMALL, batch=BATCH, rounds=7 if full else 5))


def compare(report: Report, size: Size) -> None:
    house = _sending_clinic(size.batch)
    with acting(house.by):
        _count_a_check(report, house)
    _compare_dispatch(report, house, size)
    clinic = _base(size.people, report.say)
    by = system_actor("bench", clinic.pk)
    with acting(by), connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_timeout = 0")
        _compare_lists(report, clinic, size)


# --- where something begins ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class House:
    clinic: Clinic
    by: Actor
    patients: list[Patient]


def _count_a_check(report: Report, house: House) -> None:
    with CaptureQueriesContext(connection) as asked:
        answer = check(house.patients[0].pk, Purpose.FOLLOWUP, channel="sms", at=AT)
    if not answer.allowed or len(asked) > 2:
        raise SystemExit(f"consent: a check took {len(asked)} statements and says {answer.reason}")
    report.add(Measure(name="consent.check", value=len(asked), unit="stmts"))


def _compare_dispatch(report: Report, house: House, size: Size) -> None:
    contestants: dict[str, Callable[[], object]] = {
        "ours": partial(_dispatch, house, size.batch, pass_gate),
        "state": partial(_dispatch, house, size.batch, _from_the_state_table),
        "unasked": partial(_dispatch, house, size.batch, _unasked),
    }
    samples = race(contestants, rounds=size.rounds, times=BATCHES, warm_ups=1)
    in_all = {name: [cost * BATCHES for cost in costs] for name, costs in samples.items()}
    report.ratio("consent.batch500", in_all, "ours", "unasked")
    report.ratio("consent.batch500_vs_state", in_all, "ours", "state")


def _dispatch(house: House, batch: int, gate: Callable[..., dict[Need, Decision]]) -> None:
    with patch.object(sending, "pass_gate", gate), transaction.atomic():
        letters = sending.start(house.clinic, AT, limit=batch)
        if len(letters) != batch:
            raise SystemExit(f"consent: {len(letters)} of {batch} messages began; the bench compares nothing")
        transaction.set_rollback(True)


_LOCK: Final = """
SELECT s.id FROM consent_state s WHERE s.patient_id = ANY (%s) AND s.purpose = ANY (%s)
ORDER BY s.patient_id, s.purpose, s.data_category, s.recipient, s.operation, s.channel, s.id FOR SHARE
"""


def _from_the_state_table(needs: Iterable[Need], at: datetime) -> dict[Need, Decision]:
    """The same lock, and the answer from the rows that are locked instead of the ledger."""
    needs = list(needs)
    people = [need.patient_id for need in needs]
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [people, [Purpose.FOLLOWUP.value]])
    found: dict[UUID, list[Permission]] = {}
    rows = ConsentState.objects.filter(patient__in=people, purpose__in=[Purpose.FOLLOWUP, Purpose.CARE])
    for row in rows.select_related("patient").defer("patient__identity", "patient__watched_for"):
        found.setdefault(row.patient_id, []).append(
            Permission(
                subject_id=row.subject_id,
                purpose=row.purpose,
                data_category=row.data_category,
                operation=row.operation,
                recipient=row.recipient,
                channel=row.channel,
                restricted=row.patient.restricted_at is not None,
                standing=standing_of(row),
            )
        )
    return {need: decide(need, found[need.patient_id], at) for need in needs}


def _unasked(needs: Iterable[Need], at: datetime) -> dict[Need, Decision]:
    return dict.fromkeys(needs, Decision(allowed=True, reason=Reason.PERMITTED))


def _sending_clinic(people: int) -> House:
    """A clinic of so many, each with a message to be sent; made by the services, anew in each run."""
    chain, _made = Chain.objects.get_or_create(name="云溪健康")
    code = f"send-{Clinic.objects.count()}"
    clinic = open_clinic(chain=chain, code=code, name=code, short_name="云溪健康", phone="010-5550 0100")
    by = system_actor("bench", clinic.pk)
    patients = []
    for number in range(people):
        with acting(by):
            patients.append(_somebody(clinic, by, number))
    claim_due(clinic, AT, limit=people)
    return House(clinic, by, patients)


def _somebody(clinic: Clinic, by: Actor, number: int) -> Patient:
    before = AT - timedelta(days=20)
    identity = NewIdentity(name="张小芳", sex=Sex.FEMALE, phone=f"+861380000{number:04d}")
    patient = open_card(clinic=clinic, identity=identity, by=by, at=before)
    for purpose in (Purpose.CARE, Purpose.FOLLOWUP):
        record_consent(
            patient,
            purpose,
            granted=True,
            notice=current_notice(clinic, purpose, "zh-hans", before),
            method=Method.TAP,
            given_through=GivenThrough.PORTAL,
            started_by=StartedBy.PERSON,
            by=by,
            at=before,
            idem_key=f"bench:{patient.pk}",
        )
    pathway = next(p for p in pathway_book().newest.values() if p.purpose is Purpose.FOLLOWUP)
    enrol(patient, pathway, cause="bench", why={}, permitted=True, at=before)
    Message.objects.filter(patient=patient).delete()
    follow_up = FollowUp.objects.filter(patient=patient).defer("note").order_by("pk")[0]
    FollowUp.objects.filter(patient=patient).update(due_on=None)
    template = newest_template("news")
    Message.objects.create(
        clinic=clinic,
        patient=patient,
        follow_up=follow_up,
        template=template.code,
        template_version=template.version,
        offset_days=0,
        channel="sms",
        purpose=Purpose.FOLLOWUP,
        due_at=AT,
    )
    return patient


# --- where people are counted -------------------------------------------------------------------------------------------


def _compare_lists(report: Report, clinic: Clinic, size: Size) -> None:
    everybody = Patient.objects.filter(clinic=clinic, restricted_at=None)
    permitting = [
        Patient.objects.filter(consented(purpose, op=op, at=AT), clinic=clinic)
        for purpose, op in COUNTED.items()
    ]
    segment, permitted = everybody.filter(SEGMENT), permitting[0].filter(SEGMENT)
    whole, some = segment.count(), permitted.count()
    if not 0 < some < whole:
        raise SystemExit(f"consent: {some} of {whole} permit it; the bench compares nothing")
    report.say(f"consent: a segment of {whole:,}, of whom {some:,} permit it")

    def listed(patients: Any) -> int:
        return len(patients.values_list("pk", "service_number"))

    samples = race(
        {"ours": partial(listed, permitted), "plain": partial(listed, segment)},
        rounds=size.rounds,
        warm_ups=1,
    )
    report.ratio("consent.segment50k", samples, "ours", "plain")
    samples = race(
        {
            "ours": lambda: [one.count() for one in permitting],
            "plain": lambda: [everybody.count() for _purpose in COUNTED],
        },
        rounds=size.rounds,
        warm_ups=1,
    )
    report.ratio("consent.base1m", samples, "ours", "plain")


_PEOPLE: Final = r"""
INSERT INTO patients_patient (id, subject_id, sealed_by_clinic, clinic_id, service_number, sex, birth_year, phone_owner, identity, created_at)
SELECT u, u, %(clinic)s, %(clinic)s, 'ZZ-' || lpad((n / 10000)::text, 4, '0') || '-' || lpad((n %% 10000)::text, 4, '0'),
       'unknown', 1940 + (hashint4(n) & 2147483647) %% 60, 'self', '\x00', timestamptz '2016-01-01' + n * interval '1 minute'
  FROM (SELECT n, uuidv7() AS u FROM generate_series(0, %(people)s - 1) n) one
"""
# Seven in ten agreed, one in ten took it back, the others said no; each answer has its line, a withdrawal a second one.
_STATES: Final = """
INSERT INTO consent_state (id, clinic_id, patient_id, subject_id, purpose, data_category, recipient, operation, channel, state,
                           valid_from, valid_until, notice_version, decided_at, last_event_id, version)
SELECT uuidv7(), p.clinic_id, p.id, p.id, %(purpose)s, %(category)s, 'self', %(op)s, 'any',
       CASE WHEN d < 7 THEN 'granted' WHEN d < 8 THEN 'withdrawn' ELSE 'refused' END,
       %(at)s - interval '20 days', %(at)s + interval '200 days', 1, %(at)s - interval '20 days', uuidv7(), CASE WHEN d = 7 THEN 2 ELSE 1 END
  FROM (SELECT *, (hashtext(id::text || %(purpose)s) & 2147483647) %% 10 AS d FROM patients_patient WHERE clinic_id = %(clinic)s) p
"""
_EVENTS: Final = """
INSERT INTO consent_event (id, clinic_id, patient_id, subject_id, sealed_by_clinic, purpose, data_category, recipient, operation, channel,
                           version, event, legal_basis, notice_id, notice_version, locale, valid_from, valid_until, expressed_by, started_by,
                           method, given_through, actor_ref, idem_key, occurred_at)
SELECT CASE WHEN n = s.version THEN s.last_event_id ELSE uuidv7() END, s.clinic_id, s.patient_id, s.subject_id, s.clinic_id, s.purpose,
       s.data_category, s.recipient, s.operation, s.channel, n,
       CASE WHEN n < s.version OR s.state = 'granted' THEN 'granted' ELSE s.state END, 'separate', %(notice)s, 1, 'zh-hans', s.valid_from,
       s.valid_until, 'self', 'person', 'tap', 'portal', 'system:bench', s.id || ':' || n, s.decided_at
  FROM consent_state s CROSS JOIN generate_series(1, s.version) n WHERE s.clinic_id = %(clinic)s
"""
_TABLES: Final = ("patients_patient", "consent_state", "consent_event")


def _base(people: int, say: Callable[[str], None]) -> Clinic:
    """The clinic with so many people: found again, or opened and filled by the tables' owner. Raises SystemExit for one cut short."""
    code = f"consent-{people}"
    clinic = Clinic.objects.filter(code=code).first()
    if clinic is None:
        chain, _made = Chain.objects.get_or_create(name="云溪健康")
        clinic = open_clinic(chain=chain, code=code, name=code, short_name="云溪健康", phone="010-5550 0100")
    with acting(system_actor("bench", clinic.pk)):
        notice = current_notice(clinic, Purpose.CARE, "zh-hans", AT)
        there = ConsentState.objects.filter(clinic=clinic).count()
    if there == people * len(COUNTED):
        return clinic
    if there:
        raise SystemExit("An earlier run was cut short. Remove .zhizhi/bench.")
    facts: dict[str, Any] = {"clinic": clinic.pk, "people": people, "at": AT, "notice": notice.pk}
    with as_owner(), bare_tables(_TABLES), connection.cursor() as cursor:
        cursor.execute(_PEOPLE, facts)
        for purpose, op in COUNTED.items():
            (category,) = rule_of(purpose).codes
            cursor.execute(_STATES, {**facts, "purpose": purpose.value, "category": category, "op": op.value})
            say(f"consent: {purpose}: {cursor.rowcount:,}")
        cursor.execute(_EVENTS, facts)
        say(f"consent: lines: {cursor.rowcount:,}")
    return clinic
