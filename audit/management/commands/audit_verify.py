"""Whether the log is what it was."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.checks import CannotVerify, trust_here
from audit.connections import reader
from audit.management.progress import Progress
from audit.notes import Note, NoteRefused
from audit.verification import Trust, Verification

SHOWN = 50


class Command(BaseCommand):
    help = "Reads the whole log again and says how many entries verify under which checkpoint. Exit status 1 names what does not."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--checkpoint", type=Path, action="append", default=[], metavar="FILE",
            help="a checkpoint kept elsewhere (mail, print, receipt); the log must still contain it",
        )  # fmt: skip

    def handle(self, *args: Any, checkpoint: list[Path], **options: Any) -> None:
        """Raises CommandError (exit status 1) where anything does not fit."""
        trust = self._trust(checkpoint)
        connection, progress = reader(), Progress(self.stderr)
        try:
            reports = list(Verification(connection, trust, told=progress.told).run())
        finally:
            connection.close()
        progress.end()
        for report in reports:
            self.stdout.write(str(report))
        if not reports:
            self.stdout.write("The log is empty.")
        problems = [problem for report in reports for problem in report.problems]
        for problem in problems[:SHOWN]:
            self.stderr.write(str(problem))
        if problems:
            raise CommandError(f"{len(problems)} problems: the log is not what it was.")

    def _trust(self, files: list[Path]) -> Trust:
        try:
            kept = tuple(Note.parse(path.read_text(encoding="utf-8")) for path in files)
            trust, unchecked = trust_here(kept)
        except (OSError, NoteRefused, CannotVerify) as error:
            raise CommandError(str(error)) from error
        for sentence in unchecked:
            self.stderr.write(sentence)
        return trust
