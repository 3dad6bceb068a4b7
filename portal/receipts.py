"""What proves one thing that a person said about one purpose: the lines of the ledger it left, read as a receipt."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit.purposes import Purpose
from consent.choices import EventKind
from consent.models import ConsentEvent
from consent.purposes import PurposeRule, Words, data_categories, rule_of
from consent.receipts import lines_of_deed
from patients.models import Patient


@dataclass(frozen=True, slots=True)
class Receipt:
    """One deed: a line for each kind of data with each operation, all said in the same breath. Never empty."""

    lines: tuple[ConsentEvent, ...]

    @property
    def line(self) -> ConsentEvent:
        return self.lines[0]

    @property
    def rule(self) -> PurposeRule:
        return rule_of(Purpose(self.line.purpose))

    @property
    def gave(self) -> bool:
        """Whether the person said yes."""
        return self.line.event in (EventKind.GRANTED, EventKind.RENEWED)

    @property
    def data(self) -> list[Words]:
        """The kinds of data it was about, each once."""
        return [
            data_categories()[code].name for code in dict.fromkeys(one.data_category for one in self.lines)
        ]

    @property
    def operations(self) -> list[str]:
        """What may be done with them, each once."""
        return list(dict.fromkeys(one.get_operation_display() for one in self.lines))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the notice that was shown, in hex; empty where none was."""
        return bytes(self.line.notice_sha256).hex() if self.line.notice_sha256 else ""

    @property
    def recorded_at(self) -> datetime:
        moment: datetime = self.line.recorded_at
        return moment


def receipt_of(patient: Patient, event_id: UUID) -> Receipt | None:
    """The receipt that one line of this patient's ledger belongs to; None for anybody else's. Two statements."""
    lines = lines_of_deed(patient, event_id)
    return Receipt(lines) if lines else None
