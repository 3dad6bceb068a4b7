"""A process that erases one patient and is killed at a step: `python -m tests.exchange.killed_while_erasing STEP PATIENT CLINIC`."""

import os
import signal
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import django

django.setup()

from audit.acting import acting  # noqa: E402
from audit.actors import system_actor  # noqa: E402
from crypto import ledger  # noqa: E402
from exchange.services import Reason, erase_patient, erasure  # noqa: E402
from patients.models import Patient  # noqa: E402


def die(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_line(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line[: len(line) // 2])
    die()


def main() -> None:
    step, (patient_id, clinic_id), at = (
        sys.argv[1],
        map(UUID, sys.argv[2:4]),
        datetime.fromisoformat(sys.argv[4]),
    )
    if step == "while the line is written":
        ledger._write = half_a_line
    elif step == "before the line is synced":
        ledger.os.fsync = die  # type: ignore[attr-defined]
    elif step == "after the line is synced":
        ledger.remember = die
    elif step == "after the commit":
        erasure._let_go = die
    system = system_actor("erasure", clinic_id)
    with acting(system, clinic_id):
        patient = Patient.objects.get(pk=patient_id)
    erase_patient(patient, reason=Reason.REQUEST, by=system, at=at)


main()
