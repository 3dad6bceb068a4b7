"""An erasure that is killed anywhere is either not begun or carried out to the end; and no process keeps a key of the erased."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit.acting import acting
from crypto import ledger
from crypto.core.scopes import Scope
from exchange.services import carry_out_ledger
from exchange.services.erasure import remove_leftover_bytes
from patients.models import Patient, PatientTag
from tests.exchange.killed_while_erasing import erase_and_die
from tests.exchange.second_process import read_when_told
from tests.factories.erasure import ERASED_AT, House, living_keys_of

pytestmark = pytest.mark.django_db(transaction=True)
FORK = get_context("fork")  # a copy of this process, which has loaded everything already


def killed(step: str, patient: Patient) -> int | None:
    """What the system says of the process that was killed."""
    connection.close()  # no two processes speak over one
    words = (step, patient.pk, patient.clinic_id, ERASED_AT)
    process = FORK.Process(target=erase_and_die, args=words)
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("step", ["while the line is written", "before the line is synced"])
def test_killed_before_the_line_is_on_disk_nothing_was_erased_or_all_of_it_will_be(
    house: House, in_care: Patient, step: str
) -> None:
    """A line that reached the file whole counts: what was asked for is carried out. Half of one never was."""
    assert killed(step, in_care) == -9
    whole = 1 if step == "before the line is synced" else 0
    assert ledger.read().length == whole
    assert carry_out_ledger() == whole
    with acting(house.system):
        assert ("held" in living_keys_of(in_care.subject_id).values()) == bool(whole)
        assert PatientTag.objects.filter(patient=in_care).exists() == (not whole)
    house.erase(in_care)
    assert ledger.read().length == ledger.known().length == 1


def test_killed_between_sync_and_commit_the_next_process_carries_it_out_once(
    house: House, in_care: Patient
) -> None:
    assert killed("after the line is synced", in_care) == -9
    assert (ledger.read().length, ledger.known().length) == (1, 0)
    with acting(house.system):
        assert len(living_keys_of(in_care.subject_id)) == 3
    assert [carry_out_ledger(), carry_out_ledger()] == [1, 0]
    with acting(house.system):
        assert living_keys_of(in_care.subject_id) == {Scope.IDENTITY: "held", Scope.RECORD: "held"}
        assert Patient.objects.get(pk=in_care.pk).restricted_at == ERASED_AT
        assert not PatientTag.objects.filter(patient=in_care).exists()
    assert ledger.known().length == 1


def test_killed_after_the_commit_the_bytes_of_files_go_with_the_next_start(
    house: House, in_care: Patient, settings: Any
) -> None:
    assert killed("after the commit", in_care) == -9
    assert ledger.known().length == 1

    def files() -> int:
        return sum(path.is_file() for path in Path(settings.FILES_DIR).rglob("*"))

    assert (files(), carry_out_ledger()) == (2, 0)
    remove_leftover_bytes()
    assert files() == 1


Tell = Callable[[str], str]


@contextmanager
def second_process(patient: Patient) -> Iterator[Tell]:
    ours, theirs = FORK.Pipe()
    connection.close()
    process = FORK.Process(target=read_when_told, args=(theirs, patient.pk, patient.clinic_id))
    process.start()

    def tell(word: str) -> str:
        ours.send(word)
        assert ours.poll(10), "no answer"
        return str(ours.recv())

    try:
        yield tell
    finally:
        process.kill()
        process.join()


def test_an_erasure_answers_when_no_other_process_holds_a_key_any_more(house: House) -> None:
    patient = house.opened(name="王小芳")
    with second_process(patient) as tell:
        assert [tell("begin"), tell("open")] == ["done", "opened"]

        def erase() -> None:
            house.erase(patient)
            connection.close()

        erasing = threading.Thread(target=erase)
        erasing.start()
        while ledger.known().length == 0:  # until it is committed
            pass
        erasing.join(timeout=0.3)
        assert erasing.is_alive()  # the other process is still in a unit of work that began before
        assert tell("end") == "done"
        erasing.join(timeout=10)
        assert not erasing.is_alive()
        assert [tell("begin"), tell("open")] == ["done", "KeyDestroyed"]
