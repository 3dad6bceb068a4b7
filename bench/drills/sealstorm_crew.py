"""The processes of the sealstorm: who writes entries, and who seals them. Each goes on until it is killed."""

import logging
import os
import time
from pathlib import Path
from uuid import UUID

from django.core.management import call_command
from django.db import Error, connection

from audit.acting import acting
from audit.actors import system_actor
from audit.errors import LogUnavailable
from audit.services import record

SECONDS_BETWEEN_ENTRIES = 0.01


def write(clinic_id: UUID, journal: Path) -> None:
    """It notes an entry after its commit came back, synced to disk: what stands in the journal was acknowledged."""
    actor = system_actor("drill", clinic_id)
    with journal.open("a") as acknowledged:
        while True:
            try:
                with acting(actor):
                    event = record("card.opened", object=("patients.card", "17"))
            except (Error, LogUnavailable):  # the server is away: nothing was acknowledged
                connection.close()
                time.sleep(0.1)
                continue
            acknowledged.write(f"{event.uid}\n")
            acknowledged.flush()
            os.fsync(acknowledged.fileno())
            time.sleep(SECONDS_BETWEEN_ENTRIES)


def seal(interval: float) -> None:
    """What runs beside the product; it comes back when the server was away, and nobody reads that it says so."""
    logging.disable()
    call_command("audit_sequencer", "--interval", str(interval))
