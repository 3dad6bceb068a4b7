"""Does everything agree? `fsck [--clinic CODE]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from audit.checks import CannotVerify
from audit.models import SYSTEM_LOG
from audit.soundness import unsound_log
from crypto.soundness import Page
from exchange.fsck import pages_of, unsound_files, unsound_keys
from exchange.management.clinics import clinics_named

SHOWN = 200


class Command(BaseCommand):
    help = (
        "Reads what is kept twice (permissions and their ledger, access and its sources, messages and outbox), whether every sealed value"
        " and file can be opened, whether every key that is gone has a reason, bytes that belong to no file, and the log. Exit status 1 names the rows that do not fit. Changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", metavar="CODE", help="this clinic alone")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError (exit status 1) where anything does not fit."""
        found = 0
        try:
            for clinic in clinics_named(options["clinic"]):
                found += self._tell(clinic.code, list(pages_of(clinic)))
            if not options["clinic"]:
                found += self._tell(
                    "installation", [unsound_log(SYSTEM_LOG), Page(0, unsound_keys() + unsound_files())]
                )
        except CannotVerify as error:
            raise CommandError(str(error)) from error
        if found:
            raise CommandError(f"{found} findings: see above which rows do not fit.")

    def _tell(self, what: str, pages: list[Page]) -> int:
        found = [finding for page in pages for finding in page.findings]
        self.stdout.write(
            f"{what}: {sum(page.read for page in pages)} rows and entries read, {len(found)} findings"
        )
        for finding in found[:SHOWN]:
            self.stderr.write(str(finding))
        return len(found)
