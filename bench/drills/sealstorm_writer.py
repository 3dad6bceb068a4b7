"""A writer of the sealstorm: `python -m bench.drills.sealstorm_writer CLINIC JOURNAL`, until it is told to stop.

It notes an entry after its commit came back, synced to disk: what stands in the journal was acknowledged.
"""

import os
import sys
import time
from pathlib import Path
from uuid import UUID

import django
from django.apps import apps

if not apps.ready:  # this module is the first of ours that its process imports
    django.setup()

from django.db import Error, connection

from audit.acting import acting
from audit.actors import system_actor
from audit.errors import LogUnavailable
from audit.services import record

SECONDS_BETWEEN_ENTRIES = 0.01


def main(clinic_id: UUID, journal: Path) -> None:
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


if __name__ == "__main__":
    main(UUID(sys.argv[1]), Path(sys.argv[2]))
