"""The sequencer and the witness together: absence delays a cosignature, a rewritten log never gets one."""

from typing import Any

import pytest

from audit.acting import acting
from audit.services import record
from tests.audit.reading import run, run_as_owner
from tests.audit.sealing import FORGET, WitnessProcess, seal, seal_all, sequencer
from tests.factories.audit import CLINIC, SETUP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic")]


def write(count: int = 1) -> None:
    for _ in range(count):
        with acting(SETUP):
            record("card.opened", object=("patients.card", "17"))


def witnessed() -> tuple[int, int]:
    """Newest signed size and newest cosigned size of the clinic's log."""
    with acting(SETUP):
        return (
            run("SELECT coalesce(max(size), 0) FROM audit_checkpoint WHERE log_id = %s", str(CLINIC))[0][0],
            run("SELECT coalesce(max(size), 0) FROM audit_cosig WHERE log_id = %s", str(CLINIC))[0][0],
        )


def test_each_checkpoint_is_cosigned(witness: WitnessProcess) -> None:
    for _ in range(3):
        write(2)
        seal()
        signed, cosigned = witnessed()
        assert signed == cosigned > 0


def test_sealing_goes_on_without_the_witness_and_it_is_asked_when_it_is_back(
    witness: WitnessProcess, settings: Any
) -> None:
    write(2)
    seal()
    _, before = witnessed()
    witness.kill()
    write(2)
    with sequencer() as sealing:
        seal_all(sealing)
        assert sealing.troubles == []
    signed, cosigned = witnessed()
    assert (signed, cosigned) == (before + 2, before)
    settings.WITNESS_URL = witness.start()
    seal()
    assert witnessed() == (signed, signed)


def test_a_log_rewritten_by_its_owner_and_sealed_anew_is_refused(witness: WitnessProcess) -> None:
    write(5)
    seal()
    signed, _ = witnessed()
    run_as_owner(
        "ALTER TABLE audit_event DISABLE TRIGGER USER; DELETE FROM audit_event WHERE uid ="
        " (SELECT min(uid::text)::uuid FROM audit_event WHERE action = 'card.opened');"
        " ALTER TABLE audit_event ENABLE TRIGGER USER; " + FORGET
    )
    write(3)
    with sequencer() as sealing:
        seal_all(sealing)
        assert [t for t in sealing.troubles if "is not signed by the witness" in t]
    assert witnessed() == (signed + 2, 0)


def test_a_log_rolled_back_to_an_older_dump_is_refused(witness: WitnessProcess) -> None:
    write(5)
    seal()
    run_as_owner(
        "ALTER TABLE audit_event DISABLE TRIGGER USER; DELETE FROM audit_event WHERE uid ="
        " (SELECT max(uid::text)::uuid FROM audit_event); ALTER TABLE audit_event ENABLE TRIGGER USER; "
        + FORGET
    )
    with sequencer() as sealing:
        seal_all(sealing)
        assert [t for t in sealing.troubles if "409" in t]
