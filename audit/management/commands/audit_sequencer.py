"""The process that seals the log."""

import logging
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg2 import InterfaceError, OperationalError

from audit import configured
from audit.connections import as_role
from audit.notes import Signer
from audit.sequencer import Sequencer
from audit.signing import SigningKeyUnreadable

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Seals the log: gives every committed entry its place, signs checkpoints, has them witnessed. One process seals."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="seal what there is, then stop")
        parser.add_argument("--interval", type=float, default=2.0, help="seconds between turns (default: 2)")

    def handle(self, *args: Any, once: bool, interval: float, **options: Any) -> None:
        """Raises CommandError where a setting or key is missing."""
        if not configured.sequencer_url():
            raise CommandError("DATABASE_SEQUENCER_URL is not set: the log is sealed by a role of its own.")
        try:
            signer = configured.log_signer()
            configured.show_log_key(signer)
        except (SigningKeyUnreadable, OSError) as error:
            raise CommandError(str(error)) from error
        if once:
            self._once(signer)
        else:
            self._forever(signer, interval)

    def _once(self, signer: Signer) -> None:
        sequencer = self._sequencer(signer)
        try:
            if not sequencer.lead():
                raise CommandError("Another sequencer is at work; it seals these entries.")
            sealed = sequencer.turn()
        finally:
            sequencer.connection.close()
        self.stdout.write(f"{sealed} entries sealed")
        if sequencer.troubles:
            raise CommandError("; ".join(sequencer.troubles))

    def _forever(self, signer: Signer, interval: float) -> None:
        """Waits while another one seals, and comes back when the server was away."""
        while True:
            try:
                sequencer = self._sequencer(signer)
                while not sequencer.lead():
                    time.sleep(interval)
                while True:
                    sequencer.turn()
                    time.sleep(interval)
            except (InterfaceError, OperationalError) as error:
                logger.warning("audit: the database is away (%s)", type(error).__name__)
                time.sleep(interval)
            except KeyboardInterrupt:
                return

    def _sequencer(self, signer: Signer) -> Sequencer:
        return Sequencer(
            as_role(configured.sequencer_url()), signer, configured.witness(), with_sm3=configured.with_sm3()
        )
