"""What this app does in deeds that ask every app to take part (ADR 0001)."""

from datetime import datetime
from uuid import UUID

from clinics.tokens import end_tokens


def on_left(*, clinic_id: UUID, user_id: UUID, at: datetime) -> None:
    """Somebody works in the clinic no longer: neither do the programs that have a token of theirs."""
    end_tokens(user_id, clinic_id=clinic_id, at=at)
