"""What a process does that erases one patient and is killed at a step."""

import os
import signal
from datetime import datetime
from typing import Any
from uuid import UUID

from audit.acting import acting
from audit.actors import system_actor
from crypto import ledger
from crypto.keyring import forget_everything
from exchange.services import Reason, erase_patient, erasure
from patients.models import Patient


def die(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_line(descriptor: int, line: bytes) -> None:
    os.write(descriptor, line[: len(line) // 2])
    die()


def erase_and_die(step: str, patient_id: UUID, clinic_id: UUID, at: datetime) -> None:
    """Changes the modules of the process it runs in: it is a process of its own."""
    forget_everything()
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
