"""The gate against withdrawals, on real connections: whoever comes second waits, and nothing starts after a withdrawal."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import pytest
from django.db import connection

from audit.acting import acting
from audit.actors import Actor
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough
from consent.decisions import Need, Reason
from consent.errors import ConsentMissing
from consent.gate import gate, pass_gate
from consent.models import ConsentEvent, ConsentState
from consent.services import Withdrawal, withdraw_consent
from patients.models import Patient
from tests.consent.test_recording import states_equal_their_ledgers
from tests.factories.consent import MONDAY, ConsentFactory, NoticeFactory
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out

T = TypeVar("T")
Run = Callable[[Callable[[], T]], T]


def on_its_own_connection(work: Callable[[], T]) -> Callable[[], T]:
    """The work in a thread, its connection closed afterwards."""

    def run() -> T:
        try:
            return work()
        finally:
            connection.close()

    return run


def withdraw(patient: Patient, by: Actor) -> Withdrawal:
    with acting(by):
        return withdraw_consent(
            patient, Purpose.FOLLOWUP, by=by, at=MONDAY, given_through=GivenThrough.PORTAL
        )


def passes(patient: Patient, by: Actor) -> bool:
    try:
        with acting(by), gate(patient.pk, Purpose.FOLLOWUP, at=MONDAY):
            return True
    except ConsentMissing:
        return False


@laid_out
def agreed(clinic: Clinic, nurse: Actor) -> Patient:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        ConsentFactory(patient, by=nurse)
    return patient


def test_the_gate_passes_what_is_agreed_and_names_the_line(at_work: Actor, patient: Patient) -> None:
    event = ConsentFactory(patient, by=at_work)[0]
    with gate(patient.pk, Purpose.FOLLOWUP, at=MONDAY) as decision:
        assert decision.event_uid == event.pk


def test_the_gate_refuses_and_there_is_something_to_lock_even_for_who_was_never_asked(
    at_work: Actor, patient: Patient
) -> None:
    with (
        pytest.raises(ConsentMissing) as refused,
        gate(patient.pk, Purpose.FOLLOWUP, channel="sms", at=MONDAY),
    ):
        pytest.fail("passed")
    assert refused.value.reason == Reason.NEVER_ASKED
    assert ConsentState.objects.filter(patient=patient, purpose="followup").count() == 2


def test_a_batch_passes_the_gate_in_three_statements(
    at_work: Actor, clinic: Clinic, django_assert_num_queries: Callable[..., Any]
) -> None:
    people = [PatientFactory(clinic=clinic, by=at_work) for _number in range(6)]
    for person in people[:4]:
        ConsentFactory(person, by=at_work)
    needs = [Need(patient_id=p.pk, purpose=Purpose.FOLLOWUP, channel="sms") for p in people]
    pass_gate(needs, MONDAY)  # makes the missing rows
    with django_assert_num_queries(2):
        decisions = pass_gate(needs, MONDAY)
    assert [decisions[need].allowed for need in needs] == [True] * 4 + [False] * 2


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_there_is_no_gate() -> None:
    with pytest.raises(RuntimeError):
        pass_gate([], MONDAY)


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_waits_for_what_has_started_and_what_comes_later_is_refused(
    agreed: Patient, nurse: Actor
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with acting(nurse), gate(agreed.pk, Purpose.FOLLOWUP, at=MONDAY):
            withdrawing = pool.submit(on_its_own_connection(lambda: withdraw(agreed, nurse)))
            time.sleep(0.3)
            assert not withdrawing.done()
        assert withdrawing.result(timeout=5).events
    assert not passes(agreed, nurse)


@pytest.mark.django_db(transaction=True)
def test_a_gate_waits_for_a_withdrawal_and_then_refuses(agreed: Patient, nurse: Actor) -> None:
    with ThreadPoolExecutor(1) as pool:
        with acting(nurse):
            withdraw_consent(agreed, Purpose.FOLLOWUP, by=nurse, at=MONDAY, given_through=GivenThrough.PORTAL)
            passing = pool.submit(on_its_own_connection(lambda: passes(agreed, nurse)))
            time.sleep(0.3)
            assert not passing.done()
        assert passing.result(timeout=5) is False


@pytest.mark.django_db(transaction=True)
def test_a_gate_of_what_rests_on_care_waits_for_the_withdrawal_of_care(agreed: Patient, nurse: Actor) -> None:
    with acting(nurse):
        ConsentFactory(agreed, Purpose.CARE, by=nurse)
    with ThreadPoolExecutor(1) as pool:
        with acting(nurse):
            withdraw_consent(agreed, Purpose.CARE, by=nurse, at=MONDAY, given_through=GivenThrough.DESK)
            passing = pool.submit(on_its_own_connection(lambda: passes(agreed, nurse)))
            time.sleep(0.3)
            assert not passing.done()
        assert passing.result(timeout=5) is False


@pytest.mark.django_db(transaction=True)
def test_several_may_pass_at_once(agreed: Patient, nurse: Actor) -> None:
    with ThreadPoolExecutor(1) as pool, acting(nurse), gate(agreed.pk, Purpose.FOLLOWUP, at=MONDAY):
        assert pool.submit(on_its_own_connection(lambda: passes(agreed, nurse))).result(timeout=5)


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_one_permission_follow_each_other(agreed: Patient, nurse: Actor) -> None:
    with acting(nurse):
        notice = NoticeFactory(agreed, Purpose.FOLLOWUP)
    everybody = threading.Barrier(6)

    def speak(number: int) -> None:
        everybody.wait(5)
        with acting(nurse):
            ConsentFactory(agreed, by=nurse, notice=notice, granted=number % 2 == 0)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: on_its_own_connection(lambda: speak(n))(), range(6)))
    with acting(nurse):
        versions = ConsentEvent.objects.filter(data_category="attr").order_by("version")
        assert list(versions.values_list("version", flat=True)) == list(range(1, len(versions) + 1))
        assert states_equal_their_ledgers()
        for before, later in pairwise(versions):
            assert later.prev_id == before.pk


@pytest.mark.django_db(transaction=True)
def test_the_same_deed_in_two_windows_is_one(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        notice = NoticeFactory(patient, Purpose.FOLLOWUP)
    both = threading.Barrier(2)

    def send() -> None:
        both.wait(5)
        with acting(nurse):
            ConsentFactory(patient, by=nurse, notice=notice, idem_key="one-form")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _n: on_its_own_connection(send)(), range(2)))
    with acting(nurse):
        assert ConsentEvent.objects.count() == 2
