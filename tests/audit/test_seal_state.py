"""How far a log is sealed is told in one statement: to a page, to a watcher, and to the rule that rings when nobody seals."""

from datetime import timedelta

import psycopg2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from audit.acting import acting
from audit.models import SYSTEM_LOG
from audit.queries import SealState, seal_state
from audit.services import record
from tests.audit.reading import run_as_owner
from tests.audit.sealing import WitnessProcess, leaves, seal, seal_all, sequencer
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]


def write(count: int = 1) -> None:
    for _ in range(count):
        with acting(SETUP):
            record("card.opened", object=("patients.card", "17"))


def state() -> SealState:
    with acting(SETUP):
        return seal_state(CLINIC)


def test_before_the_first_turn_nothing_is_claimed() -> None:
    found = state()
    assert (found.size, found.signed, found.sealed_until, found.lag, found.troubles) == (
        0,
        None,
        None,
        None,
        (),
    )


def test_a_sealed_log_says_its_size_its_note_and_until_when_everything_has_its_place() -> None:
    write(3)
    before = now()
    seal()
    found = state()
    assert found.signed is not None
    assert found.size == found.signed.size == len(leaves())
    assert found.signed.text.startswith(f"{found.origin}\n{found.size}\n")
    assert found.sealed_until is not None
    assert found.sealed_until >= before
    assert found.lag is not None
    assert found.lag < timedelta(minutes=1)
    assert found.cosigned is None


def test_it_is_one_statement() -> None:
    write()
    seal()
    with acting(SETUP), CaptureQueriesContext(connection) as asked:
        seal_state(CLINIC)
    assert len(asked) == 1


def test_an_open_transaction_holds_the_moment_back_and_not_the_claim_forward() -> None:
    """What is written after it began may have no place yet, so the log does not say that it has."""
    write()
    seal()
    open_one = psycopg2.connect(**connection.get_connection_params())
    try:
        with open_one.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
        with sequencer() as sealing:
            sealing.turn()
            began = now()
            write(2)
            sealing.turn()
            held = state().sealed_until
            assert held is not None
            assert held < began
            open_one.rollback()
            seal_all(sealing)
            sealing.turn()
        assert (state().sealed_until or held) > began
    finally:
        open_one.close()


def test_the_witness_is_named_with_its_last_answer_and_its_cosignature(witness: WitnessProcess) -> None:
    write(2)
    seal()
    found = state()
    assert found.cosigned is not None
    assert found.cosigned.size == found.size
    assert found.witness == witness.url
    assert found.witness_silence is not None
    assert found.witness_silence < timedelta(minutes=1)


def test_a_silent_witness_is_told_also_when_there_is_nothing_to_sign(witness: WitnessProcess) -> None:
    write()
    seal()
    answered = state().witness_at
    witness.kill()
    with sequencer() as sealing:
        sealing.turn()
    found = state()
    assert found.witness_at == answered
    assert [trouble for trouble in found.troubles if trouble.startswith("the witness: ")]


def test_a_log_that_is_not_signed_says_why_until_it_is_well() -> None:
    write(3)
    seal()
    run_as_owner(
        "ALTER TABLE audit_leaf DISABLE TRIGGER USER;"
        " UPDATE audit_leaf SET leaf_hash = sha256('x') WHERE leaf_index = 0;"
        " ALTER TABLE audit_leaf ENABLE TRIGGER USER; UPDATE audit_state SET frontier[1] = sha256('y')"
    )
    write()
    with sequencer() as sealing:
        seal_all(sealing)
    (trouble,) = state().troubles
    assert "is not signed" in trouble


def test_another_clinic_learns_size_and_lag_and_neither_note_nor_cosignature(witness: WitnessProcess) -> None:
    write(2)
    seal()
    with acting(SETUP, OTHER_CLINIC):
        found = seal_state(CLINIC)
        system = seal_state(SYSTEM_LOG)
    assert found.size == len(leaves())
    assert (found.signed, found.cosigned) == (None, None)
    assert system.lag is not None
