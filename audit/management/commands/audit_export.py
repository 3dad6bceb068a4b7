"""A log as files that anybody can verify without us."""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.connections import known_logs
from audit.export import NotEmpty, export
from audit.management.progress import Progress
from audit.models import SYSTEM_LOG
from audit.trees import log_name


def log_id(text: str) -> UUID:
    """`system`, or a clinic's id. Raises ValueError."""
    return SYSTEM_LOG if text == "system" else UUID(text)


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
        """Raises CommandError where the folder is not empty or a log is unknown."""
        known = known_logs()
        if unknown := [log_name(one) for one in log if one not in known]:
            raise CommandError(f"There is no log {', '.join(unknown)}.")
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
