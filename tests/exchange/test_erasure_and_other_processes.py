"""An erasure that is killed anywhere is either not begun or carried out to the end; and no process keeps a key of the erased."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.db import connection

from audit.acting import acting
from crypto import ledger
from crypto.core.scopes import Scope
from exchange.services import carry_out_ledger
from exchange.services.erasure import remove_leftover_bytes
from patients.models import Patient, PatientTag
from tests.factories.erasure import ERASED_AT, House, living_keys_of

pytestmark = pytest.mark.django_db(transaction=True)
REPOSITORY = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    database = urlsplit(os.environ["DATABASE_URL"])
    return {
        **os.environ,
        "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "KEYS_DIR": str(django_settings.KEYS_DIR),
        "FILES_DIR": str(django_settings.FILES_DIR),
    }


def killed(step: str, patient: Patient) -> int:
    words = [step, str(patient.pk), str(patient.clinic_id), ERASED_AT.isoformat()]
    command = [sys.executable, "-m", "tests.exchange.killed_while_erasing", *words]
    return subprocess.run(command, check=False, cwd=REPOSITORY, env=environment()).returncode


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


class Reader:
    """The second process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def told(self, word: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def reader(patient: Patient) -> Iterator[Reader]:
    command = [sys.executable, "-m", "tests.exchange.second_process", str(patient.pk), str(patient.clinic_id)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Reader(process)
        finally:
            process.kill()


def test_an_erasure_answers_when_no_other_process_holds_a_key_any_more(house: House) -> None:
    patient = house.opened(name="王小芳")
    with reader(patient) as other:
        assert [other.told("begin"), other.told("open")] == ["done", "opened"]

        def erase() -> None:
            house.erase(patient)
            connection.close()

        erasing = threading.Thread(target=erase)
        erasing.start()
        while ledger.known().length == 0:  # until it is committed
            pass
        erasing.join(timeout=0.3)
        assert erasing.is_alive()  # the other process is still in a unit of work that began before
        assert other.told("end") == "done"
        erasing.join(timeout=10)
        assert not erasing.is_alive()
        assert [other.told("begin"), other.told("open")] == ["done", "KeyDestroyed"]
