"""A carrier outside the process that may be killed: what it took stands in a file, in the order it came."""

import os
import time
from pathlib import Path

from clinics.models import Clinic

SLOW = 0.02  # seconds before and after: a kill may fall between taking a text and saying so


class NotingCarrier:
    """Notes the key of every text it is handed. A receiver that honours keys delivers each once."""

    def send(self, *, clinic: Clinic, phone: str, body: str, idempotency_key: str) -> None:
        time.sleep(SLOW)
        with Path(os.environ["TEST_CARRIER_FILE"]).open("a") as notes:
            notes.write(f"{idempotency_key}\n")
        time.sleep(SLOW)
