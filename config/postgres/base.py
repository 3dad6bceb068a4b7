"""The connection: a line that is quiet is a line that holds, and the zone of every moment is found without asking Python."""

import select
from datetime import timezone

from django.db.backends.postgresql import base
from psycopg2.extensions import TRANSACTION_STATUS_IDLE


class DatabaseWrapper(base.DatabaseWrapper):
    # Connections speak UTC, and of an offset of nothing this makes the one `timezone.utc`.
    tzinfo_factory = staticmethod(timezone)  # type: ignore[assignment]  # called by psycopg2 with the offset

    def is_usable(self) -> bool:
        """Django asks the server before every request whether it is still there. A server that goes away closes the line, and
        that can be read; only where something waits to be read, or a transaction is not over, is it asked."""
        return self._is_quiet() or bool(super().is_usable())

    def _is_quiet(self) -> bool:
        if self.connection is None or self.connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            return False
        line = select.poll()
        line.register(self.connection.fileno(), select.POLLIN | select.POLLPRI)
        return not line.poll(0)
