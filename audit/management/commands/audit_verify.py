"""Whether the log is what it was."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import configured
from audit.canon import mac_key_file
from audit.connections import reader
from audit.notes import Note, NoteRefused
from audit.signing import read_verifier
from audit.verification import Trust, Verification
from audit.witnessing import WitnessAbsent, WitnessRefused

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
        connection = reader()
        try:
            reports = list(Verification(connection, trust).run())
        finally:
            connection.close()
        for report in reports:
            self.stdout.write(str(report))
        if not reports:
            self.stdout.write("The log is empty.")
        problems = [problem for report in reports for problem in report.problems]
        for problem in problems[:SHOWN]:
            self.stderr.write(str(problem))
        if problems:
            raise CommandError(f"{len(problems)} problems: the log is not what it was.")

    def _trust(self, kept: list[Path]) -> Trust:
        try:
            log = read_verifier(configured.log_public_file())
            notes = tuple(Note.parse(path.read_text(encoding="utf-8")) for path in kept)
        except (OSError, NoteRefused) as error:
            raise CommandError(f"{configured.log_public_file()}: {error}") from error
        codes = mac_key_file().exists()
        if not codes:
            self.stderr.write("The key of the entries' codes is not here: the codes are not checked.")
        return Trust(log, self._witness_key(), notes, codes)

    def _witness_key(self) -> Any:
        client = configured.witness()
        try:
            return client.verifier() if client else None
        except (WitnessAbsent, WitnessRefused) as error:
            self.stderr.write(f"The witness's signatures are not checked: {error}")
            return None
