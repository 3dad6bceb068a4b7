"""Bring in report files from the command line: `import_report FILE… --clinic CODE [--open-card] [--dry-run]`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic
from clinics.queries import clinic_by_code
from crypto.errors import ClinicError
from exchange.errors import ReportUnreadable
from exchange.fhir import parse_bundle
from exchange.fhir.document import MAX_BYTES
from exchange.identity import Note
from exchange.services import ImportResult, import_bundle

NOTES = {
    Note.PHONE_LEFT_OUT: "the phone in the file is not one that can be called, so it was left out",
    Note.HAS_DIED: "the file says that the person has died, so no follow-up starts",
}


class Command(BaseCommand):
    help = "Reads FHIR R4 bundles, one person each. A file is brought in whole or not at all; the same file twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--clinic", required=True, metavar="CODE", help="code of the clinic the people belong to"
        )
        parser.add_argument("--open-card", action="store_true", help="open a card for a person who has none")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen and write nothing")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        clinic = clinic_by_code(options["clinic"])
        if clinic is None:
            raise CommandError(f"There is no open clinic with the code {options['clinic']!r}.")
        refused = [path for path in options["files"] if not self._import(path, clinic, options)]
        if refused:
            done = len(options["files"]) - len(refused)
            raise CommandError(f"{len(refused)} of {len(options['files'])} files refused, {done} brought in.")

    def _import(self, path: Path, clinic: Clinic, options: dict[str, Any]) -> bool:
        """One file in a transaction of its own; False when it was refused, and why stands on stderr."""
        dry_run: bool = options["dry_run"]
        actor = system_actor("import", clinic.pk)
        try:
            bundle = parse_bundle(_read(path))
            with acting(actor, clinic.pk):
                result = import_bundle(
                    bundle,
                    clinic=clinic,
                    open_card=options["open_card"],
                    by=actor,
                    at=timezone.now(),
                    dry_run=dry_run,
                )
        except OSError as error:
            self.stderr.write(f"{path}: {error.strerror}.")
            return False
        except DatabaseTrouble as trouble:
            connection.close()
            self.stderr.write(
                f"{path}: the database ended the work ({type(trouble).__name__}), so nothing of it was written."
            )
            return False
        except ClinicError as error:
            self.stderr.write(f"{path}: {error.message}")
            for problem in error.problems if isinstance(error, ReportUnreadable) else ():
                self.stderr.write(f"  {problem}")
            return False
        self.stdout.write(f"{path}: {'(dry run) ' if dry_run else ''}{_in_words(result)}")
        return True


def _read(path: Path) -> bytes:
    """The file, or as much of it as shows that it is too large."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _in_words(result: ImportResult) -> str:
    counts = result.counts
    card = f"card {result.patient.service_number}" if result.patient else "a new card would be opened"
    opened = " opened" if result.patient and result.opens_card else ""
    if not counts.stored:
        return f"{card}: nothing new, all {counts.same} results are there already."
    codes = ", ".join(f"{code} x{number}" for code, number in sorted(counts.uncatalogued.items()))
    said = [
        f"{card}{opened}: {len(result.lines)} reports",
        f"stored {counts.stored}",
        f"already there {counts.same}",
        f"flagged {counts.flagged}",
        f"critical {counts.critical}",
        f"uncatalogued {counts.uncatalogued_count}{f' ({codes})' if codes else ''}",
        f"implausible {counts.implausible}",
        f"sealed whole {counts.sealed_whole}",
    ]
    not_read = ", ".join(f"{kind} x{number}" for kind, number in sorted(result.not_read.items()))
    sentences = [", ".join(said) + "."]
    sentences += [f"Not read: {not_read}."] if not_read else []
    sentences += [f"Without a value: {result.without_value}."] if result.without_value else []
    sentences += [f"Taken back by the sender: {result.taken_back}."] if result.taken_back else []
    sentences += [f"Note: {NOTES[note]}." for note in result.notes]
    return " ".join(sentences)
