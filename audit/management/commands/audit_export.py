"""A log as files that anybody can verify without us."""

from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from audit.acting import acting
from audit.actors import system_actor
from audit.connections import known_logs
from audit.export import NotEmpty, export
from audit.kinds import Kind
from audit.management.progress import Progress
from audit.models import SYSTEM_LOG
from audit.services import record
from audit.trees import log_name


def log_id(text: str) -> UUID:
    """`system`, or a clinic's id. Raises ValueError."""
    return SYSTEM_LOG if text == "system" else UUID(text)


def recorded(log_ids: Collection[UUID]) -> bool:
    """Write into the system's log that these logs are carried away, before the first file; False for a role that only reads.

    Raises LogUnavailable.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(current_user, 'audit_event', 'INSERT')")
        (may_write,) = cursor.fetchone()
    if may_write:
        with acting(system_actor("audit_export", None)):
            for log_id in log_ids:
                record("log.exported", object=("audit.log", log_name(log_id)), kind=Kind.EXPORTED)
    return bool(may_write)


class Command(BaseCommand):
    help = (
        "Writes logs as static files (C2SP tlog-tiles) into an empty folder; tools/verify_audit.py verifies them alone. "
        "Cut off, it goes on where it stopped. Whoever gets the folder sees what is in it: name the log for an auditor of one clinic."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--log", type=log_id, action="append", default=[], metavar="CLINIC",
            help="a clinic's id, or `system`; more than once for several (default: every log)",
        )  # fmt: skip

    def handle(self, *args: Any, folder: Path, log: list[UUID], **options: Any) -> None:
        """Raises CommandError where the folder is not empty or a log is unknown, LogUnavailable."""
        known = known_logs()
        if unknown := [log_name(one) for one in log if one not in known]:
            raise CommandError(f"There is no log {', '.join(unknown)}.")
        if not recorded(log or known):
            self.stderr.write(
                "This role cannot write to the log: the export stands in no log. Note who took it."
            )
        progress = Progress(self.stderr)
        try:
            parts = export(folder, log or known, told=progress.told)
        except (NotEmpty, OSError) as error:
            raise CommandError(str(error)) from error
        progress.end()
        for part in parts:
            self.stdout.write(f"{part.size} entries of {part.folder}")
        if not parts:
            self.stdout.write("The log is empty.")
