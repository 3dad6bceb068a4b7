"""Whether the log is whole: how far it is sealed, who signed it, and a check that anybody here may ask for."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from audit.checks import checks_of
from audit.models import SYSTEM_LOG, Check
from audit.queries import SealState, seal_state

LATE: Final = timedelta(seconds=60)  # the sequencer is at most ten seconds behind; a minute is worth a look
SILENT: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSeal:
    """One log as the page tells it: its state now, and the newest check of it."""

    state: SealState
    check: Check | None

    @property
    def is_system(self) -> bool:
        return self.state.log_id == SYSTEM_LOG

    @property
    def is_late(self) -> bool:
        return self.state.lag is None or self.state.lag > LATE

    @property
    def is_unwitnessed(self) -> bool:
        """Whether a witness was set up and has not answered for minutes."""
        silence = self.state.witness_silence
        return bool(self.state.witness) and (silence is None or silence > SILENT)

    @property
    def is_broken(self) -> bool:
        """Whether somebody has to look: what is stored does not fit, or a check found what does not."""
        return bool(self.state.troubles) or bool(self.check and self.check.problems)

    @property
    def checkpoint(self) -> str:
        """The signed note with the witness's line where it cosigned this very size: what is kept elsewhere."""
        signed, cosigned = self.state.signed, self.state.cosigned
        if signed is None:
            return ""
        same = cosigned is not None and cosigned.size == signed.size
        return signed.text + (cosigned.text if same and cosigned else "")


def shown_seal(log_id: UUID) -> ShownSeal:
    """In a unit of work that sees the log. Two statements."""
    return ShownSeal(state=seal_state(log_id), check=checks_of(log_id).first())
