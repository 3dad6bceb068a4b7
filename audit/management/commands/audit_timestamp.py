"""Time stamps for the newest checkpoints."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import configured
from audit.connections import as_role
from audit.stamping import StampRefused, keep, stamp, unstamped


class Command(BaseCommand):
    help = (
        "Has the newest checkpoint of every log stamped by the authority at AUDIT_TIMESTAMP_URL (RFC 3161), as the sequencer's role. "
        "Let cron run it every hour or day; what is stamped already is left alone."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError where a setting is missing or the authority refuses; what it stamped before is kept."""
        authority = configured.timestamp_url()
        if not authority or not configured.sequencer_url():
            raise CommandError("AUDIT_TIMESTAMP_URL and DATABASE_SEQUENCER_URL must be set.")
        connection = as_role(configured.sequencer_url())
        try:
            with connection, connection.cursor() as cursor:
                waiting = unstamped(cursor)
            for one in waiting:
                token = stamp(authority, one.note.encode())
                with connection, connection.cursor() as cursor:
                    keep(cursor, one, authority, token)
        except StampRefused as error:
            raise CommandError(str(error)) from error
        finally:
            connection.close()
        self.stdout.write(f"{len(waiting)} checkpoints stamped")
